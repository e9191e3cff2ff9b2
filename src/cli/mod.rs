//! The command line: one file a verb, one table (`args::Verb`).
//!
//! Exit codes: 0 done, 1 nothing matched, 2 refused by a check, 3 the daemon cannot be reached.

// First, for its macro is used by the others.
#[macro_use]
mod out;

mod act;
mod args;
mod asked;
mod bans;
mod blocks;
mod check;
mod daemon;
mod demo;
mod doctor;
mod exit;
mod explain;
mod held;
mod items;
mod judged;
mod kick;
mod lists;
mod logging;
mod loops;
mod manual;
mod privileges;
mod quarantine;
mod reload;
mod rollback;
mod rolled;
mod run;
mod scanners;
mod spool;
mod state_dir;
mod status;
mod sweep;
mod systemd;
mod test;
mod throttles;
mod top;
mod unjudged;
mod upkeep;
mod who;

use std::process::ExitCode;

/// Parses the arguments and runs the verb.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    args.verb.run(&args.rules)
}
