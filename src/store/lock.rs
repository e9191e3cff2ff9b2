//! The lock of the state directory: one daemon, or one command that works in its place, at a time.
//!
//! An advisory lock of the system on `state_dir/lock`: it goes away with the process however that ends,
//! so there is no stale lock to clean up. The file stays; the process id in it is for people.

use super::error::FileError;
use super::folder;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Held as long as this value lives.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works with this state directory.
    #[error(
        "{} is in use by {}: stop that first, or choose another state_dir",
        .folder.display(), holder(.pid.as_ref())
    )]
    Held {
        /// The state directory.
        folder: PathBuf,
        /// The process that holds it, where its file says so.
        pid: Option<u32>,
    },
    /// The lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

fn holder(pid: Option<&u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StateLock {
    /// Takes the lock of the state directory `dir`, which is created (0750) where it is missing. Does
    /// not wait.
    ///
    /// # Errors
    /// [`LockError::Held`] with the process that holds it, or the step that failed.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        folder::ensure(dir, 0o750)?;
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(|e| FileError::new("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { folder: dir.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(e)) => return Err(FileError::new("lock", &path, e).into()),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(|e| FileError::new("write", &path, e))?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = [0; 16];
    let got = file.read(&mut text).ok()?;
    std::str::from_utf8(text.get(..got)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = StateLock::acquire(&state).unwrap();
        let error = StateLock::acquire(&state).unwrap_err();
        let me = std::process::id();
        assert!(matches!(&error, LockError::Held { pid: Some(pid), .. } if *pid == me));
        assert!(error.to_string().contains(&format!("in use by process {me}: stop that first")), "{error}");
        drop(lock);
        StateLock::acquire(&state).unwrap();
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StateLock::acquire(file.path()).unwrap_err().to_string();
        assert!(error.contains("is in the way"), "{error}");
    }
}
