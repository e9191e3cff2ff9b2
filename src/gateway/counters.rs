//! Counts since the start. State: these numbers; nothing fails.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since start.
#[derive(Debug, Default)]
pub struct Counters {
    delivered: AtomicU64,
    kept: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
    turned_away: AtomicU64,
}

/// What they say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) kept: u64,
    pub(super) refused: u64,
    pub(super) connections: u64,
    pub(super) turned_away: u64,
}

impl Counters {
    pub(super) fn delivered(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    pub(super) fn kept(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Relaxed);
    }

    /// Messages, however they ended.
    pub(super) fn messages(&self) -> u64 {
        let Counts { delivered, kept, refused, .. } = self.now();
        delivered + kept + refused
    }

    /// All of them.
    pub(super) fn now(&self) -> Counts {
        Counts {
            delivered: self.delivered.load(Relaxed),
            kept: self.kept.load(Relaxed),
            refused: self.refused.load(Relaxed),
            connections: self.connections.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
        }
    }
}
