//! The one way to the disk: every step that changes something there is a function of [`Disk`], so that tests can let
//! the process die at any of them, fill the disk, or slow its flushes down.
//!
//! State: none but what tests ask for. Failure: the step and the path, or [`VaultError::NoSpace`]; nothing is retried.
//! All calls block.

use super::error::VaultError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) faults: faults::Faults,
}

/// A new file that is being written.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    path: PathBuf,
}

/// The error of a step.
pub(super) fn failed(step: &'static str, path: &Path, source: io::Error) -> VaultError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            VaultError::NoSpace(path.parent().unwrap_or(path).to_owned())
        }
        _ => VaultError::Io { step, path: path.to_owned(), source },
    }
}

impl Disk {
    /// A new file; one that an attempt left there is begun anew.
    pub(super) fn create(&self, path: &Path) -> Result<DiskFile, VaultError> {
        self.room().map_err(|e| failed("create", path, e))?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
        Ok(DiskFile { file: file.map_err(|e| failed("create", path, e))?, path: path.to_owned() })
    }

    /// Appends to a file that is being written from its start to its end.
    pub(super) fn write(&self, file: &mut DiskFile, octets: &[u8]) -> Result<(), VaultError> {
        if let Err(error) = self.room() {
            // What a crash or a full disk leaves is a part.
            let part = octets.get(..octets.len() / 2).unwrap_or_default();
            let _ = self.may_leave_part().then(|| file.file.write_all(part));
            return Err(failed("write", &file.path, error));
        }
        file.file.write_all(octets).map_err(|e| failed("write", &file.path, e))
    }

    /// Writes at a place.
    pub(super) fn write_at(&self, file: &DiskFile, at: u64, octets: &[u8]) -> Result<(), VaultError> {
        if let Err(error) = self.room().and_then(|()| self.may_touch(&file.path)) {
            let part = octets.get(..octets.len() / 2).unwrap_or_default();
            let _ = self.may_leave_part().then(|| file.file.write_all_at(part, at));
            return Err(failed("write", &file.path, error));
        }
        file.file.write_all_at(octets, at).map_err(|e| failed("write", &file.path, e))
    }

    /// Cuts a file.
    pub(super) fn set_len(&self, file: &DiskFile, octets: u64) -> Result<(), VaultError> {
        self.step().and_then(|()| file.file.set_len(octets)).map_err(|e| failed("cut", &file.path, e))
    }

    /// Octets of a file, and what is needed to find them, are durable behind this.
    pub(super) fn flush(&self, file: &DiskFile) -> Result<(), VaultError> {
        let done = self.step().and_then(|()| self.flushed(|| file.file.sync_data()));
        done.map_err(|e| failed("flush", &file.path, e))
    }

    /// Names in a folder are durable behind this.
    pub(super) fn flush_folder(&self, folder: &Path) -> Result<(), VaultError> {
        let sync = || File::open(folder).and_then(|folder| folder.sync_all());
        let done = self.step().and_then(|()| self.flushed(sync));
        done.map_err(|e| failed("flush the folder", folder, e))
    }

    /// Everything on the volume is durable behind this.
    pub(super) fn flush_volume(&self, folder: &Path) -> Result<(), VaultError> {
        let sync = || nix::unistd::syncfs(File::open(folder)?).map_err(io::Error::from);
        let done = self.step().and_then(|()| self.flushed(sync));
        done.map_err(|e| failed("flush the volume of", folder, e))
    }

    /// Renames a file; the folder of `to` is made where it is missing.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), VaultError> {
        self.step().and_then(|()| self.may_touch(to)).map_err(|e| failed("rename", from, e))?;
        match fs::rename(from, to) {
            Err(e) if e.kind() == ErrorKind::NotFound && fs::exists(from).unwrap_or(false) => {}
            done => return done.map_err(|e| failed("rename a file to", to, e)),
        }
        if let Some(folder) = to.parent() {
            self.make_folder(folder)?;
        }
        self.step().and_then(|()| fs::rename(from, to)).map_err(|e| failed("rename a file to", to, e))
    }

    /// Removes a file; says whether it was there.
    pub(super) fn unlink(&self, path: &Path) -> Result<bool, VaultError> {
        match self.step().and_then(|()| fs::remove_file(path)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("remove", path, e)),
        }
    }

    /// Another name for a file; what had that name goes.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<(), VaultError> {
        self.unlink(to)?;
        self.room().and_then(|()| fs::hard_link(from, to)).map_err(|e| failed("keep", from, e))
    }

    /// What is in a folder.
    pub(super) fn list(&self, folder: &Path) -> io::Result<fs::ReadDir> {
        self.may_touch(folder).and_then(|()| fs::read_dir(folder))
    }

    /// Whether a folder is there; a file is none.
    pub(super) fn is_folder(&self, path: &Path) -> Result<bool, VaultError> {
        match self.may_touch(path).and_then(|()| fs::metadata(path)) {
            Ok(there) => Ok(there.is_dir()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("list", path, e)),
        }
    }

    /// Makes a folder and those above it.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), VaultError> {
        let make = || fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
        self.room().and_then(|()| make()).map_err(|e| failed("create the folder", path, e))
    }

    /// A whole file by way of `temp`, which is on the same volume. Not flushed.
    pub(super) fn put(&self, temp: &Path, path: &Path, octets: &[u8]) -> Result<(), VaultError> {
        let mut file = self.create(temp)?;
        let done = self.write(&mut file, octets).and_then(|()| self.rename(temp, path));
        if done.is_err() {
            let _ = self.unlink(temp);
        }
        done
    }

    /// The same, durable, and open for more.
    pub(super) fn replace(&self, temp: &Path, path: &Path, octets: &[u8]) -> Result<DiskFile, VaultError> {
        let mut file = self.create(temp)?;
        let written = self.write(&mut file, octets).and_then(|()| self.flush(&file));
        let done = written.and_then(|()| self.rename(temp, path));
        if let Err(error) = done {
            let _ = self.unlink(temp);
            return Err(error);
        }
        path.parent().map_or(Ok(()), |folder| self.flush_folder(folder))?;
        Ok(DiskFile { path: path.to_owned(), ..file })
    }

    /// A step of somebody else that changes something on the disk: the index.
    pub(super) fn other(&self, path: &Path) -> Result<(), VaultError> {
        self.step().and_then(|()| self.may_enter()).map_err(|e| failed("write", path, e))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    fn may_enter(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn may_enter(&self) -> io::Result<()> {
        self.faults.enter()
    }

    /// A look into the index for work on many messages.
    pub(super) fn look(&self, path: &Path) -> Result<(), VaultError> {
        self.seen().map_err(|e| failed("read", path, e))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    fn seen(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    /// A step that needs room.
    #[cfg(not(test))]
    fn room(&self) -> io::Result<()> {
        self.step()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests slow it down")]
    fn flushed(&self, flush: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        flush()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests leave a part")]
    fn may_leave_part(&self) -> bool {
        false
    }

    /// Whether a file or folder is well.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    pub(super) fn may_touch(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn may_touch(&self, path: &Path) -> io::Result<()> {
        self.faults.touch(path)
    }

    #[cfg(test)]
    fn seen(&self) -> io::Result<()> {
        self.faults.seen()
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.faults.step()
    }

    #[cfg(test)]
    fn room(&self) -> io::Result<()> {
        self.faults.room()
    }

    #[cfg(test)]
    fn flushed(&self, flush: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        std::thread::sleep(self.faults.pause);
        self.faults.flush()?;
        if self.faults.lazy { Ok(()) } else { flush() }
    }

    #[cfg(test)]
    fn may_leave_part(&self) -> bool {
        self.faults.leaves_part()
    }
}

#[cfg(test)]
pub(super) mod faults {
    use std::io::{self, ErrorKind};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    /// What tests ask for.
    #[derive(Debug, Default)]
    pub(crate) struct Faults {
        pub(crate) steps: AtomicU64,
        /// From this step on every step fails, as if the process had died; 0 is never.
        pub(crate) dies_at: u64,
        /// No space.
        pub(crate) full: AtomicBool,
        /// The same from this step on; 0 is never.
        pub(crate) full_from: AtomicU64,
        /// Every flush fails.
        pub(crate) ill: AtomicBool,
        /// The index cannot be read in the middle of work.
        pub(crate) blind: AtomicBool,
        /// The index cannot be written.
        pub(crate) no_index: AtomicBool,
        /// This file or folder is ill: the number of the error.
        pub(crate) bad: Mutex<Option<(PathBuf, i32)>>,
        /// Of every flush.
        pub(crate) pause: Duration,
        /// Nothing is flushed.
        pub(crate) lazy: bool,
    }

    impl Faults {
        pub(crate) fn steps(&self) -> u64 {
            self.steps.load(SeqCst)
        }

        fn died(&self) -> bool {
            self.dies_at > 0 && self.steps() >= self.dies_at
        }

        pub(super) fn step(&self) -> io::Result<()> {
            self.steps.fetch_add(1, SeqCst);
            if self.died() { Err(io::Error::other("the process has died here")) } else { Ok(()) }
        }

        pub(super) fn room(&self) -> io::Result<()> {
            self.step()?;
            let from = self.full_from.load(SeqCst);
            let full = self.full.load(SeqCst) || (from > 0 && self.steps() >= from);
            if full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        pub(super) fn seen(&self) -> io::Result<()> {
            if self.blind.load(SeqCst) { Err(io::Error::other("the index is blind")) } else { Ok(()) }
        }

        pub(super) fn enter(&self) -> io::Result<()> {
            if self.no_index.load(SeqCst) { Err(io::Error::other("the disk is ill here")) } else { Ok(()) }
        }

        pub(super) fn touch(&self, path: &Path) -> io::Result<()> {
            match &*self.bad.lock().unwrap() {
                Some((bad, number)) if bad == path => Err(io::Error::from_raw_os_error(*number)),
                Some(_) | None => Ok(()),
            }
        }

        pub(crate) fn make_bad(&self, path: &Path, number: i32) {
            *self.bad.lock().unwrap() = Some((path.to_owned(), number));
        }

        pub(crate) fn make_good(&self) {
            *self.bad.lock().unwrap() = None;
        }

        pub(super) fn flush(&self) -> io::Result<()> {
            if self.ill.load(SeqCst) { Err(io::Error::other("the disk is ill")) } else { Ok(()) }
        }

        /// Only the step at which it dies leaves something.
        pub(super) fn leaves_part(&self) -> bool {
            self.full.load(SeqCst) || self.bad.lock().unwrap().is_some() || self.steps() == self.dies_at
        }
    }
}
