//! Work that takes time: what runs, how far it is, and how it is ended.
//!
//! Owner of: the list of running work, in memory. A job leaves it when it ends in whatever way; what it had done by
//! then stays.

use super::request::{Answer, Job};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

/// Jobs at once; beyond it a request is refused.
const JOBS_MAX: usize = 32;
/// Between two progress answers: five a second.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// All that run.
#[derive(Default)]
pub(super) struct Jobs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    running: BTreeMap<u64, Arc<Running>>,
}

/// One that runs.
pub(super) struct Running {
    number: u64,
    verb: &'static str,
    by: String,
    since_ms: i64,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

/// A place in the list, given back when dropped.
pub(super) struct Ticket {
    jobs: Arc<Jobs>,
    running: Arc<Running>,
    told: Mutex<Instant>,
}

impl Jobs {
    /// Enters a job; `None` where too many run.
    pub(super) fn begin(
        self: &Arc<Self>,
        verb: &'static str,
        by: &str,
        now_ms: i64,
        total: u64,
    ) -> Option<Ticket> {
        let mut inner = self.inner();
        if inner.running.len() >= JOBS_MAX {
            return None;
        }
        inner.last += 1;
        let running = Arc::new(Running {
            number: inner.last,
            verb,
            by: by.to_owned(),
            since_ms: now_ms,
            done: AtomicU64::new(0),
            total: AtomicU64::new(total),
            cancelled: AtomicBool::new(false),
        });
        inner.running.insert(running.number, Arc::clone(&running));
        Some(Ticket { jobs: Arc::clone(self), running, told: Mutex::new(Instant::now()) })
    }

    /// All of them, the oldest first.
    pub(super) fn list(&self) -> Vec<Job> {
        self.inner().running.values().map(|running| running.job()).collect()
    }

    /// Asks one to end; it does after the step that it is in.
    pub(super) fn cancel(&self, number: u64) -> Option<Job> {
        let running = self.inner().running.get(&number).cloned()?;
        running.cancelled.store(true, Ordering::SeqCst);
        Some(running.job())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    pub(super) fn job(&self) -> Job {
        Job {
            job: self.number,
            verb: self.verb.to_owned(),
            by: self.by.clone(),
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            since_ms: self.since_ms,
        }
    }

    /// Counts messages that were looked at. There may be more than were there in the beginning.
    pub(super) fn add(&self, done: u64) {
        let done = self.done.fetch_add(done, Ordering::Relaxed) + done;
        self.total.fetch_max(done, Ordering::Relaxed);
    }

    /// So many are done.
    pub(super) fn at(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.fetch_max(done, Ordering::Relaxed);
    }
}

impl Ticket {
    /// Tells how far it is, not too often; who does not listen misses it.
    pub(super) fn tell(&self, answers: &Sender<Answer>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            let _ = answers.try_send(Answer::Progress(self.running.job()));
        }
    }

    pub(super) fn running(&self) -> &Arc<Running> {
        &self.running
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.running.cancelled.load(Ordering::SeqCst)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.jobs.inner().running.remove(&self.running.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_listed_cancelled_and_bounded() {
        let jobs = Arc::new(Jobs::default());
        let ticket = jobs.begin("delete", "alice", 5, 10).unwrap();
        ticket.running().add(3);
        let listed = jobs.list();
        assert_eq!((listed.len(), listed[0].done, listed[0].total, &*listed[0].by), (1, 3, 10, "alice"));
        assert!(jobs.cancel(listed[0].job + 1).is_none() && !ticket.is_cancelled());
        assert!(jobs.cancel(listed[0].job).is_some() && ticket.is_cancelled());
        let more: Vec<_> = (1..JOBS_MAX).map(|_| jobs.begin("move", "bob", 6, 0).unwrap()).collect();
        assert!(jobs.begin("move", "bob", 6, 0).is_none());
        drop((ticket, more));
        assert!(jobs.list().is_empty());
    }
}
