//! Folders: created with an exact mode, refused where they are open to everybody.

use super::error::FileError;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes sure that `path` is a folder; a new one gets exactly `mode`, whatever the umask is, and the
/// mode of an existing one is left alone. Returns the mode that it has (the lower 12 bits).
///
/// # Errors
/// The step that failed.
pub fn ensure(path: &Path, mode: u32) -> Result<u32, FileError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(found.permissions().mode() & 0o7777),
        Ok(_) => return Err(FileError::new("use the folder", path, ErrorKind::NotADirectory.into())),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(FileError::new("look at the folder", path, e)),
    }
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|e| FileError::new("create the folder", path, e))?;
    Ok(mode)
}
