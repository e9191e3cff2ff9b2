//! `portcullis check`: every mistake in the rules, then everything that the gateway will need.
//!
//! Mistakes in the files are errors. Surroundings (folders, ports, downstreams) are warnings, for they may be
//! otherwise on the machine and at the time when it counts; `--strict` makes them errors. What would make the
//! gateway dangerous (an open relay, a loop) or keep it from starting at all (a certificate that does not
//! load) is always an error.
//!
//! Nothing is changed and nothing stays behind, also beside a running gateway. Where the gateway would become
//! another user, so does this process, after it has looked at what needs the rights that it was started with.

mod around;
mod dialogue;
mod folders;
mod listeners;
mod overhear;
mod own;
mod relay;
mod report;

use super::exit::REFUSED;
use super::out::{Paint, count};
use super::privileges::{self, PrivilegeError};
use crate::config::{self, model::Policy};
use around::Around;
use nix::unistd::User;
use report::Report;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let paint = (!options.json).then(Paint::of_stdout);
    let mut report = Report::new(options.strict, paint);
    let shown = std::path::absolute(rules).unwrap_or_else(|_| rules.to_owned());
    report.section(&format!("rules in {}", shown.display()));
    let (policy, problems) = config::load(rules);
    problems.iter().for_each(|problem| report.problem(problem));
    match policy {
        Some(policy) => {
            report.ok(format!(
                "gateway.toml: {}, {}, {}",
                count(policy.listeners.len(), "listener"),
                count(policy.downstreams.len(), "downstream"),
                count(policy.relay.domains.len(), "relay domain")
            ));
            surroundings(&mut report, &policy);
        }
        None => report.note("the surroundings are looked at when the rules are without errors"),
    }
    if report.finish() { ExitCode::SUCCESS } else { REFUSED.into() }
}

fn surroundings(report: &mut Report, policy: &Policy) {
    relay::check(report, policy);
    let around = Around::look(&policy.state_dir);
    report.section("gateway");
    around.tell(report);
    let user = run_time_user(report, policy);
    listeners::certificates(report, policy);
    let downstreams = dialogue::prepare(report, policy);
    listeners::addresses(report, policy, &around);
    listeners::open_files(report, policy, &around);
    report.section("files and folders");
    folders::as_started(report, policy, user.as_ref());
    if let Some(user) = &user {
        if let Err(error) = privileges::become_user(user) {
            report.warning(error.to_string());
            return;
        }
        listeners::readable(report, policy, user);
    }
    folders::as_run(report, policy, user.as_ref());
    dialogue::run(report, policy, &around, downstreams);
}

/// Whom to become, and what is said of it.
fn run_time_user(report: &mut Report, policy: &Policy) -> Option<User> {
    let now = User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or_else(
        || format!("user number {}", nix::unistd::geteuid()),
        |user| format!("user \"{}\"", user.name),
    );
    let Some(name) = policy.user.as_deref() else {
        report.note(format!("checked as {now}; `user` is not set, so `run` stays whoever starts it"));
        return None;
    };
    match privileges::target(name) {
        Ok(None) => report.ok(format!("checked as {now}, as `user` says")),
        Ok(Some(user)) => {
            report.ok(format!("checked as user \"{name}\" where `run` will be that user, else as {now}"));
            return Some(user);
        }
        Err(PrivilegeError::NotRoot(_)) => report.note(format!(
            "checked as {now}: only root can become user \"{name}\", so what that user may do was not tried"
        )),
        Err(error) => report.warning(error.to_string()),
    }
    None
}
