//! Files that are there whole or not at all: temporary file in the same folder, write, fsync, rename,
//! fsync of the folder. After a crash at any moment the old or the new contents are there, never a mix;
//! at most a file that begins with [`TEMP_PREFIX`] is left over.

use super::error::FileError;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// How the names of temporary files begin; such a file may be removed by the owner of its folder.
pub const TEMP_PREFIX: &str = ".portcullis-";

/// Replaces `path` by `contents` with exactly `mode` (no umask). Durable once it returns. Blocks on the
/// disk: never on a network thread.
///
/// # Errors
/// The step that failed; the old file, if any, is untouched then (a failed fsync of the folder excepted:
/// the new contents are in place but may not survive a power failure).
pub fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), FileError> {
    let temp = prepare(path, contents, mode)?;
    temp.persist(path).map_err(|e| FileError::new("rename a temporary file to", path, e.error))?;
    sync_folder(path)
}

/// As [`write()`], with mode and owner of the file `like`: of the one that is replaced, or of one beside it. An
/// owner that we may not give stays ours.
///
/// # Errors
/// As [`write()`].
pub fn write_like(path: &Path, contents: &[u8], like: &Path) -> Result<(), FileError> {
    let about = fs::metadata(like).map_err(|e| FileError::new("look at", like, e))?;
    let temp = prepare(path, contents, about.permissions().mode() & 0o7777)?;
    for (user, group) in [(None, Some(about.gid())), (Some(about.uid()), None)] {
        let _ = fchown(temp.as_file(), user, group);
    }
    temp.persist(path).map_err(|e| FileError::new("rename a temporary file to", path, e.error))?;
    sync_folder(path)
}

/// As [`write()`], with exactly this owner and group, and only if `unchanged` says so right before the new contents
/// take the place of the old: false, and nothing is changed, if it does not.
///
/// # Errors
/// As [`write()`]; a user who may not give the file away is told so.
pub fn replace(
    path: &Path,
    contents: &[u8],
    mode: u32,
    owner: (u32, u32),
    unchanged: impl FnOnce() -> bool,
) -> Result<bool, FileError> {
    let temp = prepare(path, contents, mode)?;
    let about = temp.as_file().metadata().map_err(|e| FileError::new("look at", path, e))?;
    if (about.uid(), about.gid()) != owner {
        fchown(temp.as_file(), Some(owner.0), Some(owner.1))
            // A change of owner takes away some bits of the mode.
            .and_then(|()| temp.as_file().set_permissions(Permissions::from_mode(mode)))
            .map_err(|e| FileError::new("keep the owner of", path, e))?;
    }
    if !unchanged() {
        return Ok(false);
    }
    temp.persist(path).map_err(|e| FileError::new("rename a temporary file to", path, e.error))?;
    sync_folder(path)?;
    Ok(true)
}

/// As [`write()`], but never replaces a file: `AlreadyExists` then.
///
/// # Errors
/// As [`write()`].
pub fn write_new(path: &Path, contents: &[u8], mode: u32) -> Result<(), FileError> {
    let temp = prepare(path, contents, mode)?;
    temp.persist_noclobber(path).map_err(|e| FileError::new("create", path, e.error))?;
    sync_folder(path)
}

/// The contents of a small file of ours.
///
/// # Errors
/// The system's, or `InvalidData` where it is longer than `max` octets.
pub fn read(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    let mut part = [0; 4096];
    let mut file = File::open(path)?;
    loop {
        let got = match file.read(&mut part) {
            Ok(0) => return Ok(contents),
            Ok(n) => part.get(..n).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if contents.len() + got.len() > max {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is longer than {max} octets"),
            ));
        }
        contents.extend_from_slice(got);
    }
}

fn prepare(path: &Path, contents: &[u8], mode: u32) -> Result<tempfile::NamedTempFile, FileError> {
    let folder = folder_of(path);
    let mut temp = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .permissions(Permissions::from_mode(mode & 0o700))
        .tempfile_in(folder)
        .map_err(|e| FileError::new("create a temporary file in", folder, e))?;
    // Our own temporary name is of no use to the reader: the errors name the file that was to be written.
    temp.write_all(contents).map_err(|e| FileError::new("write", path, e))?;
    temp.as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(|e| FileError::new("set the mode of", path, e))?;
    temp.as_file().sync_all().map_err(|e| FileError::new("fsync", path, e))?;
    Ok(temp)
}

fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| FileError::new("fsync the folder", folder, e))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_new(&path, b"one", 0o600).unwrap();
        let error = write_new(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_keeps_its_owner_and_one_that_changed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one", 0o640).unwrap();
        let about = fs::metadata(&path).unwrap();
        let owner = (about.uid(), about.gid());
        assert!(!replace(&path, b"two", 0o640, owner, || false).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert!(replace(&path, b"two", 0o640, owner, || true).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // Only root can give files away.
        let other = (about.uid() + 1, about.gid());
        match replace(&path, b"three", 0o640, other, || true) {
            Ok(_) => assert_eq!(fs::metadata(&path).unwrap().uid(), other.0),
            Err(error) => assert!(error.to_string().contains("keep the owner of"), "{error}"),
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_step_path_and_what_to_do() {
        let error = write(Path::new("/no/such/folder/x"), b"", 0o600).unwrap_err().to_string();
        assert!(error.contains("create a temporary file in /no/such/folder"), "{error}");
        assert!(error.ends_with("create it, or correct the path"), "{error}");
    }

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, vec![1; 10_000]).unwrap();
        assert_eq!(read(&path, 10_000).unwrap().len(), 10_000);
        assert_eq!(read(&path, 9_999).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
