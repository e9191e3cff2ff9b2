//! The source of references: a counter that never repeats, through the keyed bijection of `mail::Id`.
//!
//! The file `ids` holds the first count that is *not* given out yet; counts are taken from it in blocks,
//! and the next block is written down before any of it is used, so kill -9 loses counts but repeats
//! none. The block is extended by a plain thread when half of it is used: taking a reference is one
//! atomic addition and never waits for the disk, unless the disk needs longer than half a block lasts.
//!
//! Where the file cannot be written (disk full), mail must go on: references are then drawn at random
//! from the upper half of their space, which the counter never reaches, and the file is tried again
//! every second.

use super::atomic;
use super::error::FileError;
use crate::mail::{Id, Scramble};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts of one block; the file is written once for so many references.
pub(super) const BLOCK: u64 = 65_536;
/// Below it the counter's references, from it on those drawn at random.
const RANDOM_HALF: u64 = Id::COUNT / 2;
const RETRY: Duration = Duration::from_secs(1);

/// Gives out references; clones share one counter.
#[derive(Clone)]
pub struct Ids(Arc<Counter>);

struct Counter {
    scramble: Scramble,
    path: PathBuf,
    next: AtomicU64,
    /// Counts below it are written down as used.
    limit: AtomicU64,
    /// Serialises the writers of the file; says when writing failed last.
    failed: Mutex<Option<Instant>>,
    random: SystemRandom,
}

impl Ids {
    /// The counter in `path`, which goes on at `first`. Writes down the first block.
    pub(super) fn start(path: PathBuf, first: u64, scramble: Scramble) -> Result<Self, FileError> {
        let first = first.next_multiple_of(BLOCK);
        let counter = Counter {
            scramble,
            path,
            next: AtomicU64::new(first),
            limit: AtomicU64::new(first),
            failed: Mutex::new(None),
            random: SystemRandom::new(),
        };
        counter.write(first + BLOCK)?;
        Ok(Self(Arc::new(counter)))
    }

    /// A reference that was never given out before, also not before a crash. (The space holds 2^39: it
    /// starts again after 17,000 a second for a year.)
    #[must_use]
    pub fn next(&self) -> Id {
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        if n % BLOCK == BLOCK / 2 {
            self.extend_aside(n);
        }
        if n < self.0.limit.load(Ordering::Acquire) || self.0.extend(n) {
            self.0.scramble.id(n % RANDOM_HALF)
        } else {
            self.0.random(n)
        }
    }

    /// Writes down the block after that of `n`, on a thread of its own. Where none can be started, the
    /// first count of the next block does it.
    fn extend_aside(&self, n: u64) {
        let counter = Arc::clone(&self.0);
        let started = std::thread::Builder::new().name("ids".to_owned()).spawn(move || {
            counter.extend(n + BLOCK);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to extend the counter of references; extending it in place");
        }
    }
}

impl Counter {
    /// Whether the count `n` is written down as used, after writing it down if need be.
    fn extend(&self, n: u64) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if n < self.limit.load(Ordering::Acquire) {
            return true;
        }
        if failed.is_some_and(|at| at.elapsed() < RETRY) {
            return false;
        }
        match self.write((n / BLOCK + 1) * BLOCK) {
            Ok(()) => {
                *failed = None;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the counter of references cannot be saved; references are drawn at random until it can");
                *failed = Some(Instant::now());
                false
            }
        }
    }

    fn write(&self, limit: u64) -> Result<(), FileError> {
        atomic::write(&self.path, format!("{limit}\n").as_bytes(), 0o640)?;
        self.limit.store(limit, Ordering::Release);
        Ok(())
    }

    fn random(&self, n: u64) -> Id {
        let mut bytes = [0; 8];
        let drawn = match self.random.fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            // Without random numbers either: the count is at least unique in this process.
            Err(_) => n,
        };
        self.scramble.id(RANDOM_HALF | (drawn % RANDOM_HALF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn start(dir: &tempfile::TempDir) -> Ids {
        let path = dir.path().join("ids");
        let first = std::fs::read_to_string(&path).map_or(0, |t| t.trim().parse().unwrap());
        Ids::start(path, first, Scramble::new(9)).unwrap()
    }

    #[test]
    fn references_do_not_repeat_over_threads_blocks_and_crashes() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = HashSet::new();
        for _ in 0..3 {
            // Never told to stop: that is a kill -9.
            let ids = start(&dir);
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let ids = ids.clone();
                    std::thread::spawn(move || (0..50_000).map(|_| ids.next()).collect::<Vec<_>>())
                })
                .collect();
            for thread in threads {
                for id in thread.join().unwrap() {
                    assert!(seen.insert(id));
                }
            }
        }
    }

    #[test]
    fn the_file_is_always_ahead_of_what_was_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let ids = start(&dir);
        for n in 0..BLOCK * 2 {
            let _ = ids.next();
            if n % 10_000 == 0 || n % BLOCK == 0 {
                let saved: u64 =
                    std::fs::read_to_string(dir.path().join("ids")).unwrap().trim().parse().unwrap();
                assert!(saved > n, "{saved} {n}");
            }
        }
    }

    #[test]
    fn a_counter_that_cannot_be_saved_still_gives_references_and_recovers() {
        let dir = tempfile::tempdir().unwrap();
        let ids = start(&dir);
        let moved = dir.path().with_extension("moved");
        std::fs::rename(dir.path(), &moved).unwrap();
        let seen: HashSet<Id> = (0..BLOCK + 1000).map(|_| ids.next()).collect();
        assert_eq!(seen.len() as u64, BLOCK + 1000);
        std::fs::rename(&moved, dir.path()).unwrap();
        std::thread::sleep(RETRY + Duration::from_millis(100));
        assert!(!seen.contains(&ids.next()));
        let saved: u64 = std::fs::read_to_string(dir.path().join("ids")).unwrap().trim().parse().unwrap();
        assert_eq!(saved, BLOCK * 2);
    }
}
