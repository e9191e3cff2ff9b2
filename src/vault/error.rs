//! What can go wrong in the vault.

use crate::mail::Id;
use std::io;
use std::path::PathBuf;

/// An error of the vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No room on the disk, or beyond a cap; for a client 452 4.3.1.
    #[error("no space for messages in {}: make room, or raise the caps in quarantine.toml", .0.display())]
    NoSpace(PathBuf),
    /// There is no such item.
    #[error("there is no message {0}")]
    Missing(Id),
    /// It was changed meanwhile: read it again.
    #[error("message {0} was changed meanwhile")]
    Conflict(Id),
    /// A file is cut or changed.
    #[error("{} is damaged: {what}; it is left as it is", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// In what way.
        what: &'static str,
    },
    /// A file cannot be read or written.
    #[error("cannot {step} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The index.
    #[error("the index {}: {what}; `portcullis quarantine rebuild` makes it anew", .path.display())]
    Index {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A question to the index took too long and was stopped.
    #[error("stopped after {} seconds: ask for less, such as a folder or an age", .0.as_secs())]
    Slow(std::time::Duration),
    /// The vault is closed, or its thread ended.
    #[error("the quarantine is closed")]
    Closed,
}

impl VaultError {
    /// Whether a file could not be read for want of something that others have now: it says nothing about the file.
    pub(super) fn passes(&self) -> bool {
        use nix::errno::Errno;
        let Self::Io { source, .. } = self else { return false };
        let code = source.raw_os_error().map(Errno::from_raw);
        matches!(code, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EINTR | Errno::EAGAIN))
    }

    /// The same once more, for everybody whose change shared the step that failed.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::NoSpace(path) => Self::NoSpace(path.clone()),
            Self::Missing(id) => Self::Missing(*id),
            Self::Conflict(id) => Self::Conflict(*id),
            Self::Damaged { path, what } => Self::Damaged { path: path.clone(), what },
            Self::Io { step, path, source } => {
                let source = io::Error::new(source.kind(), source.to_string());
                Self::Io { step, path: path.clone(), source }
            }
            Self::Index { path, what } => Self::Index { path: path.clone(), what: what.clone() },
            Self::Slow(most) => Self::Slow(*most),
            Self::Closed => Self::Closed,
        }
    }
}
