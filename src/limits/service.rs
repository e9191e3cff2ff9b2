//! All limits of the process in one place.
//!
//! Owner of: what is counted of clients, users and domains. Sessions hold permits, which give back what they took when
//! they are dropped. Failure: a journal that cannot be written is logged and limits go on in memory; every table is
//! bounded, and its own file says what gives when it is full.

use super::bans::Bans;
use super::connections::Connections;
use super::greylist::Greylisting;
use super::known::Known;
use super::rates::RateCounts;
use super::throttles::Throttles;
use std::io;
use std::path::Path;

/// What clients do and did; made once at start.
pub struct Limits {
    /// Connections at once.
    pub connections: Connections,
    /// Rates.
    pub rates: RateCounts,
    /// Bans and the points that lead to them.
    pub bans: Bans,
    /// Throttles.
    pub throttles: Throttles,
    /// Greylisting.
    pub greylist: Greylisting,
    /// Clients that delivered a message before.
    pub known: Known,
}

impl Limits {
    /// Reads what that state directory remembers. Blocks on the disk; the caller holds the lock of the directory.
    /// Damaged files are set aside with a warning.
    ///
    /// # Errors
    /// A file can be neither read nor made; the message names it.
    pub fn open(state_dir: &Path, now: i64) -> io::Result<Self> {
        Ok(Self {
            connections: Connections::default(),
            rates: RateCounts::default(),
            bans: Bans::open(state_dir, now)?,
            throttles: Throttles::default(),
            greylist: Greylisting::open(state_dir)?,
            known: Known::default(),
        })
    }

    /// Forgets what is over; to be called every few seconds. Milliseconds where there is very much: not on a network
    /// thread.
    pub fn sweep(&self, now: i64) {
        self.rates.sweep();
        self.bans.sweep(now);
        self.throttles.sweep(now);
        self.greylist.sweep(now);
        self.known.sweep(now);
    }

    /// Waits until everything that must survive is on the disk. Blocks.
    pub fn save(&self) {
        self.bans.save();
        self.greylist.save();
    }
}
