//! The verbs.

use crate::cli::items::{self, Asker, Bulk, Paging, Words, named, work};
use crate::cli::quarantine::{Release, release};
use crate::desk::Request;
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the noun.
#[derive(Debug, clap::Args)]
#[command(after_help = "QUERY picks messages; `portcullis quarantine --help` has the rules.")]
pub(in crate::cli) struct Options {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List messages that wait for a scanner
    List(List),
    /// Scan now; what the outcome means is done
    Retry(Retry),
    /// Deliver as they are, without a scan only where --unscanned says so
    Release(Release),
}

/// Options of `list`.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    paging: Paging,
}

/// Options of `retry`.
#[derive(Debug, clap::Args)]
struct Retry {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    bulk: Bulk,
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List(List { words, paging }) => {
            words.query().and_then(|query| items::list(rules, query, Scope::Held, paging))
        }
        What::Retry(Retry { words, bulk }) => retry(rules, words, bulk),
        What::Release(options) => release(rules, options, Scope::Held),
    };
    done.map_or_else(|code| code, ExitCode::from)
}

fn retry(rules: &Path, words: &Words, bulk: &Bulk) -> Result<u8, ExitCode> {
    let pick = named(words, Scope::Held)?;
    work(&Asker::find(rules)?, "retry", &pick, bulk, Request::Rescan { pick: pick.clone() })
}
