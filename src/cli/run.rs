//! `portcullis run`: the gateway in the foreground.

use super::exit::REFUSED;
use super::{daemon, logging, unjudged};
use crate::gateway::load_rules;
use std::path::Path;
use std::process::ExitCode;

/// Runs the verb.
pub(super) fn run(rules: &Path) -> ExitCode {
    let (policy, problems) = load_rules(rules, None);
    problems.iter().for_each(|problem| complain!("{problem}"));
    let Some(policy) = policy else {
        complain!(
            "portcullis: not started, see the errors above (`portcullis check --rules {}` says the same)",
            rules.display()
        );
        return REFUSED.into();
    };
    logging::start(&policy.log);
    if let Some(words) = unjudged::words(&policy.rules_dir) {
        tracing::warn!("{words}; {}", unjudged::fix(&policy.rules_dir));
    }
    let done = daemon::prepare(policy, rules).and_then(|daemon| {
        let runtime = daemon::runtime()?;
        daemon.serve(runtime, std::future::pending())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("portcullis: {error}");
            REFUSED.into()
        }
    }
}
