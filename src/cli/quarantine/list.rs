//! `quarantine list`, `search` and `show`.

use crate::cli::items::{Paging, Words, list};
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    paging: Paging,
}

/// Options of `search`.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    paging: Paging,
}

/// Options of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The reference of the message, or its beginning; also that of its session
    #[arg(value_name = "REF")]
    pub(super) id: String,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs `list`.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    list(rules, options.words.query()?, Scope::Quarantine, &options.paging)
}

/// Runs `search`.
pub(super) fn search(rules: &Path, options: &Search) -> Result<u8, ExitCode> {
    list(rules, options.words.query()?, Scope::Everything, &options.paging)
}
