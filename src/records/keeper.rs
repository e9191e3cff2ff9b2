//! The records as a service: one thread that writes both rings and counts, and the handle that everybody has.

use super::inbox::{Inbox, Waiting};
use super::loops::{LoopReport, Loops};
use super::record::Record;
use super::ring::{Bounds, Ring};
use super::segment::{self, RECORDS, TRANSCRIPTS};
use super::tally;
use super::top::{By, SOURCES_MAX, Sort, Top, TopReport};
use super::transcripts::{self, Transcripts};
use super::window::Window;
use crate::config::model::Records as Limits;
use crate::store::FileError;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Octets of a record, on average at most: the ring of n records has n times as many.
const RECORD_OCTETS: u64 = 1024;
/// How often the counts of sessions without a transcript are saved.
const SAVE: Duration = Duration::from_secs(5);
/// Most octets that are recalled at the start, so that it is over in a second or two.
const RECALL_OCTETS_MAX: u64 = 256 << 20;
/// How far back they go, in milliseconds: the longest window of `top`.
const RECALL_MS: i64 = 24 * 3600 * 1000;

/// The records of sessions and messages.
pub struct Records {
    inbox: Arc<Inbox>,
    top: Top,
    loops: Mutex<Loops>,
    transcripts: Transcripts,
    lines: AtomicU64,
    octets: AtomicU64,
    lost: AtomicU64,
    damaged: AtomicU64,
}

/// How the records are, for `status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordsReport {
    /// Records that are kept.
    pub entries: u64,
    /// Their octets on disk.
    pub octets: u64,
    /// Records lost since the start, because the disk was full or too slow.
    pub lost: u64,
    /// Lines found damaged at the start.
    pub damaged: u64,
    /// Octets of memory of the counters, about.
    pub memory: u64,
}

/// The thread that keeps the records; ends it when it is closed.
pub struct RecordsWriter {
    records: Arc<Records>,
    thread: Option<JoinHandle<()>>,
}

impl Records {
    /// Opens the records in `state_dir` and starts their thread, which first recalls the last day for the
    /// counters. Only the process that holds the lock may do so.
    ///
    /// # Errors
    /// A folder can be neither made nor listed, or there is no thread to be had; the message says what to do.
    pub fn open(state_dir: &Path, limits: &Limits) -> Result<(Arc<Self>, RecordsWriter), FileError> {
        let bounds = |entries: usize, octets: u64| {
            let lines = (entries as u64).max(1);
            Bounds { lines, octets: lines.saturating_mul(octets) }
        };
        let folder = state_dir.join(TRANSCRIPTS);
        let scripts = Ring::open(&folder, bounds(limits.transcripts, transcripts::OCTETS_MAX as u64))?;
        let ring = Ring::open(&state_dir.join(RECORDS), bounds(limits.entries, RECORD_OCTETS))?;
        let inbox = Arc::<Inbox>::default();
        let missed = transcripts::load(&folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "the counts of sessions without a transcript cannot be read; they begin anew");
            Default::default()
        });
        let records = Arc::new(Self {
            top: Top::new(SOURCES_MAX),
            loops: Mutex::default(),
            transcripts: Transcripts::new(Arc::clone(&inbox), missed),
            inbox,
            lines: AtomicU64::new(ring.lines()),
            octets: AtomicU64::new(ring.octets()),
            lost: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        });
        let keeper = Keeper { records: Arc::clone(&records), ring, scripts, saved: Instant::now() };
        let thread = std::thread::Builder::new()
            .name("records".into())
            .spawn(move || keeper.run())
            .map_err(|e| FileError::new("start the thread that writes", state_dir, e))?;
        Ok((Arc::clone(&records), RecordsWriter { records, thread: Some(thread) }))
    }

    /// Hands over whole lines of the audit log. Costs a lock and a copy; nothing waits for a disk.
    pub fn append(&self, lines: &[u8]) {
        self.inbox.lines(lines);
    }

    /// The counters.
    #[must_use]
    pub fn top(&self) -> &Top {
        &self.top
    }

    /// The busiest sources now.
    #[must_use]
    pub fn busiest(&self, by: By, window: Window, most: usize, sort: Sort) -> TopReport {
        self.top.rows(by, window, most, sort, u32::try_from(unix_ms() / 1000).unwrap_or(u32::MAX))
    }

    /// Mail loops of the last day.
    #[must_use]
    pub fn loops(&self) -> LoopReport {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).report(unix_ms())
    }

    /// The transcripts of refused sessions.
    #[must_use]
    pub fn transcripts(&self) -> &Transcripts {
        &self.transcripts
    }

    /// How they are.
    #[must_use]
    pub fn report(&self) -> RecordsReport {
        RecordsReport {
            entries: self.lines.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed) + self.inbox.dropped(),
            damaged: self.damaged.load(Ordering::Relaxed),
            memory: self.top.memory() as u64,
        }
    }

    /// Counts whole lines; how many were none.
    fn count(&self, lines: &[u8], newer_than: i64, live: bool) -> u64 {
        let mut damaged = 0;
        for line in lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            match Record::parse(line) {
                Some(record) if live || record.unix_ms() >= newer_than => {
                    let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
                    tally::count(&self.top, &mut loops, &record, live);
                }
                Some(_) => {}
                None => damaged += 1,
            }
        }
        damaged
    }
}

impl RecordsWriter {
    /// The records.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Writes what waits and ends the thread.
    pub fn close(&mut self) {
        self.records.inbox.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for RecordsWriter {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread owns.
struct Keeper {
    records: Arc<Records>,
    ring: Ring,
    scripts: Ring,
    saved: Instant,
}

impl Keeper {
    fn run(mut self) {
        self.recall();
        let mut batch = Waiting::default();
        loop {
            self.records.inbox.take(&mut batch, SAVE);
            let (lost, why) = self.ring.append(&batch.lines);
            self.told(lost, why);
            self.records.lines.store(self.ring.lines(), Ordering::Relaxed);
            self.records.octets.store(self.ring.octets(), Ordering::Relaxed);
            self.records.count(&batch.lines, 0, true);
            let (lost, why) = self.scripts.append(&batch.transcripts);
            self.told(lost, why);
            // Few batches are that large; what they needed is given back.
            for buffer in [&mut batch.lines, &mut batch.transcripts] {
                buffer.clear();
                buffer.shrink_to(1 << 20);
            }
            if batch.stop || self.saved.elapsed() >= SAVE {
                self.save();
            }
            if batch.stop {
                return;
            }
        }
    }

    /// Counts what the records of an earlier process say of the last day, and finds out how many there are.
    fn recall(&mut self) {
        let mut room = RECALL_OCTETS_MAX;
        let newest = self.ring.segments().into_iter().rev().take_while(|(_, octets)| {
            let fits = *octets <= room;
            room = room.saturating_sub(*octets);
            fits
        });
        let mut numbers: Vec<u64> = newest.map(|(number, _)| number).collect();
        numbers.reverse();
        let since = unix_ms() - RECALL_MS;
        let mut buffer = Vec::new();
        for number in numbers {
            if segment::read(self.ring.folder(), number, &mut buffer).is_ok() {
                self.ring.recount(number, &buffer);
                let damaged = self.records.count(&buffer, since, false);
                self.records.damaged.fetch_add(damaged, Ordering::Relaxed);
            }
        }
        self.records.lines.store(self.ring.lines(), Ordering::Relaxed);
        // The newest may be torn; of the others a guess is enough until they go.
        if let Some((number, _)) = self.scripts.segments().pop()
            && segment::read(self.scripts.folder(), number, &mut buffer).is_ok()
        {
            self.scripts.recount(number, &buffer);
        }
    }

    fn told(&self, lost: u64, why: Option<io::Error>) {
        let Some(error) = why else { return };
        let before = self.records.lost.fetch_add(lost, Ordering::Relaxed);
        // Once for each doubling: a full disk is not to fill the log too.
        if before == 0 || before.ilog2() != (before + lost).ilog2() {
            tracing::error!(%error, lost = before + lost, "records cannot be written; mail goes on, `explain` and `blocks preview` know less");
        }
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        let Some(missed) = self.records.transcripts.changes() else { return };
        if let Err(error) = transcripts::save(self.scripts.folder(), &missed) {
            tracing::debug!(%error, "the counts of sessions without a transcript cannot be saved");
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
