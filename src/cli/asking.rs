//! Verbs that ask the running gateway one question.

use super::exit::{REFUSED, UNREACHABLE};
use super::state_dir;
use crate::control::{Answer, ControlError, Request, ask};
use std::path::Path;

/// The answer of the gateway of these rules, as `pick` takes it.
///
/// # Errors
/// The exit code; standard error has been told why.
pub(super) fn question<T>(
    rules: &Path,
    request: &Request,
    pick: impl FnOnce(Answer) -> Option<T>,
) -> Result<T, u8> {
    let told = |words: &str| eprintln!("portcullis: {words}");
    let dir = state_dir::find(rules).map_err(|words| {
        told(&words);
        UNREACHABLE
    })?;
    let answer = ask(&dir, request).map_err(|error| match error {
        // Its words are about what was asked, not about the way to it.
        ControlError::Refused(words) => {
            told(&words);
            REFUSED
        }
        error => {
            told(&error.to_string());
            UNREACHABLE
        }
    })?;
    pick(answer).ok_or_else(|| {
        told("the gateway answered another question; are both of the same version?");
        UNREACHABLE
    })
}
