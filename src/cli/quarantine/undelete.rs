//! `quarantine undelete`

use crate::cli::exit::REFUSED;
use crate::cli::items::{Asker, Bulk, Words, work};
use crate::desk::{Pick, Request};
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// Everything that one `delete` put there, by the name that it said
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    #[command(flatten)]
    bulk: Bulk,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    if options.words.is_empty() && options.batch.is_none() {
        complain!("portcullis: name the messages, or with --batch what one delete put into the trash");
        return Err(REFUSED.into());
    }
    let query = options.words.query()?.in_trash();
    let pick = Pick { query, scope: Scope::Everything, dry_run: false };
    let request = Request::Undelete { pick: pick.clone(), batch: options.batch.clone() };
    // A batch was confirmed when it was deleted, and how much of it is left cannot be counted beforehand.
    let sure = Bulk { yes: options.bulk.yes || options.batch.is_some(), ..options.bulk.clone() };
    work(&Asker::find(rules)?, "undelete", &pick, &sure, request)
}
