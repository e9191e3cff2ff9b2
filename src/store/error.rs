//! One error for everything that goes wrong with a file: the step, the path, the cause, what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A step on a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {}: {source}; {fix}", .path.display())]
pub struct FileError {
    /// What was tried: `create`, `write`, `fsync`, ... Reads well behind "cannot".
    pub step: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
    /// What the administrator can do about it.
    pub fix: &'static str,
}

impl FileError {
    /// The error of `step` on `path`, with the advice that suits the cause.
    #[must_use]
    pub fn new(step: &'static str, path: &Path, source: io::Error) -> Self {
        let fix = advice(&source);
        Self { step, path: path.to_owned(), source, fix }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::PermissionDenied => "give the user that Portcullis runs as the right to do so",
        ErrorKind::NotFound => "create it, or correct the path",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there",
        ErrorKind::ReadOnlyFilesystem => {
            "mount it writable (under systemd: add it to ReadWritePaths= or StateDirectory=), or choose another folder"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "something else of that name is in the way: remove it, or choose another folder"
        }
        ErrorKind::IsADirectory => "a folder of that name is in the way: remove it, or correct the path",
        ErrorKind::InvalidFilename => "choose a shorter path",
        _ => "see whether the disk is healthy and mounted",
    }
}
