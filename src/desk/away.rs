//! Downstreams that do not answer, and until when they are left alone. In memory: after a start each is tried.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// See the module head.
#[derive(Default)]
pub(super) struct Away {
    inner: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Away {
    /// It did not answer.
    pub(super) fn failed(&self, name: &str, now: Instant, first: Duration, most: Duration) {
        let mut inner = self.inner();
        let (until, failures) = inner.entry(name.to_owned()).or_insert((now, 0));
        *until = now + first.saturating_mul(1 << (*failures).min(10)).min(most);
        *failures = failures.saturating_add(1);
    }

    /// It answered. Whether it did not before.
    pub(super) fn answered(&self, name: &str) -> bool {
        self.inner().remove(name).is_some()
    }

    /// Those that are left alone now.
    pub(super) fn resting(&self, now: Instant) -> HashSet<String> {
        let inner = self.inner();
        inner.iter().filter(|(_, (until, _))| *until > now).map(|(name, _)| name.clone()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, HashMap<String, (Instant, u32)>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
