//! The verb.

use super::report::{Level, Report};
use crate::cli::check::Around;
use crate::cli::exit::REFUSED;
use crate::cli::out::Paint;
use crate::cli::privileges::{self, PrivilegeError};
use crate::cli::unjudged;
use crate::config::model::Policy;
use crate::gateway::load_rules;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 nothing bad (there may be warnings), 2 something is bad.")]
pub(in crate::cli) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let mut report = Report::new((!options.json).then(Paint::of_stdout));
    let (policy, problems) = load_rules(rules, None);
    match policy {
        Some(policy) => {
            report.ok("rules", format!("{} can be used", rules.display()));
            if let Some(words) = unjudged::words(&policy.rules_dir) {
                report.warn("rules", words, unjudged::fix(&policy.rules_dir));
            }
            examine(&mut report, &policy);
        }
        None => problems.iter().filter(|p| p.is_error()).for_each(|problem| {
            report.bad("rules", problem.to_string(), "correct the file; `portcullis check` says more");
        }),
    }
    if report.finish() == Level::Bad { REFUSED.into() } else { ExitCode::SUCCESS }
}

/// What needs the rights of the start comes before they are given away.
fn examine(report: &mut Report, policy: &Policy) {
    let around = Around::look(&policy.state_dir);
    gateway(report, &around);
    super::listeners::certificates(report, policy);
    super::listeners::addresses(report, policy, &around);
    super::machine::open_files(report, policy, &around);
    let pools = super::downstreams::prepare(report, policy);
    become_run_time_user(report, policy);
    super::folders::check(report, policy);
    super::machine::volumes(report, policy);
    super::machine::clock(report, policy);
    super::downstreams::names(report, policy);
    super::downstreams::speak(report, &pools);
    super::scanners::check(report, policy);
    super::vault::check(report, policy, &around);
}

fn gateway(report: &mut Report, around: &Around) {
    match (around.pid(), around.status(), around.trouble()) {
        (Some(pid), Some(status), _) => {
            report.ok("gateway", format!("runs as process {pid}, generation {}", status.generation));
            if let Some(error) = &status.last_reload_error {
                let error = error.lines().next().unwrap_or_default();
                report.warn(
                    "gateway",
                    format!("its last reload was refused: {error}"),
                    "correct the rules, then `portcullis reload`",
                );
            }
        }
        (Some(pid), None, _) => report.bad(
            "gateway",
            format!("process {pid} holds the state directory and does not answer at its socket"),
            "its log says more; restart it, or give it time if it is starting",
        ),
        (None, _, Some(trouble)) => {
            report.warn("gateway", trouble, "run this as root, or as the gateway's user")
        }
        (None, _, None) => report.warn("gateway", "does not run", "start it: `systemctl start portcullis`"),
    }
}

fn become_run_time_user(report: &mut Report, policy: &Policy) {
    let Some(name) = policy.user.as_deref() else { return };
    let became = match privileges::target(name) {
        Ok(None) => return,
        Ok(Some(user)) => privileges::become_user(&user),
        Err(error) => Err(error),
    };
    match became {
        Ok(()) => report.ok("user", format!("looks at everything else as user \"{name}\"")),
        Err(error @ PrivilegeError::NotRoot(_)) => {
            report.warn(
                "user",
                format!("what user \"{name}\" may do is not tried: {error}"),
                "run this as root",
            );
        }
        Err(error) => {
            report.bad("user", error.to_string(), format!("create the user: `useradd --system {name}`"))
        }
    }
}
