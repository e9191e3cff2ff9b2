//! What an admin has to hear of, collected until the next digest; and how many messages of our own went out lately.
//!
//! Owner of: both, in memory. What was collected is lost with the process (each event also stands in the log and in
//! the history of its message). Beyond the bound the oldest events go, and the digest says how many.

use crate::mail::Id;
use crate::message::mime::neutral;
use crate::vault::Item;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events that are kept.
const KEPT: usize = 500;
const HOUR_MS: i64 = 3_600_000;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happening {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Which message, if one.
    pub id: Option<Id>,
    /// In words; peer text in it is escaped.
    pub text: String,
}

impl Happening {
    /// Something about a message.
    pub(super) fn of(what: &str, item: &Item, more: &str, at_ms: i64) -> Self {
        let from = if item.envelope.from.is_empty() { "<>" } else { &item.envelope.from };
        let subject = item.header.subject.as_deref().unwrap_or("");
        let text = format!("{what}: from {from}, \"{subject}\", in {}: {more}", item.folder);
        Self { at_ms, id: Some(item.id), text: neutral(&text).replace(['\n', '\t'], " ") }
    }

    /// Something about no message.
    pub(super) fn general(text: impl Into<String>, at_ms: i64) -> Self {
        Self { at_ms, id: None, text: text.into() }
    }
}

/// See the module head.
#[derive(Default)]
pub(super) struct Notices {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    events: VecDeque<Happening>,
    lost: u64,
    /// When messages of our own went out within the last hour.
    sent: VecDeque<i64>,
    /// When the last digest went.
    digest_ms: Option<i64>,
    /// General troubles that were told, so that each is told once as long as it lasts.
    lasting: Vec<String>,
}

impl Notices {
    /// Keeps an event for the next digest.
    pub(super) fn note(&self, event: Happening) {
        tracing::warn!(item = ?event.id, "{}", event.text);
        let mut inner = self.inner();
        if inner.events.len() >= KEPT {
            inner.events.pop_front();
            inner.lost += 1;
        }
        inner.events.push_back(event);
    }

    /// Notes the troubles that are there now and were not there the last time.
    pub(super) fn lasting(&self, troubles: Vec<String>, now_ms: i64) {
        let before = std::mem::replace(&mut self.inner().lasting, troubles.clone());
        for text in troubles.into_iter().filter(|t| !before.contains(t)) {
            self.note(Happening::general(text, now_ms));
        }
    }

    /// Whether one more message of our own may go out in this hour; if so it is counted.
    pub(super) fn may_send(&self, most: u32, now_ms: i64) -> bool {
        let mut inner = self.inner();
        while inner.sent.front().is_some_and(|at| *at <= now_ms - HOUR_MS) {
            inner.sent.pop_front();
        }
        let may = inner.sent.len() < usize::try_from(most).unwrap_or(usize::MAX);
        if may {
            inner.sent.push_back(now_ms);
        }
        may
    }

    /// Whether a digest is due.
    pub(super) fn is_due(&self, every_ms: i64, now_ms: i64) -> bool {
        let inner = self.inner();
        !inner.events.is_empty() && inner.digest_ms.is_none_or(|at| now_ms.saturating_sub(at) >= every_ms)
    }

    /// Takes what was collected, and how many events were lost.
    pub(super) fn take(&self, now_ms: i64) -> (Vec<Happening>, u64) {
        let mut inner = self.inner();
        inner.digest_ms = Some(now_ms);
        (std::mem::take(&mut inner.events).into(), std::mem::take(&mut inner.lost))
    }

    /// Nobody is to be told.
    pub(super) fn forget(&self) {
        let mut inner = self.inner();
        inner.events.clear();
        inner.lost = 0;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_digest_in_a_period_and_so_many_messages_in_an_hour() {
        let notices = Notices::default();
        assert!(!notices.is_due(HOUR_MS, 0));
        notices.note(Happening::general("a", 0));
        assert!(notices.is_due(HOUR_MS, 0));
        assert_eq!(notices.take(1_000).0.len(), 1);
        notices.note(Happening::general("b", 2_000));
        assert!(!notices.is_due(HOUR_MS, HOUR_MS) && notices.is_due(HOUR_MS, HOUR_MS + 1_000));
        let sent = (0..10).filter(|n| notices.may_send(3, n * 1_000)).count();
        assert_eq!(sent, 3);
        assert!(notices.may_send(3, HOUR_MS) && !notices.may_send(3, HOUR_MS + 500));
    }

    #[test]
    fn events_are_bounded_and_a_lasting_trouble_is_told_once() {
        let notices = Notices::default();
        (0..KEPT + 7).for_each(|n| notices.note(Happening::general(n.to_string(), 0)));
        let (events, lost) = notices.take(0);
        assert_eq!((events.len(), lost, &*events[0].text), (KEPT, 7, "7"));
        for _ in 0..3 {
            notices.lasting(vec!["full".to_owned()], 0);
        }
        notices.lasting(Vec::new(), 0);
        notices.lasting(vec!["full".to_owned()], 0);
        assert_eq!(notices.take(0).0.len(), 2);
    }
}
