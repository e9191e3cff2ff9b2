//! Checks: pure functions from facts and policy to findings, one file each, one table.
//!
//! Owner: none; a check keeps no state. Failure: a check that panics is a temporary failure with the check's
//! name in its finding, never a pass (promise P4). A fact that could not be found out is neither yes nor no: where a
//! refusal depended on it the client hears 451 4.4.3.

mod allow;
mod ban;
mod blocks;
mod bound;
mod check;
mod common;
mod early_talk;
mod eight_bit;
mod exempt;
mod expect;
mod greylist;
mod hello;
mod hello_form;
mod hops;
mod limits;
mod lists;
mod mail_policy;
mod null_sender;
mod own_domain;
mod pipelining;
mod recipients;
mod relay;
mod reputation;
mod rule_match;
mod rules;
mod scene;
mod sender_domain;
mod size;
mod table;
mod throttle;
mod unqualified;
mod walk;

pub use crate::verdict::{Settled, settle};
pub use check::Check;
pub use exempt::{is_exempt, is_spared};
pub use expect::{place, run_all as run_expects, stage_word, word as outcome_word};
pub use greylist::concerns as greylist_concerns;
pub use mail_policy::{mail_policy, mail_policy_for};
pub use scene::Scene;
pub use table::{CHECKS, needs, run};
pub use walk::{Judgement, Step, judge};

#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
