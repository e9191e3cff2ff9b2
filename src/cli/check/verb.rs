//! The verb.

use super::around::Around;
use super::report::Report;
use crate::cli::exit::REFUSED;
use crate::cli::out::{Paint, count};
use crate::cli::privileges::{self, PrivilegeError};
use crate::cli::unjudged;
use crate::config::model::Policy;
use crate::gateway::load_rules;
use nix::unistd::User;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let paint = (!options.json).then(Paint::of_stdout);
    let mut report = Report::new(options.strict, paint);
    let shown = std::path::absolute(rules).unwrap_or_else(|_| rules.to_owned());
    report.section(&format!("rules in {}", shown.display()));
    let (policy, problems) = load_rules(rules, None);
    problems.iter().for_each(|problem| report.problem(problem));
    match policy {
        Some(policy) => {
            report.ok(format!(
                "gateway.toml: {}, {}, {}",
                count(policy.listeners.len(), "listener"),
                count(policy.downstreams.len(), "downstream"),
                count(policy.relay.domains.len(), "relay domain")
            ));
            if let Some(words) = unjudged::words(&policy.rules_dir) {
                report.note(format!("{words}; {}", unjudged::fix(&policy.rules_dir)));
            }
            surroundings(&mut report, &policy);
        }
        None => report.note("the surroundings are looked at when the rules are without errors"),
    }
    if report.finish() { ExitCode::SUCCESS } else { REFUSED.into() }
}

fn surroundings(report: &mut Report, policy: &Policy) {
    super::relay::check(report, policy);
    let around = Around::look(&policy.state_dir);
    report.section("gateway");
    around.tell(report);
    let user = run_time_user(report, policy);
    super::listeners::certificates(report, policy);
    let downstreams = super::dialogue::prepare(report, policy);
    super::listeners::addresses(report, policy, &around);
    super::listeners::open_files(report, policy, &around);
    report.section("files and folders");
    super::folders::as_started(report, policy, user.as_ref());
    if let Some(user) = &user {
        if let Err(error) = privileges::become_user(user) {
            report.warning(error.to_string());
            return;
        }
        super::listeners::readable(report, policy, user);
    }
    super::folders::as_run(report, policy, user.as_ref());
    super::kept::check(report, policy);
    super::names::check(report, policy);
    super::dialogue::run(report, policy, &around, downstreams);
    super::engines::check(report, policy);
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
