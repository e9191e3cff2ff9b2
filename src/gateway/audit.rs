//! The audit log: one JSON line per connection and per message, and nothing else of them anywhere.
//!
//! Lines are gathered in memory and written by one thread every few milliseconds, so that a session never
//! waits for a disk. What a full disk does not take is kept and written when there is room. All that waits is bounded;
//! lines over the bound are dropped and counted, and `status` says so. A kill loses at most the last few milliseconds of
//! lines and what a full disk did not take, never a message. The same lines go to the
//! records, which explain and count: each is written once, into one buffer, with a brief of it to count by.

use super::lines::Line;
use crate::config::model::AuditTarget;
use crate::records::{Briefs, Records, RecordsWriter};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most octets that wait for a slow disk.
const WAITING_OCTETS_MAX: usize = 16 << 20;
/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(10);
/// Between two tries where the disk takes nothing.
const RETRY: Duration = Duration::from_secs(1);

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    dropped: AtomicU64,
    failed_writes: AtomicU64,
}

struct State {
    waiting: Vec<u8>,
    /// Of these lines, for the records.
    briefs: Briefs,
    target: AuditTarget,
    reopen: bool,
    stop: bool,
}

/// The thread that writes; ends the log, and then the records, when it is closed.
pub struct AuditWriter {
    audit: Audit,
    thread: Option<JoinHandle<()>>,
    records: Option<RecordsWriter>,
}

impl Audit {
    /// Opens the log and starts its thread, which hands every line to the records too.
    ///
    /// # Errors
    /// The file cannot be opened; the message names it.
    pub fn open(target: AuditTarget, records: Option<RecordsWriter>) -> io::Result<(Self, AuditWriter)> {
        let sink = Sink::open(&target)?;
        let state =
            State { waiting: Vec::new(), briefs: Briefs::default(), target, reopen: false, stop: false };
        let shared = Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            dropped: AtomicU64::new(0),
            failed_writes: AtomicU64::new(0),
        };
        let audit = Self { shared: Arc::new(shared) };
        let writer = audit.clone();
        let keeper = records.as_ref().map(|r| Arc::clone(r.records()));
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.write_loop(sink, keeper.as_deref()))?;
        Ok((audit.clone(), AuditWriter { audit, thread: Some(thread), records }))
    }

    /// Adds a line.
    pub fn line(&self, line: &impl Line) {
        let mut state = self.state();
        let State { waiting, briefs, .. } = &mut *state;
        if waiting.len() > WAITING_OCTETS_MAX {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = waiting.is_empty();
        line.write(waiting, briefs);
        waiting.push(b'\n');
        drop(state);
        if was_empty {
            self.shared.wake.notify_one();
        }
    }

    /// Opens the file anew (SIGHUP after a rotation), perhaps another one.
    pub fn reopen(&self, target: AuditTarget) {
        let mut state = self.state();
        state.target = target;
        state.reopen = true;
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Lines that are lost, and how often writing began to fail: what a file did not take then is written later.
    #[must_use]
    pub fn losses(&self) -> (u64, u64) {
        (self.shared.dropped.load(Ordering::Relaxed), self.shared.failed_writes.load(Ordering::Relaxed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_loop(&self, mut sink: Sink, records: Option<&Records>) {
        let (mut batch, mut briefs, mut left) = (Vec::new(), Briefs::default(), Left::default());
        loop {
            let (stop, reopen) = {
                let idle = |s: &mut State| s.waiting.is_empty() && !s.stop && !s.reopen;
                let limit = if left.octets.is_empty() { Duration::MAX } else { RETRY };
                let waited = self.shared.wake.wait_timeout_while(self.state(), limit, idle);
                let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut batch, &mut state.waiting);
                std::mem::swap(&mut briefs, &mut state.briefs);
                let reopen = std::mem::take(&mut state.reopen).then(|| state.target.clone());
                (state.stop, reopen)
            };
            // First, for they must not miss what a log that hangs does not take.
            if let Some(records) = records.filter(|_| !batch.is_empty()) {
                records.append(&batch, &briefs);
            }
            briefs.clear();
            self.keep(&mut left, &mut batch);
            self.write(&mut sink, &mut left);
            if let Some(target) = reopen {
                match Sink::open(&target) {
                    Ok(opened) => {
                        sink = opened;
                        self.shared.dropped.fetch_add(left.drop_torn(), Ordering::Relaxed);
                    }
                    Err(error) => {
                        tracing::error!(%error, "audit log cannot be reopened, the old one goes on")
                    }
                }
            }
            if stop {
                // The last word of a log that cannot be written.
                let lost = lines(&left.octets);
                if lost > 0 {
                    tracing::error!(lost, "audit log cannot be written: lines are lost");
                }
                return;
            }
            std::thread::sleep(GATHER);
        }
    }

    /// Behind what is left of before, as far as that may grow.
    fn keep(&self, left: &mut Left, batch: &mut Vec<u8>) {
        if left.octets.is_empty() {
            std::mem::swap(&mut left.octets, batch);
        } else if left.octets.len() > WAITING_OCTETS_MAX {
            self.shared.dropped.fetch_add(lines(batch), Ordering::Relaxed);
        } else {
            left.octets.extend_from_slice(batch);
        }
        batch.clear();
    }

    fn write(&self, sink: &mut Sink, left: &mut Left) {
        if left.octets.is_empty() {
            return;
        }
        match sink.write(left) {
            Ok(()) if left.ill => {
                left.ill = false;
                tracing::info!("audit log is written again");
            }
            Ok(()) => {}
            Err(error) if sink.is_file() => {
                if !std::mem::replace(&mut left.ill, true) {
                    self.shared.failed_writes.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "audit log cannot be written: its lines are kept for the time being");
                }
            }
            Err(error) => {
                self.shared.dropped.fetch_add(lines(&left.octets), Ordering::Relaxed);
                left.octets.clear();
                let failed = self.shared.failed_writes.fetch_add(1, Ordering::Relaxed);
                if failed.is_power_of_two() || failed == 0 {
                    tracing::error!(%error, "audit log cannot be written");
                }
            }
        }
    }
}

/// What is still to be written.
#[derive(Default)]
struct Left {
    octets: Vec<u8>,
    /// It begins in the middle of a line.
    torn: bool,
    /// The last try failed.
    ill: bool,
}

impl Left {
    /// Another file begins with a whole line. Returns how many lines that costs.
    fn drop_torn(&mut self) -> u64 {
        if !std::mem::take(&mut self.torn) {
            return 0;
        }
        let end = memchr::memchr(b'\n', &self.octets).map_or(self.octets.len(), |end| end + 1);
        self.octets.drain(..end);
        1
    }
}

fn lines(octets: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', octets).count() as u64
}

impl AuditWriter {
    /// Writes what waits and ends the threads.
    pub fn close(&mut self) {
        self.audit.state().stop = true;
        self.audit.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(records) = &mut self.records {
            records.close();
        }
    }
}

impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.close();
    }
}

enum Sink {
    Stdout,
    File(File),
}

impl Sink {
    fn open(target: &AuditTarget) -> io::Result<Self> {
        match target {
            AuditTarget::Stdout => Ok(Self::Stdout),
            AuditTarget::File(path) => open_file(path).map(Self::File),
        }
    }

    /// What cannot be written to a file stays in `left`.
    fn write(&mut self, left: &mut Left) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&left.octets)?;
                out.flush()?;
                left.octets.clear();
                Ok(())
            }
            Self::File(file) => write_to(file, left),
        }
    }

    fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

fn write_to(file: &mut impl Write, left: &mut Left) -> io::Result<()> {
    let mut written = 0;
    let done = loop {
        let rest = left.octets.get(written..).unwrap_or_default();
        if rest.is_empty() {
            break Ok(());
        }
        match file.write(rest) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Some(last) = written.checked_sub(1).and_then(|at| left.octets.get(at)) {
        left.torn = *last != b'\n';
    }
    left.octets.drain(..written);
    done
}

fn open_file(path: &Path) -> io::Result<File> {
    let named =
        |e: io::Error| io::Error::new(e.kind(), format!("audit log {}: {e}", PathBuf::from(path).display()));
    // Envelopes are nobody's business but the admin's and the group's.
    let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(path).map_err(named)?;
    if ends_torn(path) {
        file.write_all(b"\n").map_err(named)?;
    }
    Ok(file)
}

/// Whether the last line has no end: a kill in the middle of a write. The next line must not become part of it.
fn ends_torn(path: &Path) -> bool {
    // Only a file has an end to look at; one that may not be read is left as it is.
    if !std::fs::metadata(path).is_ok_and(|about| about.is_file()) {
        return false;
    }
    let Ok(mut file) = File::open(path) else { return false };
    let mut last = [b'\n'];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).is_ok() && last != [b'\n']
}

#[cfg(test)]
mod tests {
    use super::super::json::Object;
    use super::super::lines::tests::Told;
    use super::*;

    struct Number(u64);
    impl Line for Number {
        fn write(&self, out: &mut Vec<u8>, _: &mut Briefs) {
            let mut line = Object::begin(out);
            line.number("n", self.0);
            line.end();
        }
    }

    #[test]
    fn lines_are_whole_and_survive_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let (audit, mut writer) = Audit::open(AuditTarget::File(path.clone()), None).unwrap();
        audit.line(&Number(1));
        audit.line(&Number(2));
        let rotated = dir.path().join("audit.1");
        while std::fs::read_to_string(&path).unwrap().lines().count() < 2 {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &rotated).unwrap();
        audit.reopen(AuditTarget::File(path.clone()));
        while !path.exists() {
            std::thread::yield_now();
        }
        audit.line(&Number(3));
        writer.close();
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":3}\n");
        assert_eq!(audit.losses(), (0, 0));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_written_later() {
        // Takes nothing.
        let full = PathBuf::from("/dev/full");
        let (audit, mut writer) = Audit::open(AuditTarget::File(full), None).unwrap();
        audit.line(&Number(1));
        std::thread::sleep(GATHER * 5);
        audit.line(&Number(2));
        std::thread::sleep(GATHER * 5);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        audit.reopen(AuditTarget::File(path.clone()));
        while !path.exists() {
            std::thread::yield_now();
        }
        audit.line(&Number(3));
        writer.close();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        assert_eq!(audit.losses(), (0, 1));
    }

    #[test]
    fn a_line_that_was_cut_goes_on_where_it_was_cut_or_is_left_out_of_another_file() {
        struct Small(Vec<u8>, usize);
        impl Write for Small {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                let n = octets.len().min(self.1 - self.0.len());
                self.0.extend_from_slice(&octets[..n]);
                if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let begun = || {
            let mut left = Left { octets: b"{1}\n{22}\n{3}\n".to_vec(), ..Left::default() };
            let mut disk = Small(Vec::new(), 6);
            assert!(write_to(&mut disk, &mut left).is_err() && left.torn);
            (left, disk)
        };
        let (mut left, mut disk) = begun();
        disk.1 = 100;
        write_to(&mut disk, &mut left).unwrap();
        assert!(disk.0 == b"{1}\n{22}\n{3}\n" && !left.torn && left.drop_torn() == 0);
        let (mut left, _) = begun();
        assert_eq!((left.drop_torn(), left.drop_torn()), (1, 0));
        assert_eq!(left.octets, b"{3}\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let target = AuditTarget::File("/nonexistent/audit.jsonl".into());
        let Err(error) = Audit::open(target, None) else { panic!() };
        assert!(error.to_string().contains("/nonexistent/audit.jsonl"), "{error}");
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_begins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for (before, after) in [("", ""), ("{}\n", "{}\n"), ("{}\n{\"a", "{}\n{\"a\n")] {
            std::fs::write(&path, before).unwrap();
            drop(open_file(&path).unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn records_are_the_same_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (records, keeper) = Records::open(dir.path(), &Default::default()).unwrap();
        let path = dir.path().join("audit.jsonl");
        let (audit, mut writer) = Audit::open(AuditTarget::File(path.clone()), Some(keeper)).unwrap();
        let told = Told::default();
        for message_id in ["7F3K0001", "7F3K0002"] {
            audit.line(&told.line(message_id.parse().unwrap()));
        }
        writer.close();
        let segment = std::fs::read(dir.path().join("records/00000001.jsonl")).unwrap();
        assert_eq!(segment, std::fs::read(&path).unwrap());
        assert_eq!(records.report().entries, 2);
        let mut seen = Vec::new();
        let visit = |record: &crate::records::Record<'_>, _: &[u8]| {
            seen.push(record.id().unwrap().to_string());
            std::ops::ControlFlow::Continue(())
        };
        crate::records::records(dir.path(), |_| true, visit).unwrap();
        assert_eq!(seen, ["7F3K0002", "7F3K0001"]);
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --lib -- --ignored --nocapture measure"]
    fn measure_line() {
        for with in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let keeper = with.then(|| Records::open(dir.path(), &Default::default()).unwrap().1);
            let target = AuditTarget::File(dir.path().join("audit.jsonl"));
            let (audit, mut writer) = Audit::open(target, keeper).unwrap();
            let told = Told::default();
            let line = told.line("7F3K0001".parse().unwrap());
            let mut spent = Duration::ZERO;
            for _ in 0..200 {
                let began = std::time::Instant::now();
                for _ in 0..100 {
                    audit.line(&line);
                }
                spent += began.elapsed();
                std::thread::sleep(Duration::from_millis(1));
            }
            writer.close();
            println!(
                "a line, {} records: {:?}, {:?} lost",
                if with { "with" } else { "without" },
                spent / 20_000,
                audit.losses()
            );
        }
    }
}
