//! The sessions that are open now, for `status` and for the limit on their number.

use crate::mail::Id;
use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All open sessions.
#[derive(Debug, Default)]
pub struct Live {
    open: AtomicUsize,
    sessions: DashMap<Id, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    ip: IpAddr,
    listener: Arc<str>,
    since_unix_ms: i64,
}

/// One open session, for people.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct LiveReport {
    /// Its id.
    pub session: String,
    /// Its client.
    pub client: IpAddr,
    /// Its listener.
    pub listener: String,
    /// Since when, milliseconds since 1970.
    pub since_unix_ms: i64,
}

/// The place of one session; gives it back when it is dropped, also by a panic.
#[derive(Debug)]
pub struct Place {
    live: Arc<Live>,
    id: Option<Id>,
}

impl Live {
    /// A place, if fewer than `max` are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>, max: usize) -> Option<Place> {
        let admit = |n: usize| (n < max).then_some(n + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).ok()?;
        Some(Place { live: Arc::clone(self), id: None })
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Some of them, oldest first.
    #[must_use]
    pub fn report(&self, most: usize) -> Vec<LiveReport> {
        let mut all: Vec<_> = self
            .sessions
            .iter()
            .map(|entry| LiveReport {
                session: entry.key().to_string(),
                client: entry.ip,
                listener: entry.listener.to_string(),
                since_unix_ms: entry.since_unix_ms,
            })
            .collect();
        all.sort_by_key(|r| r.since_unix_ms);
        all.truncate(most);
        all
    }
}

impl Place {
    /// Makes the session visible.
    pub fn show(&mut self, id: Id, ip: IpAddr, listener: &Arc<str>, since_unix_ms: i64) {
        self.live.sessions.insert(id, Entry { ip, listener: Arc::clone(listener), since_unix_ms });
        self.id = Some(id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.live.sessions.remove(&id);
        }
        self.live.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_also_by_a_panic() {
        let live = Arc::new(Live::default());
        let first = live.enter(2).unwrap();
        let second = live.enter(2).unwrap();
        assert!(live.enter(2).is_none());
        drop(first);
        let held = Arc::clone(&live);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _place = held.enter(2).unwrap();
            panic!("on purpose");
        }));
        assert_eq!(live.count(), 1);
        drop(second);
        assert_eq!(live.count(), 0);
    }
}
