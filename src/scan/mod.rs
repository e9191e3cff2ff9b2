//! Scanners: whatever looks at a whole message and may take time, one kind of I/O each. clamd, rspamd, spamd and
//! programs, several of each; all of them are asked at the same time, under one deadline.
//!
//! Owner of: connections to scanning engines, their health ([`Endpoint`](ScannerReport)), the places among scans, what
//! is remembered of earlier results, and which scanners an admin switched off. Failure: a scanner that errs, panics or is
//! late is *not* a pass and not "infected"; what it leads to is the admin's choice ([`Lane`](crate::config::model::Lane)),
//! a temporary refusal by default, and never a permanent one.
//!
//! The codecs of the engines (`*/wire.rs`) are pure: octets in, a verdict out.

mod answer;
mod build;
mod cache;
mod clamd;
mod command;
mod endpoint;
mod exchange;
mod finding;
#[cfg(test)]
mod finding_tests;
mod gate;
mod job;
mod remote;
mod rspamd;
mod run;
#[cfg(test)]
mod run_tests;
mod sample;
mod scanner;
mod spamd;
mod stream;
mod switches;
mod verdict;

pub use answer::answer;
pub use build::build;
pub use finding::{findings, own_lane};
pub use job::{Input, Job};
pub use run::{Results, Scanned, scan, scan_again, scan_parts};
pub use sample::{Pinged, TestReport, ping, test};
pub use scanner::{EndpointReport, PingFuture, ScanFuture, Scanner, ScannerReport, Scanners};
pub use switches::{SwitchError, SwitchedOff, Switches};
pub use verdict::{ScanVerdict, Scored, Symbol};
