//! The state directory: its layout, its key, its counter.
//!
//! Owned by the process that holds the lock; open it after [`super::StateLock::acquire`] only. (`check`
//! beside a running daemon must not open it: it probes the folder.) Damaged files are an error that says
//! what to do; nothing is replaced silently.

use super::atomic;
use super::error::FileError;
use super::folder;
use super::ids::Ids;
use crate::mail::Scramble;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A step failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of ours is not as we wrote it.
    #[error("{} {what}; {fix}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// The folder is open to other users.
    #[error("{} is open to other users (mode {mode:o}); {fix}", .path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What to do.
        fix: &'static str,
    },
    /// The system gave no random numbers.
    #[error("the system gives no random numbers for {}; see whether getrandom(2) is allowed", .path.display())]
    Random {
        /// The file that needs them.
        path: PathBuf,
    },
}

/// An open state directory.
pub struct StateDir {
    root: PathBuf,
    key: [u8; KEY_OCTETS],
    ids: Ids,
}

const KEY_OCTETS: usize = 32;
/// A number of 20 digits and a line end.
const IDS_OCTETS: usize = 21;

impl StateDir {
    /// Opens `path`, and creates what is missing: the folder (0750), `tmp/` (0700), `key` (0600), `ids`.
    /// Removes temporary files that a crash left over. Blocks on the disk. The caller holds the lock.
    ///
    /// # Errors
    /// The step that failed, a damaged `key` or `ids`, or a folder that others may write to.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let mode = folder::ensure(path, 0o750)?;
        if mode & 0o002 != 0 {
            let fix = "give state_dir a folder of its own, or take the right away (chmod o-w)";
            return Err(StateError::Open { path: path.to_owned(), mode, fix });
        }
        let tmp = path.join("tmp");
        let mode = folder::ensure(&tmp, 0o700)?;
        if mode & 0o077 != 0 {
            let fix = "message bodies lie there: give state_dir a folder of its own, or chmod 700 it";
            return Err(StateError::Open { path: tmp, mode, fix });
        }
        remove_leftovers(path, &[atomic::TEMP_PREFIX])?;
        // ".tmp": what the tempfile crate uses where the file system has no unnamed files.
        remove_leftovers(&tmp, &[atomic::TEMP_PREFIX, ".tmp"])?;
        let ids_path = path.join("ids");
        let key = load_key(&path.join("key"), &ids_path)?;
        let first = load_ids(&ids_path)?;
        let scramble = derive(&key, b"portcullis references");
        let scramble = Scramble::new(u64::from_le_bytes(scramble.first_chunk().copied().unwrap_or_default()));
        let ids = Ids::start(ids_path, first, scramble)?;
        Ok(Self { root: path.to_owned(), key, ids })
    }

    /// The source of references; every call gives the same one.
    #[must_use]
    pub fn ids(&self) -> Ids {
        self.ids.clone()
    }

    /// The key of our own mark in `Received:` headers (the loop guard); constant as long as `key` is.
    #[must_use]
    pub fn trace_key(&self) -> [u8; 32] {
        derive(&self.key, b"portcullis trace")
    }

    /// The folder of temporary files, on no account shared with other users.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

fn derive(key: &[u8; KEY_OCTETS], label: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), label);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

fn remove_leftovers(folder: &Path, prefixes: &[&str]) -> Result<(), FileError> {
    let entries = fs::read_dir(folder).map_err(|e| FileError::new("list", folder, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| FileError::new("list", folder, e))?;
        let name = entry.file_name();
        let ours = prefixes.iter().any(|p| name.as_encoded_bytes().starts_with(p.as_bytes()));
        if ours && entry.file_type().is_ok_and(|t| t.is_file()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|e| FileError::new("remove the left-over file", &path, e))?;
        }
    }
    Ok(())
}

/// The key; made where it is missing. The counter is made before it, so that a key without a counter
/// always means a lost counter.
fn load_key(path: &Path, ids: &Path) -> Result<[u8; KEY_OCTETS], StateError> {
    match fs::exists(path) {
        Ok(true) => {}
        Ok(false) => create_key(path, ids)?,
        Err(e) => return Err(FileError::new("look for", path, e).into()),
    }
    let damaged = |what| StateError::Damaged {
        path: path.to_owned(),
        what,
        fix: "restore it from a backup, or delete it to get a new one (mail that is under way twice is then not seen as a loop)",
    };
    match atomic::read(path, KEY_OCTETS) {
        Ok(key) => key.try_into().map_err(|_| damaged("is too short: the key has 32 octets")),
        Err(e) if e.kind() == ErrorKind::InvalidData => Err(damaged("is too long: the key has 32 octets")),
        Err(e) => Err(FileError::new("read", path, e).into()),
    }
}

fn create_key(path: &Path, ids: &Path) -> Result<(), StateError> {
    if !fs::exists(ids).map_err(|e| FileError::new("look for", ids, e))? {
        atomic::write_new(ids, b"0\n", 0o640)?;
    }
    let mut key = [0; KEY_OCTETS];
    SystemRandom::new().fill(&mut key).map_err(|_| StateError::Random { path: path.to_owned() })?;
    Ok(atomic::write_new(path, &key, 0o600)?)
}

fn load_ids(path: &Path) -> Result<u64, StateError> {
    let damaged = |what| StateError::Damaged {
        path: path.to_owned(),
        what,
        fix: "restore it from a backup, or delete it together with the file key: references then follow a new key and hardly ever meet an old one",
    };
    match atomic::read(path, IDS_OCTETS) {
        Ok(text) => std::str::from_utf8(&text)
            .ok()
            .and_then(|t| t.trim_end().parse().ok())
            // So that no later addition of a block overflows.
            .filter(|n| *n < u64::MAX / 2)
            .ok_or_else(|| damaged("is not a number")),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(damaged("is missing beside the file key")),
        Err(e) if e.kind() == ErrorKind::InvalidData => Err(damaged("is not a number")),
        Err(e) => Err(FileError::new("read", path, e).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_directory_has_its_modes_and_opens_again_with_the_same_keys() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/state");
        let one = StateDir::open(&root).unwrap();
        assert_eq!([mode(&root), mode(&one.tmp()), mode(&root.join("key"))], [0o750, 0o700, 0o600]);
        let two = StateDir::open(&root).unwrap();
        assert_eq!(one.trace_key(), two.trace_key());
        assert_ne!(one.trace_key(), one.key);
        assert_ne!(one.ids().next(), two.ids().next());
        let other = StateDir::open(&dir.path().join("other")).unwrap();
        assert_ne!(one.trace_key(), other.trace_key());
    }

    #[test]
    fn left_over_files_are_removed_and_others_left() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        for name in [".tmpAbc", ".portcullis-x", "mine"] {
            fs::write(state.tmp().join(name), "x").unwrap();
            fs::write(dir.path().join(name), "x").unwrap();
        }
        StateDir::open(dir.path()).unwrap();
        let names: Vec<_> = fs::read_dir(state.tmp()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["mine"]);
        assert!(!dir.path().join(".portcullis-x").exists());
        assert!(dir.path().join(".tmpAbc").exists());
    }

    fn damage(file: &str, contents: Option<&[u8]>) -> String {
        let dir = tempfile::tempdir().unwrap();
        StateDir::open(dir.path()).unwrap();
        match contents {
            Some(contents) => fs::write(dir.path().join(file), contents).unwrap(),
            None => fs::remove_file(dir.path().join(file)).unwrap(),
        }
        StateDir::open(dir.path()).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn damaged_files_are_errors_that_say_what_to_do() {
        for (file, contents, says) in [
            ("key", Some(&b"short"[..]), "key is too short"),
            ("key", Some(&[1; 33]), "key is too long"),
            ("ids", Some(b""), "ids is not a number"),
            ("ids", Some(b"12x\n"), "ids is not a number"),
            ("ids", Some(&[b'9'; 40]), "ids is not a number"),
            ("ids", Some(b"18446744073709551615\n"), "ids is not a number"),
            ("ids", None, "ids is missing"),
        ] {
            let error = damage(file, contents);
            assert!(error.contains(says) && error.contains("restore it from a backup"), "{file}: {error}");
        }
        assert_eq!(damage("key", None), "", "a deleted key is made again");
    }

    #[test]
    fn folders_that_others_may_use_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = StateDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("open to other users (mode 777)"), "{error}");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        fs::set_permissions(dir.path().join("tmp"), fs::Permissions::from_mode(0o755)).unwrap();
        let error = StateDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
