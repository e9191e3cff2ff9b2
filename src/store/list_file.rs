//! The file of a list: read with its state, and replaced only while it is still in that state.

use super::atomic;
use super::error::FileError;
use crate::config::list_file;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A list as it was read.
#[derive(Debug)]
pub struct ListFile {
    /// Relative to the rules directory, for people.
    pub shown: String,
    /// Its text; empty where there is no file yet.
    pub text: String,
    path: PathBuf,
    /// The file whose owner and mode it has or gets.
    like: PathBuf,
    stamp: Option<Stamp>,
}

/// What changes with every change of a file.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self {
            file: (about.dev(), about.ino()),
            octets: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }

    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(about) => Ok(Some(Self::of(&about))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ListFile {
    /// Reads a list; one that is not there is empty and will get owner and mode of `gateway.toml`.
    ///
    /// # Errors
    /// The step that failed, and what to do.
    pub fn read(rules: &Path, name: &str) -> Result<Self, String> {
        let shown = list_file(name);
        let path = rules.join(&shown);
        // What a link leads to is edited, not the link.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let tell = |step, error| FileError::new(step, &path, error).to_string();
        let stamp = Stamp::at(&path).map_err(|error| tell("look at", error))?;
        let text = match &stamp {
            None => String::new(),
            Some(_) => fs::read_to_string(&path).map_err(|error| tell("read", error))?,
        };
        let like = if stamp.is_some() { path.clone() } else { rules.join("gateway.toml") };
        Ok(Self { shown, text, path, like, stamp })
    }

    /// Puts a text in its place, unless somebody changed the file since it was read: false then.
    ///
    /// # Errors
    /// The step that failed; the file is as it was.
    pub fn replace(&self, text: &str) -> Result<bool, FileError> {
        let unchanged = || Stamp::at(&self.path).is_ok_and(|now| now == self.stamp);
        atomic::replace_if(&self.path, text.as_bytes(), &self.like, unchanged)
    }

    /// Puts the text back that it had, if the file still has the one of `written`; false if it does not.
    ///
    /// # Errors
    /// The step that failed; the file is as it was.
    pub fn restore(&self, written: &str) -> Result<bool, FileError> {
        let same = || fs::read(&self.path).is_ok_and(|now| now == written.as_bytes());
        if self.stamp.is_some() {
            return atomic::replace_if(&self.path, self.text.as_bytes(), &self.like, same);
        }
        if !same() {
            return Ok(false);
        }
        fs::remove_file(&self.path)
            .map(|()| true)
            .map_err(|error| FileError::new("remove", &self.path, error))
    }
}
