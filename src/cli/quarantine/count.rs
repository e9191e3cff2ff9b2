//! `quarantine count`

use crate::cli::asked;
use crate::cli::exit::NOTHING;
use crate::cli::items::{Asker, Words, pick};
use crate::cli::out;
use crate::desk::{Answer, Request};
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = pick(&options.words, Scope::Quarantine, false)?;
    let Answer::Count { items, octets, .. } = Asker::find(rules)?.one(Request::Count { pick })? else {
        return Err(asked::other_answer());
    };
    if options.json {
        out::json(&serde_json::json!({ "messages": items, "octets": octets }));
    } else {
        out::print(&format!(
            "{items} message{}, {}\n",
            if items == 1 { "" } else { "s" },
            out::octets(octets)
        ));
    }
    Ok(if items == 0 { NOTHING } else { 0 })
}
