//! `quarantine expire`

use crate::cli::items::{Asker, json_row, plain, told, watched};
use crate::cli::{asked, out};
use crate::desk::{Answer, Request};
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Say what would go, and let it stay
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let asker = Asker::find(rules)?;
    if !options.dry_run {
        let outcome = watched(&asker, "expire", Request::Expire { dry_run: false })?;
        // Nothing to do is well done.
        let code = told("expire", &outcome, options.json);
        let whole = outcome.skipped.is_empty() && !outcome.cancelled && outcome.stopped.is_none();
        return Ok(if whole { 0 } else { code });
    }
    match asker.one(Request::Expire { dry_run: true })? {
        Answer::Count { items, octets, sample } => {
            if options.json {
                let sample: Vec<_> = sample.iter().map(json_row).collect();
                out::json(&serde_json::json!({ "messages": items, "octets": octets, "sample": sample }));
            } else {
                sample.iter().for_each(|row| {
                    out::print(&format!("{}  {}  {}\n", row.id, plain(&row.folder), plain(&row.subject)))
                });
                let s = if items == 1 { "" } else { "s" };
                out::print(&format!(
                    "{items} message{s} would go, {}; nothing was done\n",
                    out::octets(octets)
                ));
            }
            Ok(0)
        }
        Answer::Done(outcome) => Ok(told("expire (would go)", &outcome, options.json)).map(|_| 0),
        _ => Err(asked::other_answer()),
    }
}
