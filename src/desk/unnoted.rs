//! Deliveries that cannot be noted: the disk was full, or failed, between the downstream's 250 and our note of it.
//!
//! Owner of: which these are, in memory, at most about [`UNNOTED_MAX`]; beyond that no delivery is begun. What each came
//! to is held by the task that tries to note it, with the claim on its message, so that nobody delivers it a second time
//! while this process lives. Failure: what is not noted when the process ends stands in doubt on
//! disk, and is delivered again after the next start, which then says so.

use crate::mail::Id;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// At so many nothing more is delivered: each may have a thousand recipients in memory.
const UNNOTED_MAX: usize = 100;
/// Of these, so many are told by name.
const NAMED_MAX: usize = 10;
/// Between two tries at the end.
const LAST_PAUSE: Duration = Duration::from_millis(200);
/// For the last tries.
const LAST_LIMIT: Duration = Duration::from_secs(2);

/// A delivery that is not noted yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotNoted {
    /// The message.
    pub message: Id,
    /// When it was delivered, milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Why it cannot be noted.
    pub why: String,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UnnotedReport {
    /// How many.
    pub count: usize,
    /// The first ten.
    pub first: Vec<NotNoted>,
}

/// See the module head.
pub(super) struct Unnoted {
    list: Mutex<BTreeMap<Id, NotNoted>>,
    ending: watch::Sender<bool>,
}

/// One of them; out of the list when dropped.
pub(super) struct Entry {
    of: Arc<Unnoted>,
    id: Id,
}

impl Default for Unnoted {
    fn default() -> Self {
        Self { list: Mutex::default(), ending: watch::Sender::new(false) }
    }
}

impl Unnoted {
    pub(super) fn enter(self: &Arc<Self>, id: Id, since_unix_ms: i64, why: String) -> Entry {
        self.list().insert(id, NotNoted { message: id, since_unix_ms, why });
        Entry { of: Arc::clone(self), id }
    }

    pub(super) fn is_full(&self) -> bool {
        self.list().len() >= UNNOTED_MAX
    }

    pub(super) fn get(&self, id: Id) -> Option<NotNoted> {
        self.list().get(&id).cloned()
    }

    pub(super) fn report(&self) -> UnnotedReport {
        let list = self.list();
        UnnotedReport { count: list.len(), first: list.values().take(NAMED_MAX).cloned().collect() }
    }

    /// Until the next try; soon where the process is about to end.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut ending = self.ending.subscribe();
        if timeout(pause, ending.wait_for(|ending| *ending)).await.is_ok() {
            sleep(LAST_PAUSE).await;
        }
    }

    /// Work at the desk begins.
    pub(super) fn begin(&self) {
        self.ending.send_replace(false);
    }

    /// Work is over: the last tries. What is left then is told.
    pub(super) async fn end(&self) {
        self.ending.send_replace(true);
        let until = Instant::now() + LAST_LIMIT;
        while self.report().count > 0 && Instant::now() < until {
            sleep(LAST_PAUSE / 4).await;
        }
        for NotNoted { message, why, .. } in self.list().values() {
            tracing::error!(
                item = %message,
                error = why,
                "delivered, and not noted: where it cannot be noted before the end it may be delivered twice"
            );
        }
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<Id, NotNoted>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// It still cannot be noted.
    pub(super) fn failed(&self, why: String) {
        if let Some(known) = self.of.list().get_mut(&self.id) {
            known.why = why;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.of.list().remove(&self.id);
    }
}
