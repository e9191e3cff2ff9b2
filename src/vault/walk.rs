//! Walking through folders of the vault. Stateless. Failure: a folder that cannot be listed is left out and told.

use super::core::Core;
use super::disk::failed;
use super::error::VaultError;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Every file `depth` folders below, a folder at a time. A folder that cannot be looked into is left out, and the first
/// of such errors is the result; errors of `take` end it.
pub(super) fn walk(
    core: &Core,
    folder: &Path,
    depth: usize,
    take: &mut dyn FnMut(&Path) -> Result<(), VaultError>,
) -> Result<Option<VaultError>, VaultError> {
    if core.is_closing() {
        return Err(VaultError::Closed);
    }
    let paths = match listed(core, folder) {
        Ok(paths) => paths,
        Err(error) => return Ok(Some(error)),
    };
    let mut unread = None;
    for path in paths {
        if depth == 0 {
            take(&path)?;
            continue;
        }
        match core.disk.is_folder(&path) {
            Ok(true) => {
                let below = walk(core, &path, depth - 1, take)?;
                unread = unread.or(below);
            }
            Ok(false) => {}
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    Ok(unread)
}

/// What is in a folder, by name; nothing where it is not there.
pub(super) fn listed(core: &Core, folder: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let entries = match core.disk.list(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("list", folder, e)),
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|e| failed("list", folder, e))?;
    paths.sort();
    Ok(paths)
}
