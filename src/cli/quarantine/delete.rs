//! `quarantine delete`

use crate::cli::items::{Asker, Bulk, Words, named, work};
use crate::desk::Request;
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// For good: not into the trash, and out of it where the query says state:trash
    #[arg(long)]
    forever: bool,
    #[command(flatten)]
    bulk: Bulk,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = named(&options.words, Scope::Quarantine)?;
    let request = Request::Delete { pick: pick.clone(), forever: options.forever };
    work(&Asker::find(rules)?, "delete", &pick, &options.bulk, request)
}
