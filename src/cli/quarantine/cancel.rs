//! `quarantine cancel`

use super::jobs::show;
use crate::cli::asked;
use crate::cli::items::Asker;
use crate::cli::out;
use crate::desk::{Answer, Request};
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Its number, as `jobs` lists it
    #[arg(value_name = "JOB")]
    job: u64,
    /// Print those that still run as one JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let Answer::Jobs(jobs) = Asker::find(rules)?.one(Request::Cancel { job: options.job })? else {
        return Err(asked::other_answer());
    };
    if !options.json {
        out::print(&format!("job {} ends behind its present step; what was done stays done\n", options.job));
    }
    if options.json || !jobs.is_empty() {
        show(&jobs, options.json);
    }
    Ok(0)
}
