//! What waits for the thread that keeps the records: two bounded buffers. Over their bounds lines are dropped and
//! counted.

use super::brief::Briefs;
use memchr::memchr_iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most octets of records that wait for a slow disk.
const LINES_OCTETS_MAX: usize = 16 << 20;
/// Most octets of transcripts that wait.
const TRANSCRIPTS_OCTETS_MAX: usize = 4 << 20;

/// The buffers.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    dropped: AtomicU64,
}

/// What is handed over at once.
#[derive(Default)]
pub(super) struct Waiting {
    /// Records: whole lines.
    pub(super) lines: Vec<u8>,
    /// What is to be counted of them.
    pub(super) briefs: Briefs,
    /// Transcripts: whole lines.
    pub(super) transcripts: Vec<u8>,
    /// Nothing will follow.
    pub(super) stop: bool,
}

impl Inbox {
    /// Adds whole lines of records, and their briefs; of lines that are dropped nothing is counted.
    pub(super) fn lines(&self, lines: &[u8], briefs: &Briefs) {
        let mut waiting = self.lock();
        if waiting.lines.len() + lines.len() > LINES_OCTETS_MAX {
            drop(waiting);
            self.dropped.fetch_add(memchr_iter(b'\n', lines).count() as u64, Ordering::Relaxed);
            return;
        }
        waiting.lines.extend_from_slice(lines);
        waiting.briefs.append(briefs);
        drop(waiting);
        self.wake.notify_one();
    }

    /// Adds a transcript; whether there was room.
    pub(super) fn transcript(&self, line: &[u8]) -> bool {
        let mut waiting = self.lock();
        let room = waiting.transcripts.len() + line.len() <= TRANSCRIPTS_OCTETS_MAX;
        if room {
            waiting.transcripts.extend_from_slice(line);
        }
        drop(waiting);
        self.wake.notify_one();
        room
    }

    /// Lets the thread write what is there and end.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_one();
    }

    /// Lines of records that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for something, at most `limit`, and swaps it against the empty buffers of `batch`.
    pub(super) fn take(&self, batch: &mut Waiting, limit: Duration) {
        let idle = |w: &mut Waiting| w.lines.is_empty() && w.transcripts.is_empty() && !w.stop;
        let (mut waiting, _) =
            self.wake.wait_timeout_while(self.lock(), limit, idle).unwrap_or_else(PoisonError::into_inner);
        let stop = waiting.stop;
        std::mem::swap(&mut *waiting, batch);
        waiting.stop = stop;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
