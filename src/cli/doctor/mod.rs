//! `portcullis doctor`: is this machine able to do the work, now? Folders, listeners, downstreams, names, clock, room,
//! files, certificates, the quarantine; each with what to do about it.
//!
//! `check` is about the rules and what they name before a start or a reload; this is about a machine on which mail does
//! not flow as it should, also beside a running gateway. Nothing is changed; what was tried out is taken away again.

mod downstreams;
mod folders;
mod listeners;
mod machine;
mod report;
mod scanners;
mod vault;
mod verb;

pub(super) use verb::{Options, run};
