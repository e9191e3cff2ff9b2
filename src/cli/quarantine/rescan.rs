//! `quarantine rescan`

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
    #[command(flatten)]
    bulk: Bulk,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = named(&options.words, Scope::Quarantine)?;
    let request = Request::Rescan { pick: pick.clone() };
    work(&Asker::find(rules)?, "rescan", &pick, &options.bulk, request)
}
