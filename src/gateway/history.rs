//! The rules as they were read last, and those of earlier generations.
//!
//! Owner of: the lock under which rules are read, kept and put back, one at a time. Failure: what cannot be kept
//! is told, and the rules come into force all the same.

use super::clock::unix_ms;
use super::snapshot::Snapshot;
use crate::store::generations::{Generations, Numbered};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a rollback may take until the rules directory is watched again.
const PAUSE: Duration = Duration::from_secs(60);

/// The rules as they were, shared by reloads, rollbacks and the watch. Empty: nothing is kept.
#[derive(Debug, Default)]
pub struct History {
    past: Mutex<Past>,
}

/// What is behind the lock.
#[derive(Debug, Default)]
pub(super) struct Past {
    generations: Option<Generations>,
    seen: Option<Snapshot>,
    paused_until: Option<Instant>,
}

impl History {
    /// At a start: opens what is kept in `state_dir`, and keeps what lies in `rules` as the generation that is in
    /// force now. Returns its number. Blocks on the disk.
    #[must_use]
    pub fn open(state_dir: &Path, rules: &Path) -> (Self, Numbered) {
        let mut past = Past { seen: Some(Snapshot::take(rules)), ..Past::default() };
        match Generations::open(state_dir) {
            Ok(generations) => past.generations = Some(generations),
            Err(error) => tracing::error!(%error, "earlier generations cannot be used: no rollback"),
        }
        let (numbered, trouble) = past.comes_into_force(rules, 0);
        if let Some(trouble) = trouble {
            tracing::warn!("{trouble}");
        }
        (Self { past: Mutex::new(past) }, numbered)
    }

    /// What is kept, while the gateway is stopped.
    #[must_use]
    pub fn of(generations: Generations) -> Self {
        Self { past: Mutex::new(Past { generations: Some(generations), ..Past::default() }) }
    }

    /// Keeps what lies in `rules`, if it is no generation yet, before a rollback replaces it; a change there is no
    /// reload for a minute, or until the next one that somebody asks for. Returns its number. Blocks on the disk.
    ///
    /// # Errors
    /// A sentence: nothing may be replaced then.
    pub fn keep_edits(&self, rules: &Path) -> Result<u64, String> {
        let mut past = self.lock();
        let snapshot = Snapshot::take(rules);
        if let Some(why) = snapshot.unreadable {
            return Err(why);
        }
        let generations = past.generations.as_mut().ok_or("no earlier generations are kept, see the log")?;
        let number = generations.keep(rules, &snapshot.files, unix_ms()).map_err(|e| e.to_string())?;
        past.paused_until = Some(Instant::now() + PAUSE);
        Ok(number)
    }

    /// How long changes in the rules directory are still somebody's rollback.
    pub(super) fn pause(&self) -> Duration {
        self.lock()
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether the rules on disk are others than those that were read last. Blocks on the disk.
    pub(super) fn differs(&self, rules: &Path) -> bool {
        let past = self.lock();
        past.seen.as_ref() != Some(&Snapshot::take(rules))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// These are the rules that were read now, good or bad.
    pub(super) fn saw(&mut self, snapshot: Snapshot) {
        self.seen = Some(snapshot);
        self.paused_until = None;
    }

    /// What was read comes into force, as generation `at_least` or later. Returns its number, and why nobody can go
    /// back to it, if so.
    pub(super) fn comes_into_force(&mut self, rules: &Path, at_least: u64) -> (Numbered, Option<String>) {
        let fallback = Numbered { number: at_least.max(1), rules_of: None };
        let (Some(generations), Some(seen)) = (self.generations.as_mut(), self.seen.as_ref()) else {
            return (fallback, None);
        };
        let lost =
            |number: u64, why: &str| format!("generation {number} cannot be rolled back to later: {why}");
        if let Some(why) = &seen.unreadable {
            let newest = generations.kept().last().map_or(0, |newest| newest.last);
            let number = fallback.number.max(newest + 1);
            return (Numbered { number, rules_of: None }, Some(lost(number, why)));
        }
        let (numbered, kept) = generations.comes_into_force(rules, &seen.files, at_least, unix_ms());
        (numbered, kept.err().map(|error| lost(numbered.number, &error.to_string())))
    }
}
