//! The records as a service: one thread that writes both rings and counts, and the handle that everybody has.

use super::brief::Briefs;
use super::inbox::{Inbox, Waiting};
use super::loops::LoopReport;
use super::record::Record;
use super::ring::{Bounds, Ring};
use super::segment::{self, RECORDS, TRANSCRIPTS};
use super::tally::{self, Memory};
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
    memory: Mutex<Memory>,
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
            memory: Mutex::default(),
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

    /// Hands over whole lines of the audit log, and a brief of each. Costs a lock and a copy; nothing waits for a disk.
    pub fn append(&self, lines: &[u8], briefs: &Briefs) {
        self.inbox.lines(lines, briefs);
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
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).loops.report(unix_ms())
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

    /// Counts what lines of an earlier process say; how many were none.
    fn count_again(&self, lines: &[u8], newer_than: i64) -> u64 {
        let (mut briefs, mut damaged) = (Briefs::default(), 0);
        for line in lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            match Record::parse(line) {
                Some(record) => briefs.add_record(&record),
                None => damaged += 1,
            }
        }
        self.count(&briefs, newer_than, false);
        damaged
    }

    /// `live`: they belong to this process.
    fn count(&self, briefs: &Briefs, newer_than: i64, live: bool) {
        let mut scratch = String::new();
        for brief in briefs.iter().filter(|b| live || b.head.unix_ms >= newer_than) {
            // Anew for each: whoever asks for loops does not wait for a whole batch.
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            tally::count(&self.top, &mut memory, brief, live, &mut scratch);
        }
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
            self.records.count(&batch.briefs, 0, true);
            batch.briefs.clear();
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
                let damaged = self.records.count_again(&buffer, since);
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

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use std::ops::ControlFlow;

    const LINE: &str = r#"{"time":"2026-11-21T20:00:01.000Z","kind":"message","session":"7F3K9QAB","message":"7F3K0000","generation":3,"listener":"in","direction":"inbound","client":"192.0.2.7","port":4711,"name":"mx.example.com","helo":"mx.example.com","tls":"TLSv1.3 TLS13_AES_256_GCM_SHA384","user":null,"authenticated":false,"from":"<a@example.com>","to":[{"rcpt":"<b@example.net>","reply":"250 2.1.5 Recipient ok"}],"size":4321,"verdict":"continue","findings":[],"downstream":"mx 127.0.0.1:2525","downstream_tls":null,"downstream_reply":"250 2.0.0 Ok: queued as 4ABCDEF","reply":"250 2.0.0 Ok: queued as 4ABCDEF","header":{"message_id":"<20261121200001.12345@example.com>","subject":"Re: your message","from":"Alice <a@example.com>"},"ms":{"envelope":1.234,"data":0.567,"scan":0.012,"deliver":2.345},"note":null}"#;

    fn now_line(n: u64) -> String {
        let time = crate::mail::rfc3339(unix_ms());
        let line = LINE.replace("2026-11-21T20:00:01.000Z", &time).replace("7F3K0000", &format!("{n:08}"));
        line.replace("a@example.com", &format!("a{}@example.com", n % 977)) + "\n"
    }

    fn briefs_of(lines: &str) -> Briefs {
        let mut briefs = Briefs::default();
        lines.lines().for_each(|line| briefs.add_record(&Record::parse(line.as_bytes()).unwrap()));
        briefs
    }

    fn append(records: &Records, lines: &str) {
        records.append(lines.as_bytes(), &briefs_of(lines));
    }

    fn kept(dir: &Path) -> Vec<String> {
        let mut out = Vec::new();
        let visit = |record: &Record<'_>, _: &[u8]| {
            out.push(record.message.to_string());
            ControlFlow::Continue(())
        };
        read::records(dir, |_| true, visit).unwrap();
        out
    }

    #[test]
    fn a_restart_goes_on_where_it_was_and_recalls_the_day() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { entries: 160, transcripts: 16 };
        let (records, mut writer) = Records::open(dir.path(), &limits).unwrap();
        for n in 0..100 {
            append(&records, &now_line(n));
        }
        writer.close();
        assert_eq!(records.report().entries, 100);
        // A kill in the middle of a line.
        let path = segment::path(&dir.path().join(RECORDS), 10);
        std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .map(|mut f| io::Write::write_all(&mut f, b"{\"ki"))
            .unwrap()
            .unwrap();
        let (records, mut writer) = Records::open(dir.path(), &limits).unwrap();
        append(&records, &now_line(100));
        writer.close();
        let report = records.report();
        assert_eq!((report.entries, report.lost, report.damaged), (101, 0, 1));
        assert_eq!(kept(dir.path())[..2], ["00000100", "00000099"]);
        let day = records.busiest(By::Ip, Window::Day, 9, Sort::Messages).rows.remove(0);
        assert_eq!((day.counts.messages, day.windows.last().unwrap().messages), (101, 1));
    }

    #[test]
    fn a_kill_without_a_close_loses_only_what_was_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let (records, writer) = Records::open(dir.path(), &Limits::default()).unwrap();
        for n in 0..50 {
            append(&records, &now_line(n));
        }
        let began = Instant::now();
        while kept(dir.path()).len() < 50 && began.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        std::mem::forget(writer);
        assert_eq!(kept(dir.path()).len(), 50);
    }

    #[test]
    fn more_than_the_thread_can_take_is_dropped_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let (records, mut writer) =
            Records::open(dir.path(), &Limits { entries: 1 << 20, transcripts: 1 }).unwrap();
        let batch: String = (0..10_000).map(now_line).collect();
        append(&records, &batch);
        append(&records, &batch.repeat(3));
        writer.close();
        let report = records.report();
        assert_eq!((report.entries, report.lost), (10_000, 30_000), "{report:?}");
        // What was dropped is not counted either: the counters say what the records say.
        let row = records.busiest(By::Ip, Window::All, 1, Sort::Messages).rows.remove(0);
        assert_eq!(row.counts.messages, 10_000);
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --lib -- --ignored --nocapture measure"]
    fn measure_200_000_records() {
        let dir = tempfile::tempdir().unwrap();
        let (records, mut writer) = Records::open(dir.path(), &Limits::default()).unwrap();
        let batches: Vec<String> =
            (0..2000).map(|b| (0..100).map(|n| now_line(b * 100 + n)).collect()).collect();
        let mut handed = Duration::ZERO;
        let began = Instant::now();
        for batch in &batches {
            let one = Instant::now();
            records.append(batch.as_bytes(), &briefs_of(batch));
            handed += one.elapsed();
            std::thread::sleep(Duration::from_micros(500));
        }
        writer.close();
        println!(
            "200,000 records handed over: {:?} each; written and counted within {:?}; {:?}",
            handed / 200_000,
            began.elapsed(),
            records.report()
        );
        let one = Instant::now();
        records.count_again(batches.concat().as_bytes(), 0);
        println!("parsed and counted in all dimensions: {:?} each", one.elapsed() / 200_000);
        let one = Instant::now();
        let finder = memchr::memmem::Finder::new("\":\"7F3KZZ");
        let seen = read::records(dir.path(), |l| finder.find(l).is_some(), |_, _| ControlFlow::Continue(()))
            .unwrap();
        println!("searched {} records for a reference: {:?}", seen.lines, one.elapsed());
        let one = Instant::now();
        let parsed = kept(dir.path()).len();
        println!("parsed {parsed} records: {:?}", one.elapsed());
        let one = Instant::now();
        let (again, mut writer) = Records::open(dir.path(), &Limits::default()).unwrap();
        writer.close();
        println!("opened again, the day recalled: {:?}; {:?}", one.elapsed(), again.report());
    }
}
