//! Stops statements of a database at their deadline, in a thread of its own.
//!
//! Owner of: the list of running statements. Failure: without the thread nothing starts.

use rusqlite::InterruptHandle;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A lock that a panic elsewhere does not take away: what it guards is whole between statements.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread.
pub struct Watch {
    shared: Arc<(Mutex<Watched>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Watched {
    last: u64,
    running: Vec<(u64, Instant, InterruptHandle)>,
    closed: bool,
}

impl Watch {
    /// Starts it.
    pub fn start() -> io::Result<Self> {
        let shared: Arc<(Mutex<Watched>, Condvar)> = Arc::default();
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("index-watch".into()).spawn(move || watch(&own));
        Ok(Self { shared, thread: Some(thread?) })
    }

    /// A connection that begins, and until when.
    pub fn add(&self, deadline: Instant, handle: InterruptHandle) -> u64 {
        let (watched, changed) = &*self.shared;
        let mut watched = locked(watched);
        watched.last += 1;
        let ticket = watched.last;
        watched.running.push((ticket, deadline, handle));
        changed.notify_one();
        ticket
    }

    /// After this the connection is not stopped any more.
    pub fn remove(&self, ticket: u64) {
        locked(&self.shared.0).running.retain(|(other, _, _)| *other != ticket);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        locked(&self.shared.0).closed = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has no more to say.
            let _ = thread.join();
        }
    }
}

fn watch(shared: &(Mutex<Watched>, Condvar)) {
    let mut watched = locked(&shared.0);
    while !watched.closed {
        let now = Instant::now();
        for (_, _, handle) in watched.running.iter().filter(|(_, deadline, _)| *deadline <= now) {
            handle.interrupt();
        }
        // One that did not hear it (between two statements) is told again.
        let again = Duration::from_millis(50);
        let next =
            watched.running.iter().map(|(_, deadline, _)| deadline.saturating_duration_since(now).max(again));
        watched = match next.min() {
            Some(wait) => shared.1.wait_timeout(watched, wait).unwrap_or_else(PoisonError::into_inner).0,
            None => shared.1.wait(watched).unwrap_or_else(PoisonError::into_inner),
        };
    }
}
