//! The rule files of earlier generations: `state_dir/generations/`, a file for each content (its name is the
//! SHA-256 of it) and `index`, which says what lay where in which generation.
//!
//! Owner: whoever holds the lock of the state directory, or the gateway on behalf of a command. Bounded: the
//! last ten generations and 1 GiB in all; the oldest go first. Failure: an error that says what to do, and
//! nothing is kept then; the rules in force never depend on it. A content is checked against its name
//! whenever it is read.

use super::atomic;
use super::error::FileError;
use super::folder;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Generations that are kept.
const GENERATIONS_MAX: usize = 10;
/// Octets of all contents that are kept.
const OCTETS_MAX: u64 = 1 << 30;
/// Octets of one file: the largest list.
pub const FILE_OCTETS_MAX: usize = 256 << 20;
/// Octets of the index: ten generations of ten thousand files.
const INDEX_OCTETS_MAX: usize = 32 << 20;
const INDEX: &str = "index";
/// As the state directory: the gateway's user writes, members of its group read.
const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// One rule file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its name, relative to the rules directory: `lists/blocks.list`.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal digits.
    pub digest: String,
    /// Its length.
    pub octets: u64,
}

/// One generation, or several in a row that had the same files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// Number of the last one in a row with the same files.
    pub last: u64,
    /// When it was kept, milliseconds since 1970.
    pub at_unix_ms: i64,
    /// The earlier generation whose files it has, if any.
    pub rules_of: Option<u64>,
    /// False: edits that a rollback replaced before they ever came into force.
    pub in_force: bool,
    /// Its files, by name.
    pub files: Vec<KeptFile>,
}

impl Kept {
    /// Whether that number is one of its own.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        (self.number..=self.last).contains(&number)
    }
}

/// Number of a generation, and the earlier one whose rules it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Its number.
    pub number: u64,
    /// See [`Kept::rules_of`].
    pub rules_of: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    generations: Vec<Kept>,
}

/// The folder, with its index in memory.
#[derive(Debug)]
pub struct Generations {
    folder: PathBuf,
    index: Index,
    generations_max: usize,
    octets_max: u64,
}

/// The name of a content.
#[must_use]
pub fn name_of(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().fold(String::with_capacity(64), |mut name, octet| {
        let _ = write!(name, "{octet:02x}");
        name
    })
}

impl Generations {
    /// Opens the folder in `state_dir`. One that is missing is made when something is kept. Blocks on the disk.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn open(state_dir: &Path) -> Result<Self, FileError> {
        let folder = state_dir.join("generations");
        let path = folder.join(INDEX);
        let index = match atomic::read(&path, INDEX_OCTETS_MAX) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| {
                let why = format!("{e} (delete it to forget the earlier generations and begin anew)");
                FileError::new("understand", &path, io::Error::new(ErrorKind::InvalidData, why))
            })?,
            Err(e) if e.kind() == ErrorKind::NotFound => Index::default(),
            Err(e) => return Err(FileError::new("read", &path, e)),
        };
        Ok(Self { folder, index, generations_max: GENERATIONS_MAX, octets_max: OCTETS_MAX })
    }

    /// What is kept, oldest first.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.index.generations
    }

    /// The generation of that number.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<&Kept> {
        self.kept().iter().find(|kept| kept.has(number))
    }

    /// The last one that was in force.
    #[must_use]
    pub fn in_force(&self) -> Option<&Kept> {
        self.kept().iter().rev().find(|kept| kept.in_force)
    }

    /// Numbers a generation that comes into force with these files, and keeps what `rules` has under their names.
    /// The number is `at_least` (0 at a start: files that are those of the last time keep their number).
    ///
    /// # Errors
    /// They cannot be kept. The number holds all the same, and nobody can go back to it.
    pub fn comes_into_force(
        &mut self,
        rules: &Path,
        files: &[KeptFile],
        at_least: u64,
        now_unix_ms: i64,
    ) -> (Numbered, Result<(), FileError>) {
        let same = |newest: &&mut Kept| newest.files == files && at_least <= newest.last + 1;
        if let Some(newest) = self.index.generations.last_mut().filter(same) {
            newest.last = newest.last.max(at_least);
            newest.in_force = true;
            let numbered = Numbered { number: newest.last, rules_of: newest.rules_of };
            return (numbered, self.save(rules, files));
        }
        let numbered = self.push(files, true, at_least, now_unix_ms);
        let saved = self.fits(rules, files).and_then(|()| {
            self.forget_oldest();
            self.save(rules, files)
        });
        if saved.is_err() {
            self.index.generations.pop();
        }
        (numbered, saved)
    }

    /// Keeps what lies in `rules` before it is replaced, if it is no generation yet. Returns its number. Nothing is
    /// forgotten for it: what replaces it may be the oldest.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn keep(&mut self, rules: &Path, files: &[KeptFile], now_unix_ms: i64) -> Result<u64, FileError> {
        let same = self.kept().iter().rev().find(|kept| kept.files == files);
        if let Some(number) = same.map(|kept| kept.last) {
            // Its contents may have gone meanwhile.
            self.save(rules, files)?;
            return Ok(number);
        }
        self.fits(rules, files)?;
        let number = self.push(files, false, 0, now_unix_ms).number;
        let saved = self.save(rules, files);
        if saved.is_err() {
            self.index.generations.pop();
        }
        saved.map(|()| number)
    }

    /// The content of a file that was kept.
    ///
    /// # Errors
    /// It is not there any more, or damaged.
    pub fn content(&self, file: &KeptFile) -> Result<Vec<u8>, FileError> {
        let path = self.folder.join(&file.digest);
        let content = atomic::read(&path, FILE_OCTETS_MAX).map_err(|e| FileError::new("read", &path, e))?;
        if name_of(&content) == file.digest {
            return Ok(content);
        }
        let why = io::Error::new(ErrorKind::InvalidData, "its content is not what was kept");
        Err(FileError::new("use", &path, why))
    }

    fn push(&mut self, files: &[KeptFile], in_force: bool, at_least: u64, now_unix_ms: i64) -> Numbered {
        let number = self.kept().last().map_or(1, |newest| newest.last + 1).max(at_least);
        let same = self.kept().iter().rev().find(|kept| kept.files == files);
        let rules_of = same.map(|kept| kept.rules_of.unwrap_or(kept.number));
        let files = files.to_vec();
        self.index.generations.push(Kept {
            number,
            last: number,
            at_unix_ms: now_unix_ms,
            rules_of,
            in_force,
            files,
        });
        Numbered { number, rules_of }
    }

    /// What alone is more than may be kept would drive everything else out.
    fn fits(&self, rules: &Path, files: &[KeptFile]) -> Result<(), FileError> {
        let octets: u64 = files.iter().map(|file| file.octets).sum();
        if octets <= self.octets_max {
            return Ok(());
        }
        let why = format!("the rule files have {octets} octets, and at most {} are kept", self.octets_max);
        Err(FileError::new("keep", rules, io::Error::new(ErrorKind::FileTooLarge, why)))
    }

    /// Contents first, then the index, then what nobody needs any more goes: whatever the index names is there.
    fn save(&mut self, rules: &Path, files: &[KeptFile]) -> Result<(), FileError> {
        folder::ensure(&self.folder, FOLDER_MODE)?;
        self.adopt(&self.folder);
        for file in files {
            self.put(rules, file)?;
        }
        let path = self.folder.join(INDEX);
        let text = serde_json::to_vec(&self.index).map_err(|e| FileError::new("write", &path, e.into()))?;
        atomic::write(&path, &text, FILE_MODE)?;
        self.adopt(&path);
        self.sweep()
    }

    fn put(&self, rules: &Path, file: &KeptFile) -> Result<(), FileError> {
        let path = self.folder.join(&file.digest);
        if fs::metadata(&path).is_ok_and(|about| about.len() == file.octets) {
            return Ok(());
        }
        let source = rules.join(&file.name);
        let content =
            atomic::read(&source, FILE_OCTETS_MAX).map_err(|e| FileError::new("read", &source, e))?;
        if name_of(&content) != file.digest {
            let why = io::Error::new(ErrorKind::InvalidData, "it was changed at this moment");
            return Err(FileError::new("keep", &source, why));
        }
        atomic::write(&path, &content, FILE_MODE)?;
        self.adopt(&path);
        Ok(())
    }

    fn forget_oldest(&mut self) {
        while self.kept().len() > self.generations_max
            || (self.kept().len() > 1 && self.octets() > self.octets_max)
        {
            self.index.generations.remove(0);
        }
    }

    /// Octets of all contents that the index names.
    fn octets(&self) -> u64 {
        let mut seen = HashSet::new();
        let files = self.kept().iter().flat_map(|kept| &kept.files);
        files.filter(|file| seen.insert(&file.digest)).map(|file| file.octets).sum()
    }

    fn sweep(&self) -> Result<(), FileError> {
        let named: HashSet<&str> =
            self.kept().iter().flat_map(|kept| &kept.files).map(|file| file.digest.as_str()).collect();
        let listed = |e| FileError::new("list", &self.folder, e);
        for entry in fs::read_dir(&self.folder).map_err(listed)? {
            let entry = entry.map_err(listed)?;
            let name = entry.file_name();
            let left_over = name.to_str().is_some_and(|name| {
                name.starts_with(atomic::TEMP_PREFIX) || (name.len() == 64 && !named.contains(name))
            });
            if left_over {
                fs::remove_file(entry.path()).map_err(|e| FileError::new("remove", &entry.path(), e))?;
            }
        }
        Ok(())
    }

    /// What root makes while the gateway is stopped belongs to the gateway's user.
    fn adopt(&self, path: &Path) {
        let owner = self.folder.parent().and_then(|state_dir| fs::metadata(state_dir).ok());
        if let Some(owner) = owner.filter(|_| nix::unistd::geteuid().is_root()) {
            // Without the right to do so it stays root's; reading it is possible for the group.
            let _ = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        rules: tempfile::TempDir,
        state: tempfile::TempDir,
        /// The number after that of the generation in force.
        next: std::cell::Cell<u64>,
    }

    impl Place {
        fn new() -> Self {
            let (rules, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            Self { rules, state, next: std::cell::Cell::new(0) }
        }

        fn open(&self) -> Generations {
            Generations::open(self.state.path()).unwrap()
        }

        /// Writes the files and gives them as they would be found.
        fn files(&self, files: &[(&str, &str)]) -> Vec<KeptFile> {
            let one = |(name, content): &(&str, &str)| {
                fs::write(self.rules.path().join(name), content).unwrap();
                let digest = name_of(content.as_bytes());
                KeptFile { name: (*name).to_owned(), digest, octets: content.len() as u64 }
            };
            files.iter().map(one).collect()
        }

        fn reload(&self, all: &mut Generations, files: &[(&str, &str)]) -> Numbered {
            let files = self.files(files);
            let (number, saved) = all.comes_into_force(self.rules.path(), &files, self.next.get(), 0);
            saved.unwrap();
            self.next.set(number.number + 1);
            number
        }

        fn contents(&self) -> usize {
            fs::read_dir(self.state.path().join("generations")).unwrap().count() - 1
        }
    }

    fn numbered(number: u64, rules_of: Option<u64>) -> Numbered {
        Numbered { number, rules_of }
    }

    #[test]
    fn numbers_go_on_after_a_restart_and_name_the_rules_they_have() {
        let place = Place::new();
        let mut all = place.open();
        assert_eq!(place.reload(&mut all, &[("a", "1")]), numbered(1, None));
        assert_eq!(place.reload(&mut all, &[("a", "1")]), numbered(2, None));
        assert_eq!(place.reload(&mut all, &[("a", "2"), ("b", "1")]), numbered(3, None));
        let mut all = place.open();
        assert_eq!(place.reload(&mut all, &[("a", "1")]), numbered(4, Some(1)));
        assert_eq!(place.reload(&mut all, &[("a", "3")]), numbered(5, None));
        // And of the rules of a rollback, the first that had them.
        assert_eq!(place.reload(&mut all, &[("a", "1")]), numbered(6, Some(1)));
        let files = place.files(&[("a", "1")]);
        let (again, saved) = place.open().comes_into_force(place.rules.path(), &files, 0, 0);
        saved.unwrap();
        assert_eq!(again, numbered(6, Some(1)), "a restart is no new generation");
        assert_eq!((all.find(2).unwrap().number, all.find(2).unwrap().last), (1, 2));
        assert!(all.find(7).is_none());
        // "1" of a and of b is one content.
        assert_eq!(place.contents(), 3);
    }

    #[test]
    fn edits_that_were_never_in_force_are_kept_once() {
        let place = Place::new();
        let mut all = place.open();
        place.reload(&mut all, &[("a", "1")]);
        let files = place.files(&[("a", "edited")]);
        assert_eq!(all.keep(place.rules.path(), &files, 7).unwrap(), 2);
        assert_eq!(all.keep(place.rules.path(), &files, 8).unwrap(), 2);
        assert_eq!((all.in_force().unwrap().number, all.find(2).unwrap().in_force), (1, false));
        assert_eq!(all.content(&files[0]).unwrap(), b"edited");
        // In force after all, they keep their number.
        assert_eq!(place.reload(&mut all, &[("a", "edited")]), numbered(2, None));
        assert_eq!(all.in_force().unwrap().number, 2);
    }

    #[test]
    fn the_oldest_go_by_number_and_by_octets() {
        let place = Place::new();
        let mut all = place.open();
        for n in 0..30 {
            place.reload(&mut all, &[("a", &format!("{n:04}"))]);
        }
        assert_eq!((all.kept().len(), all.kept()[0].number, place.contents()), (10, 21, 10));
        let edits = place.files(&[("a", "edits")]);
        assert_eq!(all.keep(place.rules.path(), &edits, 0).unwrap(), 31);
        assert_eq!(all.content(&all.find(21).unwrap().files[0]).unwrap(), b"0020");
        all.octets_max = 20;
        place.reload(&mut all, &[("a", "0123456789")]);
        assert_eq!((all.kept().len(), all.octets(), place.contents()), (3, 19, 3));
        let files = place.files(&[("a", "012345678901234567890")]);
        let error = all.keep(place.rules.path(), &files, 0).unwrap_err().to_string();
        assert!(error.contains("at most 20 are kept"), "{error}");
        let (number, saved) = all.comes_into_force(place.rules.path(), &files, 33, 0);
        assert_eq!((number.number, saved.is_err(), all.kept().len()), (33, true, 3));
        assert_eq!(all.kept().last().unwrap().number, 32);
    }

    #[test]
    fn a_generation_that_could_not_be_kept_leaves_a_gap() {
        let place = Place::new();
        let mut all = place.open();
        place.reload(&mut all, &[("a", "1")]);
        let files = place.files(&[("a", "2")]);
        fs::write(place.rules.path().join("a"), "3").unwrap();
        let (number, saved) = all.comes_into_force(place.rules.path(), &files, 2, 0);
        assert_eq!(number, numbered(2, None));
        assert!(saved.unwrap_err().to_string().contains("changed at this moment"));
        assert!(all.find(2).is_none());
        place.next.set(3);
        assert_eq!(place.reload(&mut all, &[("a", "1")]), numbered(3, Some(1)));
        assert!(all.find(2).is_none());
    }

    #[test]
    fn what_is_damaged_is_told_and_not_used() {
        let place = Place::new();
        let mut all = place.open();
        place.reload(&mut all, &[("a", "1")]);
        let file = all.kept()[0].files[0].clone();
        let folder = place.state.path().join("generations");
        fs::write(folder.join(&file.digest), "2").unwrap();
        assert!(all.content(&file).unwrap_err().to_string().contains("not what was kept"));
        fs::remove_file(folder.join(&file.digest)).unwrap();
        assert!(all.content(&file).is_err());
        // It is there again as soon as the file is found as it was.
        all.keep(place.rules.path(), std::slice::from_ref(&file), 0).unwrap();
        assert_eq!(all.content(&file).unwrap(), b"1");
        fs::write(folder.join(INDEX), "{").unwrap();
        let error = Generations::open(place.state.path()).unwrap_err().to_string();
        assert!(error.contains("delete it to forget"), "{error}");
    }
}
