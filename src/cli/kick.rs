//! `portcullis kick`: sessions are told 421 4.3.2 and end.

use super::exit::NOTHING;
use super::out::{self, Paint, count};
use super::{asked, who};
use crate::control::{Answer, Request};
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// An address, a prefix, or a session's reference (4 characters or more of it)
    #[arg(value_name = "ID|ADDRESS|PREFIX")]
    who: String,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let kicked = match asked::gateway(rules, &Request::Kick { who: options.who.clone() }) {
        Ok(Answer::Kick(sessions)) => sessions,
        Ok(_) => return asked::other_answer(),
        Err(code) => return code,
    };
    if options.json {
        out::json(&kicked);
    } else if kicked.is_empty() {
        out::print("no open session of it\n");
    } else {
        let now = Timestamp::now().as_millisecond();
        let table = who::table(&kicked, now, Paint::of_stdout());
        let end = "asked to end; a client may come again: `portcullis block` keeps it out";
        out::print(&format!("{table}{} {end}\n", count(kicked.len(), "session")));
    }
    if kicked.is_empty() { NOTHING.into() } else { ExitCode::SUCCESS }
}
