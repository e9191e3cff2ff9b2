//! The desk: everything that people and the clock do with messages that we own. Release, delete, move, expire, scan
//! again, deliver what waits.
//!
//! The only place that combines services (vault, downstream, and with [`crate::inspect`] scanners and DNS). It runs inside the gateway, and in a command
//! while the gateway is stopped. Failure: each message by itself; what failed is named in the outcome and in the item.

mod access;
mod ask;
mod attempt;
mod away;
mod bulk;
mod digest;
mod dressing;
mod edit;
mod envelope;
mod find;
mod grant;
mod hold;
mod import;
mod jobs;
mod judge;
mod mbox;
mod note;
mod notices;
mod outcome;
mod own;
mod pace;
mod refusal;
mod release;
mod request;
mod rescan;
mod retention;
mod retry;
mod service;
mod settle;
mod show;
mod spooling;
mod summary;
mod sweep;
mod sweeps;
mod tally;
mod terms;
mod transaction;
mod under_way;
mod unnoted;
mod verbs;
mod views;
mod worker;

pub use hold::is_asked_again;
pub use request::{Answer, Grant, Job, Outcome, PartView, Pick, Request, Shown, Summary};
pub use service::{Desk, World};
pub use unnoted::{NotNoted, UnnotedReport};
pub use views::finding_view;

#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod release_tests;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod trouble_tests;
#[cfg(test)]
mod verb_tests;
