//! What lies in the rules directory at one moment, by content: whether anything changed, and what a
//! generation consists of.
//!
//! Rule files are `*.toml` in the directory and everything in `lists/` and `signatures/`. What editors and packages leave beside
//! them is nobody's rule. Failure: a file that cannot be read is noted, and then nothing can be kept.

use crate::store::generations::{FILE_OCTETS_MAX, KeptFile, name_of};
use crate::store::{FileError, atomic};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most names that are looked at in one folder.
const NAMES_MAX: usize = 10_000;

/// The folder of lists.
pub const LISTS: &str = "lists";
/// The folder of signatures.
pub const SIGNATURES: &str = "signatures";
/// How the name of a file ends that a rollback took away.
pub const ROLLED_BACK: &str = ".rolled-back";

/// Ends of names that are no rules: copies of editors and packages.
const ENDS_IGNORED: [&str; 12] = [
    "~",
    ROLLED_BACK,
    ".bak",
    ".swp",
    ".swx",
    ".tmp",
    ".orig",
    ".rej",
    ".rpmnew",
    ".rpmsave",
    ".dpkg-new",
    ".dpkg-old",
];

/// The rules directory at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Rule files, by name.
    pub files: Vec<KeptFile>,
    /// Other files beside them: name and what changes with their content.
    others: Vec<(String, u64, u64, i64, i64)>,
    /// What could not be read, for people.
    pub unreadable: Option<String>,
}

/// What a file looks like from outside.
type Look = (PathBuf, u64, u64, i64, i64);

impl Snapshot {
    /// Reads every rule file. Blocks on the disk.
    #[must_use]
    pub fn take(rules: &Path) -> Self {
        let mut snapshot = Self::default();
        for (name, path) in names(rules) {
            if is_rule(&name) {
                match atomic::read(&path, FILE_OCTETS_MAX) {
                    Ok(content) => snapshot.files.push(KeptFile {
                        digest: name_of(&content),
                        octets: content.len() as u64,
                        name,
                    }),
                    Err(error) => {
                        let error = FileError::new("read", &path, error).to_string();
                        snapshot.unreadable.get_or_insert(error);
                    }
                }
            } else if let Some((_, inode, octets, seconds, nanoseconds)) = look(&path) {
                snapshot.others.push((name, inode, octets, seconds, nanoseconds));
            }
        }
        snapshot
    }

    /// Runs `read`, which reads the rules, until nothing changed meanwhile (three times at most), and gives what
    /// it read together with the files that it read.
    pub fn steady<T>(rules: &Path, read: impl Fn() -> T) -> (Self, T) {
        let mut left = 3;
        loop {
            let before = looks(rules);
            let snapshot = Self::take(rules);
            let result = read();
            left -= 1;
            if left == 0 || before == looks(rules) {
                return (snapshot, result);
            }
        }
    }
}

/// Names of files in the directory, in `lists/` and in `signatures/`, sorted; no folders, no leftovers.
fn names(rules: &Path) -> Vec<(String, PathBuf)> {
    let mut names = Vec::new();
    let folders =
        [("", rules.to_owned()), ("lists/", rules.join(LISTS)), ("signatures/", rules.join(SIGNATURES))];
    for (prefix, folder) in folders {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().take(NAMES_MAX) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if !is_left_over(&name) && fs::metadata(&path).is_ok_and(|about| about.is_file()) {
                names.push((format!("{prefix}{name}"), path));
            }
        }
    }
    names.sort();
    names
}

fn looks(rules: &Path) -> Vec<Look> {
    names(rules).into_iter().filter_map(|(_, path)| look(&path)).collect()
}

fn look(path: &Path) -> Option<Look> {
    let about = fs::metadata(path).ok()?;
    Some((path.to_owned(), about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

fn is_rule(name: &str) -> bool {
    name.starts_with("lists/") || name.starts_with("signatures/") || name.ends_with(".toml")
}

/// Whether a file of that name is something that an editor, a package or we ourselves leave lying about.
#[must_use]
pub fn is_left_over(name: &str) -> bool {
    // Vim tries whether it may write with a file of that name.
    name.starts_with('.')
        || name.starts_with('#')
        || name == "4913"
        || ENDS_IGNORED.iter().any(|end| name.ends_with(end))
}

/// Which folder a path is, so that another one in its place is noticed; `None` if there is none.
pub(super) fn identity(folder: &Path) -> Option<(u64, u64)> {
    let about = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    Some((about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn rules_are_settings_and_lists_and_nothing_that_was_left_lying_about() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path();
        fs::create_dir(rules.join("lists")).unwrap();
        fs::create_dir(rules.join("old.toml")).unwrap();
        for name in [
            "gateway.toml",
            "limits.toml",
            "gateway.toml~",
            ".gateway.toml.swp",
            "#gateway.toml#",
            "4913",
            "README.md",
            "limits.toml.rolled-back",
            ".portcullis-a1",
            "protocol.toml.dpkg-new",
            "lists/a.list",
            "lists/.#b.list",
            "lists/a.list.bak",
            "lists/people.txt",
        ] {
            fs::write(rules.join(name), name).unwrap();
        }
        let snapshot = Snapshot::take(rules);
        let names: Vec<_> = snapshot.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["gateway.toml", "limits.toml", "lists/a.list", "lists/people.txt"]);
        assert_eq!(snapshot.others.len(), 1);
        assert_eq!(snapshot, Snapshot::take(rules));
        fs::write(rules.join("limits.toml~"), "x").unwrap();
        fs::write(rules.join("limits.toml"), "limits.toml").unwrap();
        assert_eq!(snapshot, Snapshot::take(rules), "the same content again is no change");
        fs::write(rules.join("README.md"), "changed").unwrap();
        assert_ne!(snapshot, Snapshot::take(rules), "what lies beside the rules may be named by them");
    }

    #[test]
    fn what_was_read_is_what_was_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gateway.toml");
        fs::write(&file, "one").unwrap();
        let times = Cell::new(0);
        let (snapshot, read) = Snapshot::steady(dir.path(), || {
            let read = fs::read(&file).unwrap();
            times.set(times.get() + 1);
            if times.get() == 1 {
                fs::write(&file, "another").unwrap();
            }
            read
        });
        assert_eq!((times.get(), read.as_slice()), (2, &b"another"[..]));
        assert_eq!(snapshot.files[0].digest, name_of(b"another"));
        // Somebody who never stops does not keep us here for ever.
        let (_, ()) = Snapshot::steady(dir.path(), || {
            times.set(times.get() + 1);
            fs::write(&file, "x".repeat(times.get())).unwrap();
        });
        assert_eq!(times.get(), 5);
    }
}
