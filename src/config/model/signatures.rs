//! `[signatures]` of `attachments.toml`. The defaults are those of the table of keys; a test compares the two.

use super::QuarantineFolder;
use crate::rules::Mode;
use crate::verdict::Folder;
use std::time::Duration;

/// What becomes of messages in which a signature is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRules {
    /// Whether they are looked for.
    pub mode: Mode,
    /// Whether the message is kept in `folder`; else it is refused.
    pub quarantine: bool,
    /// Where it is kept.
    pub folder: Folder,
    /// Longest search of all of one message.
    pub timeout: Duration,
    /// When that is over.
    pub on_error: SignatureError,
}

/// What a search that was given up leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// The client tries again.
    Tempfail,
    /// Kept in `unscanned`.
    Quarantine,
    /// Passed, with a tag.
    PassTagged,
}

impl Default for SignatureRules {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            quarantine: false,
            folder: Folder(QuarantineFolder::VIRUS.into()),
            timeout: Duration::from_secs(5),
            on_error: SignatureError::Tempfail,
        }
    }
}
