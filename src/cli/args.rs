//! Arguments, and the table of verbs: one line and one file each.

use super::{
    bans, blocks, check, demo, doctor, explain, held, items, kick, lists, loops, manual, quarantine, reload,
    rollback, run, scanners, spool, status, test, throttles, top, who,
};
use clap::{CommandFactory as _, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A transparent SMTP proxy that filters.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 nothing matched, 2 refused by a check, 3 the gateway cannot be reached."
)]
pub(super) struct Args {
    /// The rules directory; it contains gateway.toml.
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_RULES",
        default_value = "/etc/portcullis/rules",
        value_name = "DIR"
    )]
    pub(super) rules: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the gateway in the foreground
    Run,
    /// Look for mistakes in the rules, and for trouble in what they need: folders, ports, certificates,
    /// downstreams
    Check(check::Options),
    /// Look whether this machine can do the work: folders, ports, downstreams, names, clock, room, quarantine
    Doctor(doctor::Options),
    /// Say how the running gateway is
    Status(status::Options),
    /// Let the running gateway read its rules again
    Reload(reload::Options),
    /// Put the rules of an earlier generation back
    Rollback(rollback::Options),
    /// Say what happened to a session or message, and why
    Explain(explain::Options),
    /// Show who sends most, and the command that stops it
    Top(top::Options),
    /// Show mail that goes round in circles
    Loops(loops::Options),
    /// Show the sessions that are open now
    Who(who::Options),
    /// End sessions
    Kick(kick::Options),
    /// Messages that were kept instead of delivered: list, show, release, delete, and how to name them
    #[command(visible_alias = "q")]
    Quarantine(quarantine::Options),
    /// Messages that are ours to deliver: list, force, retry
    Spool(spool::Options),
    /// Messages that wait for a scanner: list, retry, release
    Held(held::Options),
    /// Show what is blocked and allowed, and what an entry would hit
    Blocks(blocks::Options),
    /// List, lift and add bans: clients that may not connect for a while
    Bans(bans::Options),
    /// List and lift throttles: users, senders and domains that sent or got too much
    Throttles(throttles::Options),
    /// Show scanners, switch them on and off, try them
    Scanners(scanners::Options),
    /// Block an address, a sender or another client: an entry in lists/blocks.list
    Block(lists::Block),
    /// Take an entry out of lists/blocks.list
    Unblock(lists::Remove),
    /// Let an address, a sender or another client pass: an entry in lists/allow.list
    Allow(lists::Allow),
    /// Take an entry out of lists/allow.list
    Unallow(lists::Remove),
    /// Try the rules on a session that never was
    Test(test::Options),
    /// Try it out: the gateway, a mail server behind it and some mail, with nothing but this program
    Demo(demo::Options),
    /// Print a script that completes command lines in a shell
    Completions(manual::Completions),
    /// Write the pages of the manual, one for each verb
    Man(manual::Man),
    /// Print the JSON schema of a file of settings, for editors
    Schema(manual::Schema),
}

impl Verb {
    /// Does it.
    pub(super) fn run(&self, rules: &Path) -> ExitCode {
        match self {
            Self::Run => run::run(rules),
            Self::Check(options) => check::run(rules, options),
            Self::Doctor(options) => doctor::run(rules, options),
            Self::Status(options) => status::run(rules, options),
            Self::Reload(options) => reload::run(rules, options),
            Self::Rollback(options) => rollback::run(rules, options),
            Self::Explain(options) => explain::run(rules, options),
            Self::Top(options) => top::run(rules, options),
            Self::Loops(options) => loops::run(rules, options),
            Self::Who(options) => who::run(rules, options),
            Self::Kick(options) => kick::run(rules, options),
            Self::Quarantine(options) => quarantine::run(rules, options),
            Self::Spool(options) => spool::run(rules, options),
            Self::Held(options) => held::run(rules, options),
            Self::Blocks(options) => blocks::run(rules, options),
            Self::Bans(options) => bans::run(rules, options),
            Self::Throttles(options) => throttles::run(rules, options),
            Self::Scanners(options) => scanners::run(rules, options),
            Self::Block(options) => lists::block(rules, options),
            Self::Unblock(options) => lists::unblock(rules, options),
            Self::Allow(options) => lists::allow(rules, options),
            Self::Unallow(options) => lists::unallow(rules, options),
            Self::Test(options) => test::run(rules, options),
            Self::Demo(options) => demo::run(options),
            Self::Completions(options) => manual::completions(options, Args::command()),
            Self::Man(options) => manual::man(options, Args::command()),
            Self::Schema(options) => manual::schema(options),
        }
    }
}

/// Parses the command line; a mistake is explained and ends the program with 2.
pub(super) fn parse() -> Args {
    let picks = std::env::args_os().any(|word| NOUNS_OF_QUERIES.iter().any(|noun| word == *noun));
    if picks { Args::parse_from(items::negations(std::env::args_os())) } else { Args::parse() }
}

/// Where words of queries are arguments.
const NOUNS_OF_QUERIES: [&str; 4] = ["quarantine", "q", "spool", "held"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
