//! Why a request is not done, and work that blocks: it runs on the blocking pool, never on a network thread.

use super::request::Answer;
use crate::vault::VaultError;

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong and what to do.
    pub text: String,
    /// Nothing matched.
    pub nothing: bool,
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), nothing: false }
    }

    pub(super) fn nothing(text: impl Into<String>) -> Self {
        Self { text: text.into(), nothing: true }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        Self { text: error.to_string(), nothing: matches!(error, VaultError::Missing(_)) }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Error { text: refusal.text, nothing: refusal.nothing }
    }
}

/// Runs `work` where it may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(format!("the work could not be done: {error}; see the log")))
}
