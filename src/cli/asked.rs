//! What verbs have in common that ask the running gateway, or read what it left in its state directory.

use super::exit::{REFUSED, UNREACHABLE};
use super::state_dir;
use crate::control::{Answer, ControlError, Request, ask};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The answer of the running gateway; where there is none, standard error says why.
///
/// # Errors
/// The exit code.
pub(super) fn gateway(rules: &Path, request: &Request) -> Result<Answer, ExitCode> {
    let unreachable = |words: &str| {
        complain!("portcullis: {words}");
        ExitCode::from(UNREACHABLE)
    };
    let dir = state_dir::find(rules).map_err(|words| unreachable(&words))?;
    ask(&dir, request).map_err(|error| match error {
        ControlError::Refused(_) => refused(&error.to_string()),
        ControlError::NoSocket(_)
        | ControlError::Stale(_)
        | ControlError::Denied(_)
        | ControlError::Silent { .. }
        | ControlError::Broken { .. }
        | ControlError::Unclear { .. } => unreachable(&error.to_string()),
    })
}

/// What is said of an answer to another question.
pub(super) const OTHER_ANSWER: &str = "the gateway answered another question; are both of the same version?";

/// The answer was to another question.
pub(super) fn other_answer() -> ExitCode {
    complain!("portcullis: {OTHER_ANSWER}");
    UNREACHABLE.into()
}

/// The state directory; where it cannot be found out, standard error says why.
///
/// # Errors
/// The exit code.
pub(super) fn folder(rules: &Path) -> Result<PathBuf, ExitCode> {
    state_dir::find(rules).map_err(|error| refused(&error))
}

/// Says why not.
pub(super) fn refused(words: &str) -> ExitCode {
    complain!("portcullis: {words}");
    REFUSED.into()
}

/// Says that the records cannot be read, and what to do.
pub(super) fn unreadable(state_dir: &Path, error: &std::io::Error) -> ExitCode {
    let advice = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "; become root, the user that the gateway runs as, or a member of the group of that folder"
        }
        _ => "",
    };
    refused(&format!("the records in {} cannot be read: {error}{advice}", state_dir.display()))
}
