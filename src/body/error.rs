//! What can go wrong with a body.

use std::io::{self, ErrorKind};

/// A body that could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The budgets of memory and disk are used up, or the disk is full: temporary (452 4.3.1).
    #[error(
        "no space for a message body: raise memory and disk in gateway.toml, or free space in state_dir/tmp"
    )]
    NoSpace,
    /// A step on the temporary file failed.
    #[error(
        "cannot {step} the temporary file of a message body: {source}; see whether state_dir/tmp is writable and its disk healthy"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error(
        "the temporary file of a message body was damaged; see whether the disk of state_dir/tmp is healthy"
    )]
    Damaged,
}

impl BodyError {
    pub(super) fn io(step: &'static str, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io { step, source },
        }
    }
}
