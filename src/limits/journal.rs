//! A table on disk: a file of lines, of which the later ones overrule the earlier ones.
//!
//! Owner of the file and of the thread that writes it. A change is one line, written by that thread at once, so that
//! `kill -9` costs what lay in the queue, and a power failure what the kernel had not written. When more has been
//! appended than the table is worth, the file is replaced whole by the table as it is.
//!
//! Failure: whoever changes the table never waits for the disk. Lines beyond the bound of the queue are dropped, and a
//! write that fails may leave half a line: in both cases the file is written anew from the table, as soon as that
//! works. At start the half line at the end of a file is what a crash leaves; anything else that is no line of ours
//! makes the file damaged: it is set aside beside the new one, and what could be read of it counts.

use crate::store::atomic;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Changes that wait for the disk at most; 6 MB of lines.
const QUEUE_MAX: usize = 65_536;
/// Longest line in octets, with its end.
const LINE_OCTETS_MAX: u64 = 4096;
/// Longest file in octets that is read at start.
const FILE_OCTETS_MAX: u64 = 1 << 30;
/// What may be appended before the file is written anew, in octets; or as much as the table took, if that is more.
const APPENDED_MIN: usize = 4 << 20;
/// Octets of lines that go into one write.
const WRITE_OCTETS: usize = 64 * 1024;
/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(10);
const MODE: u32 = 0o640;

/// Writes the whole table as lines.
pub(super) type Snapshot = Box<dyn Fn() -> Vec<u8> + Send>;

enum Order {
    Line(String),
    /// Everything to the disk, and say when it is done.
    Save(SyncSender<()>),
}

/// The open file.
pub(super) struct Journal {
    orders: Option<SyncSender<Order>>,
    lost: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Gives each line of the file to `take`, which says whether it is one. Then the file is ready for more; where it
    /// was damaged or torn, or most of it is out of date, it is written anew. A line has no line end in it.
    ///
    /// # Errors
    /// The file can be neither read nor made.
    pub(super) fn open(
        path: PathBuf,
        take: impl FnMut(&str) -> bool,
        snapshot: Snapshot,
    ) -> io::Result<Self> {
        let found = read(&path, take)?;
        if let Some(line) = found.damaged {
            set_aside(&path, line)?;
        }
        let lost = Arc::new(AtomicBool::new(found.damaged.is_some() || found.torn));
        let (orders, rest) = sync_channel(QUEUE_MAX);
        let mut writer = Writer {
            path,
            file: None,
            snapshot,
            lost: Arc::clone(&lost),
            written: found.octets,
            limit: APPENDED_MIN,
            rest_until: None,
        };
        // Now, for here an error can still be told to somebody.
        writer.open()?;
        let thread =
            std::thread::Builder::new().name("limits-files".into()).spawn(move || writer.run(&rest))?;
        Ok(Self { orders: Some(orders), lost, thread: Some(thread) })
    }

    /// Appends a line; never waits.
    pub(super) fn line(&self, line: String) {
        let sent = self.orders.as_ref().is_some_and(|orders| orders.try_send(Order::Line(line)).is_ok());
        if !sent {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Waits until everything so far is on the disk. Blocks.
    pub(super) fn save(&self) {
        let (tell, told) = sync_channel(1);
        if self.orders.as_ref().is_some_and(|orders| orders.send(Order::Save(tell)).is_ok()) {
            // An error is that the thread is gone, which it has told.
            let _ = told.recv();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The thread ends with what is in the queue.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    path: PathBuf,
    file: Option<File>,
    snapshot: Snapshot,
    lost: Arc<AtomicBool>,
    /// Octets appended since the file was last written whole.
    written: usize,
    /// How many there may be.
    limit: usize,
    /// The disk failed; until then it is left alone.
    rest_until: Option<Instant>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        if self.lost.load(Ordering::Acquire) {
            self.write(&[]);
        }
        loop {
            // Only a file that must be written anew has something to do without an order.
            let first = match orders.recv_timeout(RETRY) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.rest_until = None;
                    self.write(&[]);
                    return;
                }
            };
            let mut lines = Vec::new();
            let mut told = None;
            let mut next = first;
            while let Some(order) = next {
                match order {
                    Order::Line(line) => {
                        lines.extend_from_slice(line.as_bytes());
                        lines.push(b'\n');
                    }
                    Order::Save(tell) => told = Some(tell),
                }
                let more = told.is_none() && lines.len() < WRITE_OCTETS;
                next = if more { orders.try_recv().ok() } else { None };
            }
            if told.is_some() {
                self.rest_until = None;
            }
            self.write(&lines);
            if let Some(tell) = told {
                self.sync();
                let _ = tell.send(());
            }
        }
    }

    /// Appends, or writes the file anew, which has the lines too: the table was changed before they were sent.
    fn write(&mut self, lines: &[u8]) {
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            self.lost.store(true, Ordering::Release);
            return;
        }
        let anew = self.lost.swap(false, Ordering::AcqRel) || self.written > self.limit;
        let done = if anew { self.replace() } else { self.append(lines) };
        match done {
            Ok(()) => self.rest_until = None,
            Err(error) => {
                self.lost.store(true, Ordering::Release);
                if self.rest_until.replace(Instant::now() + RETRY).is_none() {
                    let file = self.path.display();
                    tracing::warn!(%file, %error, "cannot be written; it is tried again, and memory goes on");
                }
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(lines)?;
        self.written += lines.len();
        Ok(())
    }

    fn replace(&mut self) -> io::Result<()> {
        let all = (self.snapshot)();
        atomic::write(&self.path, &all, MODE).map_err(io::Error::other)?;
        self.written = 0;
        self.limit = all.len().max(APPENDED_MIN);
        self.open()
    }

    fn open(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&self.path);
        self.file = Some(file.map_err(|e| named(&self.path, "open", &e))?);
        Ok(())
    }

    fn sync(&self) {
        if let Some(Err(error)) = self.file.as_ref().map(File::sync_all) {
            tracing::warn!(file = %self.path.display(), %error, "cannot be synced to the disk");
        }
    }
}

struct Found {
    octets: usize,
    torn: bool,
    /// The first line that is none.
    damaged: Option<usize>,
}

fn read(path: &Path, mut take: impl FnMut(&str) -> bool) -> io::Result<Found> {
    let mut found = Found { octets: 0, torn: false, damaged: None };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(named(path, "read", &error)),
    };
    let mut file = BufReader::new(file.take(FILE_OCTETS_MAX));
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let got = (&mut file).take(LINE_OCTETS_MAX).read_until(b'\n', &mut line);
        let got = got.map_err(|e| named(path, "read", &e))?;
        found.octets += got;
        if got == 0 {
            break;
        }
        let whole = line.pop_if(|last| *last == b'\n').is_some();
        if !whole && (got as u64) < LINE_OCTETS_MAX {
            found.torn = true;
        } else if !whole || !std::str::from_utf8(&line).is_ok_and(&mut take) {
            found.damaged.get_or_insert(number);
        }
    }
    Ok(found)
}

fn set_aside(path: &Path, line: usize) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    std::fs::rename(path, &aside).map_err(|e| named(path, "rename", &e))?;
    let (file, aside) = (path.display(), Path::new(&aside).display());
    tracing::warn!(%file, line, %aside, "is damaged and was set aside; what could be read of it counts");
    Ok(())
}

fn named(path: &Path, step: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {step} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Mutex;

    type Lines = Arc<Mutex<Vec<String>>>;

    /// A table that is its lines; `no` is none.
    fn open(path: &Path) -> (Journal, Lines) {
        let lines = Lines::default();
        let table = Arc::clone(&lines);
        let snapshot = Box::new(move || (table.lock().unwrap().join("\n") + "\n").into_bytes());
        let taken = Arc::clone(&lines);
        let take = move |line: &str| {
            let good = !line.starts_with("no");
            taken.lock().unwrap().extend(good.then(|| line.to_owned()));
            good
        };
        (Journal::open(path.to_owned(), take, snapshot).unwrap(), lines)
    }

    #[test]
    fn lines_are_there_after_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (journal, _) = open(&path);
        journal.line("one".into());
        journal.line("two".into());
        journal.save();
        // As after kill -9: nothing of it runs on.
        std::mem::forget(journal);
        assert_eq!(*open(&path).1.lock().unwrap(), ["one", "two"]);
    }

    #[test]
    fn dropping_it_writes_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (journal, _) = open(&path);
        (0..10_000).for_each(|n| journal.line(n.to_string()));
        drop(journal);
        assert_eq!(open(&path).1.lock().unwrap().len(), 10_000);
    }

    #[test]
    fn half_a_line_is_what_a_crash_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\ntw").unwrap();
        let (journal, lines) = open(&path);
        assert_eq!(*lines.lock().unwrap(), ["one"]);
        journal.save();
        journal.line("three".into());
        drop(journal);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nthree\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "that is no damage");
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_what_is_good_counts() {
        for damage in [&b"one\nno\n"[..], b"one\n\xff\xfe\n", &[&b"one\n"[..], &[b'x'; 9000]].concat()] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a");
            fs::write(&path, damage).unwrap();
            drop(open(&path));
            assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
            assert_eq!(fs::read(dir.path().join("a.damaged")).unwrap(), damage);
        }
    }

    #[test]
    fn a_file_that_grew_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (journal, lines) = open(&path);
        lines.lock().unwrap().push("all".into());
        let long = "x".repeat(4000);
        for _ in 0..1100 {
            journal.line(long.clone());
        }
        journal.save();
        journal.line("more".into());
        drop(journal);
        let length = fs::metadata(&path).unwrap().len();
        assert!(length < 1_000_000, "{length}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("all\n"));
    }

    #[test]
    fn a_disk_that_fails_costs_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (journal, lines) = open(&path);
        // The folder is gone, so that the file cannot be replaced; then it is there again.
        journal.lost.store(true, Ordering::Release);
        let away = dir.path().with_extension("away");
        fs::rename(dir.path(), &away).unwrap();
        lines.lock().unwrap().push("one".into());
        journal.line("one".into());
        journal.save();
        fs::rename(&away, dir.path()).unwrap();
        journal.save();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = || -> Snapshot { Box::new(Vec::new) };
        let error = Journal::open(dir.path().to_owned(), |_| true, snapshot()).err().unwrap().to_string();
        assert!(error.contains(&*dir.path().to_string_lossy()), "{error}");
    }
}
