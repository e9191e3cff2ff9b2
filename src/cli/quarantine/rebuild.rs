//! `quarantine rebuild`

use crate::cli::items::{Asker, told, watched};
use crate::desk::Request;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let outcome = watched(&Asker::find(rules)?, "rebuild", Request::Rebuild {})?;
    told("rebuild", &outcome, options.json);
    // An empty quarantine has an empty index.
    Ok(0)
}
