//! `portcullis check`: every mistake in the rules, then everything that the gateway will need.
//!
//! Mistakes in the files are errors. Surroundings (folders, ports, downstreams) are warnings, for they may be
//! otherwise on the machine and at the time when it counts; `--strict` makes them errors. What would make the
//! gateway dangerous (an open relay, a loop) or keep it from starting at all (a certificate that does not
//! load) is always an error.
//!
//! Nothing is changed and nothing stays behind, also beside a running gateway. Where the gateway would become
//! another user, so does this process, after it has looked at what needs the rights that it was started with.

mod around;
mod dialogue;
mod engines;
mod folders;
mod kept;
mod listeners;
mod names;
mod overhear;
mod own;
mod relay;
mod report;
mod verb;

pub(super) use around::Around;
pub(super) use listeners::open_files_limit;
pub(super) use verb::{Options, run};
