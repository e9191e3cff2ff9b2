//! The command line: one file a verb, one table.
//!
//! Exit codes: 0 done, 1 nothing matched, 2 refused by a check, 3 the daemon cannot be reached.

mod args;
mod logging;
mod privileges;
mod run;
mod systemd;

use std::process::ExitCode;

/// Parses the arguments and runs the verb.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    match args.verb {
        args::Verb::Run => run::run(&args.rules),
    }
}
