//! Results by digest of the message and version of the signatures, so that what comes again (a client that tries again,
//! a held message, the attachment of a thousand copies) costs an engine nothing. New signatures know nothing of it. Those
//! that an admin adds from elsewhere do not change the engine's version, so nothing is remembered for long.

use super::job::Input;
use super::verdict::ScanVerdict;
use ring::digest::{Context, SHA256};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A result holds so long.
const AGE: Duration = Duration::from_mins(5);

/// Digest of version and octets.
pub(super) type Key = [u8; 32];

/// The last results, oldest first out.
pub(super) struct Cache {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    found: HashMap<Key, (Instant, Option<Box<str>>)>,
    order: VecDeque<Key>,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::default() }
    }

    /// The key of octets under a version; `None` where nothing is remembered, or they cannot be read.
    pub(super) async fn key(&self, input: Input<'_>, version: &str) -> Option<Key> {
        if self.most == 0 {
            return None;
        }
        let mut context = Context::new(&SHA256);
        context.update(version.as_bytes());
        context.update(b"\0");
        let mut reader = input.reader();
        while let Some(piece) = reader.next().await.ok()? {
            context.update(&piece);
        }
        context.finish().as_ref().try_into().ok()
    }

    pub(super) fn get(&self, key: &Key) -> Option<ScanVerdict> {
        let inner = self.inner.lock().ok()?;
        match inner.found.get(key) {
            Some((at, _)) if at.elapsed() > AGE => None,
            Some((_, None)) => Some(ScanVerdict::Clean),
            Some((_, Some(name))) => Some(ScanVerdict::Infected(name.to_string())),
            None => None,
        }
    }

    /// Remembers an answer; what is none is not remembered.
    pub(super) fn put(&self, key: Key, verdict: &ScanVerdict) {
        let value = match verdict {
            ScanVerdict::Clean => None,
            ScanVerdict::Infected(name) => Some(name.as_str().into()),
            ScanVerdict::Scored(_)
            | ScanVerdict::TooLarge
            | ScanVerdict::Failed(_)
            | ScanVerdict::Error(_)
            | ScanVerdict::TimedOut
            | ScanVerdict::Unavailable(_)
            | ScanVerdict::Unread(_) => return,
        };
        let Ok(mut inner) = self.inner.lock() else { return };
        if inner.found.insert(key, (Instant::now(), value)).is_none() {
            inner.order.push_back(key);
        }
        while inner.order.len() > self.most {
            if let Some(oldest) = inner.order.pop_front() {
                inner.found.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_remembered_for_the_same_octets_and_version() {
        let cache = Cache::new(2);
        let key = async |octets: &'static [u8], version: &str| {
            cache.key(Input::Part(octets), version).await.unwrap()
        };
        let (a, b) = (key(b"a", "1").await, key(b"a", "2").await);
        assert_ne!(a, b);
        cache.put(a, &ScanVerdict::Clean);
        for no in [ScanVerdict::TimedOut, ScanVerdict::TooLarge, ScanVerdict::Error(String::new())] {
            cache.put(b, &no);
        }
        assert_eq!((cache.get(&a), cache.get(&b)), (Some(ScanVerdict::Clean), None));
        cache.put(b, &ScanVerdict::Infected("x".into()));
        let c = key(b"c", "2").await;
        cache.put(c, &ScanVerdict::Clean);
        assert_eq!((cache.get(&a), cache.get(&b)), (None, Some(ScanVerdict::Infected("x".into()))));
        tokio::time::advance(AGE).await;
        assert!(cache.get(&c).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.get(&c).is_none(), "not for ever");
        assert!(Cache::new(0).key(Input::Part(b"a"), "1").await.is_none());
    }
}
