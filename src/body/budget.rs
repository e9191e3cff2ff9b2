//! The budgets of all bodies together, one body's share of them, and the buffers that go round.
//!
//! Buffers of 64 KiB are kept for the next body, up to a quarter of the memory budget: the allocator gives
//! such memory back to the system at once, and getting it again costs more (a page fault for every 4 KiB)
//! than everything else that is done with the octets. What is kept counts as free.

use super::sealed::SEALED;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How far one body may go over the memory budget before it must be spilled, in octets. Without it a
/// full budget would stop a session in the middle of a read.
pub(super) const OVERRUN: u64 = 128 * 1024;

/// Bounds what all message bodies hold, in octets; also knows where the temporary files go.
#[derive(Debug)]
pub struct Budget {
    memory: Pool,
    disk: Pool,
    tmp: PathBuf,
    refused: AtomicU64,
    spare: Mutex<Vec<Vec<u8>>>,
    max_spare: usize,
}

/// What is in use, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Memory now.
    pub memory: u64,
    /// Most memory at once since the start.
    pub memory_peak: u64,
    /// Disk now.
    pub disk: u64,
    /// Most disk at once since the start.
    pub disk_peak: u64,
    /// How often a body was refused for lack of either.
    pub refused: u64,
}

#[derive(Debug)]
struct Pool {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
}

impl Pool {
    fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    fn take(&self, octets: u64) -> bool {
        let fits = |used: u64| used.checked_add(octets).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(before) => {
                self.peak.fetch_max(before + octets, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    fn force(&self, octets: u64) {
        let before = self.used.fetch_add(octets, Ordering::Relaxed);
        self.peak.fetch_max(before + octets, Ordering::Relaxed);
    }

    fn give(&self, octets: u64) {
        self.used.fetch_sub(octets, Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Budget {
    /// A budget of `memory` and `disk` octets; temporary files go to the folder `tmp`.
    #[must_use]
    pub fn new(memory: u64, disk: u64, tmp: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            memory: Pool::new(memory),
            disk: Pool::new(disk),
            tmp,
            refused: AtomicU64::new(0),
            spare: Mutex::new(Vec::new()),
            max_spare: usize::try_from(memory / 4 / SEALED as u64).unwrap_or(0),
        })
    }

    /// What is in use.
    #[must_use]
    pub fn used(&self) -> Used {
        Used {
            memory: self.memory.used(),
            memory_peak: self.memory.peak.load(Ordering::Relaxed),
            disk: self.disk.used(),
            disk_peak: self.disk.peak.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Whether at least half of the memory is in use: large bodies then go to disk.
    pub(super) fn memory_is_short(&self) -> bool {
        self.memory.used() >= self.memory.limit.div_ceil(2)
    }

    pub(super) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// An empty buffer with room for a sealed block. Counting it is the caller's.
    pub(super) fn buffer(&self) -> Vec<u8> {
        // Never waits: a busy or poisoned list is as good as an empty one.
        let spare = self.spare.try_lock().ok().and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(SEALED))
    }

    /// Keeps a buffer for the next user, if it is one of [`Self::buffer`]'s and there is room.
    pub(super) fn recycle(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == SEALED
            && let Ok(mut spare) = self.spare.try_lock()
            && spare.len() < self.max_spare
        {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// The pieces of a body in memory; recycled when dropped.
#[derive(Debug)]
pub(super) struct Chunks {
    budget: Arc<Budget>,
    pub(super) list: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, list: Vec::new() }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        for chunk in self.list.drain(..) {
            self.budget.recycle(chunk);
        }
    }
}

/// One holder's share; given back when dropped.
#[derive(Debug)]
pub(super) struct Hold {
    budget: Arc<Budget>,
    memory: u64,
    /// Of `memory`, what was taken beyond the limit.
    over: u64,
    disk: u64,
}

impl Hold {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, memory: 0, over: 0, disk: 0 }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes memory, if need be beyond the limit but by no more than [`OVERRUN`].
    pub(super) fn take_memory(&mut self, octets: u64) -> bool {
        if !self.budget.memory.take(octets) {
            if self.over + octets > OVERRUN {
                self.budget.refused.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            self.budget.memory.force(octets);
            self.over += octets;
        }
        self.memory += octets;
        true
    }

    /// Counts memory that is needed in any case.
    pub(super) fn count_memory(&mut self, octets: u64) {
        self.budget.memory.force(octets);
        self.memory += octets;
    }

    /// Gives back all memory but `octets`.
    pub(super) fn keep_memory(&mut self, octets: u64) {
        let surplus = self.memory.saturating_sub(octets);
        self.budget.memory.give(surplus);
        self.memory -= surplus;
        self.over = 0;
    }

    /// Whether memory was taken beyond the limit.
    pub(super) fn is_over(&self) -> bool {
        self.over > 0
    }

    pub(super) fn take_disk(&mut self, octets: u64) -> bool {
        let taken = self.budget.disk.take(octets);
        if taken {
            self.disk += octets;
        } else {
            self.budget.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.memory.give(self.memory);
        self.budget.disk.give(self.disk);
    }
}
