//! When a change takes effect: the running gateway reads its rules again.

use crate::cli::asked::OTHER_ANSWER;
use crate::control::{Answer, ControlError, Request, ask};
use std::path::Path;

/// What the gateway said.
pub(super) enum Effect {
    /// This generation is in force, and has it.
    InForce(u64),
    /// It did not take its new rules, and why.
    Refused(Vec<String>),
    /// There is none that runs.
    NotRunning,
    /// It could not be told.
    Unreachable(String),
}

/// Lets the gateway of that state directory read its rules.
pub(super) fn reload(state_dir: &Path) -> Effect {
    match ask(state_dir, &Request::Reload {}) {
        Ok(Answer::Reload(report)) if report.reloaded => Effect::InForce(report.generation),
        Ok(Answer::Reload(report)) => Effect::Refused(report.problems),
        Ok(_) => Effect::Unreachable(OTHER_ANSWER.to_owned()),
        Err(ControlError::NoSocket(_) | ControlError::Stale(_)) => Effect::NotRunning,
        Err(error) => Effect::Unreachable(error.to_string()),
    }
}
