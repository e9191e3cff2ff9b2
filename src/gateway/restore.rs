//! Putting the files of an earlier generation back into the rules directory.
//!
//! Each file is there whole or not at all; all of them together are not one step, so whoever does this keeps what
//! was there before ([`super::History::keep_edits`]) and lets the gateway read the rules only afterwards. Failure:
//! an error, and [`Restore::undo`].

use super::snapshot::{ROLLED_BACK, Snapshot};
use crate::store::generations::{Generations, KeptFile};
use crate::store::{FileError, atomic};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What has to be done so that the rules directory has the files of a generation again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restore {
    /// Files to be written.
    pub write: Vec<KeptFile>,
    /// Files that did not exist then: they become `NAME.rolled-back`.
    pub take_away: Vec<String>,
}

impl Restore {
    /// From what is there to what shall be there.
    #[must_use]
    pub fn plan(now: &Snapshot, then: &[KeptFile]) -> Self {
        let there = |file: &&KeptFile| !now.files.contains(file);
        let gone = |name: &str| !then.iter().any(|file| file.name == name);
        Self {
            write: then.iter().filter(there).cloned().collect(),
            take_away: now.files.iter().map(|file| file.name.clone()).filter(|name| gone(name)).collect(),
        }
    }

    /// Whether nothing has to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.take_away.is_empty()
    }

    /// Does it. Nothing is touched before every content is found and whole. Blocks on the disk.
    ///
    /// # Errors
    /// The step that failed; some files may have been written before it.
    pub fn carry_out(&self, rules: &Path, generations: &Generations) -> Result<(), FileError> {
        for file in &self.write {
            generations.content(file)?;
        }
        for file in &self.write {
            put(rules, &file.name, &generations.content(file)?)?;
        }
        for name in &self.take_away {
            let path = rules.join(name);
            fs::rename(&path, rolled_back(&path)).map_err(|e| FileError::new("rename", &path, e))?;
        }
        Ok(())
    }

    /// Puts the files back that were there `before`, also after a part of it failed.
    ///
    /// # Errors
    /// The step that failed.
    pub fn undo(&self, rules: &Path, before: &Snapshot, generations: &Generations) -> Result<(), FileError> {
        for path in self.take_away.iter().map(|name| rules.join(name)) {
            if !path.exists() && rolled_back(&path).exists() {
                fs::rename(rolled_back(&path), &path).map_err(|e| FileError::new("rename", &path, e))?;
            }
        }
        let back = Self::plan(&Snapshot::take(rules), &before.files);
        for file in &back.write {
            put(rules, &file.name, &generations.content(file)?)?;
        }
        // What is too much now was put there by us.
        for path in back.take_away.iter().map(|name| rules.join(name)) {
            fs::remove_file(&path).map_err(|e| FileError::new("remove", &path, e))?;
        }
        Ok(())
    }
}

fn rolled_back(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ROLLED_BACK);
    name.into()
}

/// With mode and owner of the file that it replaces, or else of gateway.toml. A link stays one: what it names is
/// replaced.
fn put(rules: &Path, name: &str, content: &[u8]) -> Result<(), FileError> {
    let path = rules.join(name);
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let mode = fs::metadata(rules).map_or(0o750, |about| about.permissions().mode() & 0o7777);
        let made = fs::DirBuilder::new().mode(mode).create(folder);
        made.map_err(|e| FileError::new("create the folder", folder, e))?;
    }
    let path = fs::canonicalize(&path).unwrap_or(path);
    let like = if path.exists() { path.clone() } else { rules.join("gateway.toml") };
    atomic::write_like(&path, content, &like)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(rules: &Path, files: &[(&str, &str)]) -> Snapshot {
        for (name, content) in files {
            fs::write(rules.join(name), content).unwrap();
        }
        Snapshot::take(rules)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_come_back_with_their_modes_and_what_was_not_there_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let (rules, state) = (dir.path().join("rules"), dir.path().join("state"));
        fs::create_dir_all(rules.join("lists")).unwrap();
        fs::create_dir(&state).unwrap();
        let mut generations = Generations::open(&state).unwrap();
        let then = write(&rules, &[("gateway.toml", "1"), ("lists/a.list", "a"), ("lists/b.list", "b")]);
        generations.keep(&rules, &then.files, 0).unwrap();
        fs::remove_dir_all(rules.join("lists")).unwrap();
        fs::remove_file(rules.join("gateway.toml")).unwrap();
        fs::write(dir.path().join("elsewhere.toml"), "2").unwrap();
        symlink("../elsewhere.toml", rules.join("gateway.toml")).unwrap();
        fs::set_permissions(rules.join("gateway.toml"), fs::Permissions::from_mode(0o604)).unwrap();
        let now = write(&rules, &[("limits.toml", "new")]);
        generations.keep(&rules, &now.files, 0).unwrap();

        let restore = Restore::plan(&now, &then.files);
        assert_eq!((restore.write.len(), restore.take_away.as_slice()), (3, &["limits.toml".to_owned()][..]));
        restore.carry_out(&rules, &generations).unwrap();
        assert_eq!(Snapshot::take(&rules).files, then.files);
        assert_eq!(fs::read_to_string(dir.path().join("elsewhere.toml")).unwrap(), "1");
        assert!(fs::symlink_metadata(rules.join("gateway.toml")).unwrap().is_symlink());
        assert_eq!((mode(&rules.join("gateway.toml")), mode(&rules.join("lists/a.list"))), (0o604, 0o604));
        assert_eq!(fs::read_to_string(rules.join("limits.toml.rolled-back")).unwrap(), "new");
        assert!(Restore::plan(&Snapshot::take(&rules), &then.files).is_empty());

        restore.undo(&rules, &now, &generations).unwrap();
        assert_eq!(Snapshot::take(&rules).files, now.files);
        assert!(!rules.join("limits.toml.rolled-back").exists());
    }

    #[test]
    fn nothing_is_touched_where_a_content_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (rules, state) = (dir.path().join("rules"), dir.path().join("state"));
        fs::create_dir(&rules).unwrap();
        fs::create_dir(&state).unwrap();
        let mut generations = Generations::open(&state).unwrap();
        let then = write(&rules, &[("gateway.toml", "1"), ("limits.toml", "1")]);
        generations.keep(&rules, &then.files, 0).unwrap();
        let now = write(&rules, &[("gateway.toml", "2"), ("limits.toml", "2")]);
        let lost = then.files.last().unwrap();
        fs::write(state.join("generations").join(&lost.digest), "x").unwrap();
        Restore::plan(&now, &then.files).carry_out(&rules, &generations).unwrap_err();
        assert_eq!(Snapshot::take(&rules), now);
    }
}
