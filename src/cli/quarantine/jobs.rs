//! `quarantine jobs`

use crate::cli::asked;
use crate::cli::items::{Asker, ago, plain};
use crate::cli::out;
use crate::desk::{Answer, Job, Request};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let Answer::Jobs(jobs) = Asker::find(rules)?.one(Request::Jobs {})? else {
        return Err(asked::other_answer());
    };
    show(&jobs, options.json);
    Ok(0)
}

/// Prints them.
pub(super) fn show(jobs: &[Job], json: bool) {
    if json {
        out::json(&jobs);
    } else {
        out::print(&text(jobs, Timestamp::now().as_millisecond()));
    }
}

fn text(jobs: &[Job], now: i64) -> String {
    let mut out = String::new();
    for job in jobs {
        let of = if job.total > 0 { format!(" of {}", job.total) } else { String::new() };
        let since = ago(job.since_ms, now);
        let _ = writeln!(
            out,
            "{}  {}: {}{of} messages, begun {since} by {}; to end it: portcullis quarantine cancel {}",
            job.job,
            job.verb,
            job.done,
            plain(&job.by),
            job.job
        );
    }
    if jobs.is_empty() {
        out.push_str("nothing is worked on\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_says_how_to_end_it() {
        let job = Job { job: 7, verb: "delete".into(), by: "alice".into(), done: 5, total: 10, since_ms: 0 };
        assert_eq!(
            text(&[job], 60_000),
            "7  delete: 5 of 10 messages, begun 1 min ago by alice; to end it: portcullis quarantine cancel 7\n"
        );
        assert_eq!(text(&[], 0), "nothing is worked on\n");
    }
}
