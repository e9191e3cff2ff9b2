//! `portcullis reload`: the running gateway reads its rules again, or says why it keeps the old ones.

use super::exit::{REFUSED, UNREACHABLE};
use super::out::{self, Ink, Paint};
use super::state_dir;
use crate::control::{Answer, Request, ask};
use crate::gateway::ReloadReport;
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
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let asked =
        state_dir::find(rules).and_then(|dir| ask(&dir, &Request::Reload {}).map_err(|e| e.to_string()));
    let report = match asked {
        Ok(Answer::Reload(report)) => report,
        Ok(_) => {
            complain!("portcullis: {}", super::asked::OTHER_ANSWER);
            return UNREACHABLE.into();
        }
        Err(error) => {
            complain!("portcullis: {error}");
            return UNREACHABLE.into();
        }
    };
    if options.json {
        out::json(&report);
    } else {
        out::print(&text(&report, Paint::of_stdout()));
    }
    if report.reloaded { ExitCode::SUCCESS } else { REFUSED.into() }
}

fn text(report: &ReloadReport, paint: Paint) -> String {
    let mut text: String = report.problems.iter().map(|line| format!("{line}\n")).collect();
    let end = if report.reloaded {
        paint.ink(Ink::Good, &format!("reloaded: generation {} is in force", report.generation))
    } else {
        paint.ink(Ink::Bad, &format!("not reloaded: generation {} stays in force", report.generation))
    };
    text.push_str(&end);
    text.push('\n');
    text
}
