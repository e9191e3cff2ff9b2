//! The probe that `check` makes of every folder that the gateway will use: what works here works later.

use super::atomic::TEMP_PREFIX;
use super::error::FileError;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// The step of a probe that failed: `step`, `path`, `source`, `fix`.
pub type ProbeError = FileError;

/// Creates, writes, fsyncs, renames and deletes a small file in `path`, which must exist.
///
/// # Errors
/// The first step that failed. Nothing is left behind, unless deleting is what failed.
pub fn probe_dir(path: &Path) -> Result<(), ProbeError> {
    let mut temp = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .tempfile_in(path)
        .map_err(|e| FileError::new("create a file in", path, e))?;
    temp.write_all(b"Portcullis looks whether it can write here.\n")
        .map_err(|e| FileError::new("write a file in", path, e))?;
    temp.as_file().sync_all().map_err(|e| FileError::new("fsync a file in", path, e))?;
    let mut name = temp.path().file_name().unwrap_or_default().to_owned();
    name.push("-renamed");
    let renamed = path.join(name);
    temp.persist_noclobber(&renamed).map_err(|e| FileError::new("rename a file in", path, e.error))?;
    fs::remove_file(&renamed).map_err(|e| FileError::new("delete a file in", path, e))?;
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| FileError::new("fsync the folder", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_folder_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        probe_dir(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_bad_folder_is_named_with_the_step() {
        let missing = probe_dir(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(
            (missing.step, missing.path.as_path()),
            ("create a file in", Path::new("/no/such/folder"))
        );
        assert!(missing.to_string().contains("create it"), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = probe_dir(file.path()).unwrap_err();
        assert!(error.to_string().contains("in the way"), "{error}");
    }
}
