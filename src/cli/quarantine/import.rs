//! `quarantine import`

use crate::cli::exit::REFUSED;
use crate::cli::items::{Asker, told, watched};
use crate::desk::Request;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A message, or an mbox; the user that the gateway runs as must be able to read it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder that they come into
    #[arg(long, value_name = "FOLDER")]
    folder: String,
    /// Leave out the first ones: an import that stopped says how many are in
    #[arg(long, value_name = "MESSAGES", default_value_t = 0, hide_default_value = true)]
    skip: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let path = std::path::absolute(&options.file).ok().and_then(|path| path.to_str().map(str::to_owned));
    let Some(path) = path else {
        complain!("portcullis: {}: a path has to be UTF-8", options.file.display());
        return Err(REFUSED.into());
    };
    let request = Request::Import { path, folder: options.folder.clone(), skip: options.skip };
    let outcome = watched(&Asker::find(rules)?, "import", request)?;
    Ok(told("import", &outcome, options.json))
}
