//! `quarantine digest`: what each recipient has in quarantine.

use crate::cli::asked;
use crate::cli::exit::NOTHING;
use crate::cli::items::{Asker, Words, json_row, pick, told};
use crate::cli::out;
use crate::desk::{Answer, Request};
use crate::message::mime::neutral;
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// Send them through the downstream rather than print them
    #[arg(long)]
    send: bool,
    /// Print JSON, one object a line: with text and HTML
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = pick(&options.words, Scope::Quarantine, false)?;
    let (mut any, mut code) = (false, None);
    Asker::find(rules)?.ask(Request::Digest { pick, send: options.send }, &mut |answer| match answer {
        Answer::Digests(digests) => {
            for digest in digests {
                any = true;
                if options.json {
                    let rows: Vec<_> = digest.rows.iter().map(json_row).collect();
                    out::json_line(&serde_json::json!({
                        "rcpt": digest.rcpt, "messages": digest.items, "rows": rows,
                        "text": digest.text, "html": digest.html,
                    }));
                } else {
                    out::print(&format!("{}\n", neutral(&digest.text).trim_end()));
                }
            }
        }
        Answer::Done(outcome) => code = Some(told("digest", &outcome, options.json)),
        _ => {}
    })?;
    if !any && code.is_none() {
        if options.send {
            return Err(asked::other_answer());
        }
        complain!("portcullis: no message matches");
    }
    Ok(code.unwrap_or(if any { 0 } else { NOTHING }))
}
