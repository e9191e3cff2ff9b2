//! `quarantine move` and `spool move`

use crate::cli::items::{Asker, Bulk, Words, named, work};
use crate::desk::Request;
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Relocate {
    #[command(flatten)]
    words: Words,
    /// The folder: virus, spam, policy, unscanned, discarded, dead, or one of your own
    #[arg(long, value_name = "FOLDER")]
    to: String,
    #[command(flatten)]
    bulk: Bulk,
}

/// Runs the verb.
pub(in crate::cli) fn relocate(rules: &Path, options: &Relocate, scope: Scope) -> Result<u8, ExitCode> {
    let pick = named(&options.words, scope)?;
    let request = Request::Move { pick: pick.clone(), folder: options.to.clone() };
    work(&Asker::find(rules)?, "move", &pick, &options.bulk, request)
}
