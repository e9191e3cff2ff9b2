//! One command edits the lists at a time: an advisory lock on `lists/.lock`, which goes away with the process.
//! Editors do not know it; what they change meanwhile is seen before the file is replaced (`file`).

use super::error::FileError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// How long another command is waited for: it reads rules, of which lists may have a million entries, and waits for
/// a reload.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Held as long as this value lives.
#[derive(Debug)]
pub struct ListLock {
    _file: File,
}

impl ListLock {
    /// Takes the lock of the lists of a rules directory, whose folder is made where it is missing.
    ///
    /// # Errors
    /// Who is in the way, or the step that failed.
    pub fn take(rules: &Path) -> Result<Self, String> {
        let folder = rules.join("lists");
        ensure(&folder, rules).map_err(|error| error.to_string())?;
        let path = folder.join(".lock");
        let open = || OpenOptions::new().read(true).open(&path);
        let make = || OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let file = open().or_else(|_| make()).or_else(|_| open());
        let file = file.map_err(|error| FileError::new("open", &path, error).to_string())?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => {
                    return Err(FileError::new("lock", &path, error).to_string());
                }
                Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                    sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another command edits the lists (it has locked {} for over {} s): wait for it; `fuser {0}` says which process it is",
                        path.display(),
                        PATIENCE.as_secs()
                    ));
                }
            }
        }
    }
}

/// The folder of the lists, with the owner and mode of the rules directory.
fn ensure(folder: &Path, rules: &Path) -> Result<(), FileError> {
    if folder.is_dir() {
        return Ok(());
    }
    let about = fs::metadata(rules).map_err(|error| FileError::new("look at", rules, error))?;
    fs::create_dir(folder).map_err(|error| FileError::new("create", folder, error))?;
    // An owner that we may not give stays ours.
    let _ = chown(folder, Some(about.uid()), Some(about.gid()));
    fs::set_permissions(folder, fs::Permissions::from_mode(about.mode() & 0o7777))
        .map_err(|error| FileError::new("set the mode of", folder, error))
}
