//! The sessions that are open now: for the limit on their number, for `status` and `who`, and to end them by
//! `kick`.
//!
//! Owner of: one small entry a session, given back when its [`Place`] is dropped, also by a panic. What `who` shows
//! beyond the address is what the session tells its place when it changes; nothing is kept twice that is large.

use crate::mail::{Id, escape, unmapped};
use dashmap::DashMap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// All open sessions.
#[derive(Debug, Default)]
pub struct Live {
    open: AtomicUsize,
    sessions: DashMap<Id, Arc<Entry>>,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// It waits for its greeting.
    Greeting,
    /// Its next command is awaited.
    Command,
    /// TLS is being negotiated.
    Tls,
    /// Its AUTH goes on.
    Auth,
    /// It has a transaction, before DATA.
    Envelope,
    /// It sends a message.
    Data,
    /// Its message is looked at and delivered.
    Deliver,
}

impl Doing {
    const EACH: [Self; 7] =
        [Self::Greeting, Self::Command, Self::Tls, Self::Auth, Self::Envelope, Self::Data, Self::Deliver];
}

#[derive(Debug)]
struct Entry {
    ip: IpAddr,
    listener: Arc<str>,
    since_unix_ms: i64,
    messages: AtomicU32,
    /// Index into [`Doing::EACH`].
    state: AtomicU8,
    said: Mutex<Said>,
}

/// What changes seldom.
#[derive(Debug, Default)]
struct Said {
    hello: Option<Box<str>>,
    sender: Option<Box<str>>,
    kicked: bool,
    /// Who waits for being kicked.
    waker: Option<Waker>,
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
    /// What it does.
    #[serde(default = "unsaid")]
    pub state: Doing,
    /// Its HELO name, escaped.
    #[serde(default)]
    pub hello: Option<String>,
    /// The sender of its transaction, escaped.
    #[serde(default)]
    pub sender: Option<String>,
    /// Messages so far.
    #[serde(default)]
    pub messages: u32,
}

fn unsaid() -> Doing {
    Doing::Command
}

/// Which sessions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one of this id.
    Session(Id),
    /// Those of an address.
    Address(IpAddr),
    /// Those of a prefix.
    Prefix(IpNet),
}

/// The place of one session; gives it back when it is dropped, also by a panic.
#[derive(Debug)]
pub struct Place {
    live: Arc<Live>,
    shown: Option<(Id, Arc<Entry>)>,
}

impl Live {
    /// A place, if fewer than `max` are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>, max: usize) -> Option<Place> {
        let admit = |n: usize| (n < max).then_some(n + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).ok()?;
        Some(Place { live: Arc::clone(self), shown: None })
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Some of them, oldest first.
    #[must_use]
    pub fn report(&self, most: usize) -> Vec<LiveReport> {
        let mut all: Vec<_> = self.sessions.iter().map(|e| (*e.key(), Arc::clone(e.value()))).collect();
        all.sort_by_key(|(_, entry)| entry.since_unix_ms);
        all.into_iter().take(most).map(|(id, entry)| entry.report(id)).collect()
    }

    /// Which sessions these words mean: an address, a prefix, or the beginning of a reference; none has it.
    ///
    /// # Errors
    /// They mean nothing, or more than one session; in words for people.
    pub fn find(&self, words: &str) -> Result<Option<Which>, String> {
        if let Ok(ip) = words.parse::<IpAddr>() {
            return Ok(Some(Which::Address(unmapped(ip))));
        }
        if let Ok(prefix) = words.parse::<IpNet>() {
            return Ok(Some(Which::Prefix(prefix.trunc())));
        }
        let begin = Id::prefix(words).map_err(|e| {
            format!("\"{}\" is no address, prefix or reference: {e}", escape(words.as_bytes()))
        })?;
        let mut fitting =
            self.sessions.iter().map(|e| *e.key()).filter(|id| id.to_string().starts_with(&begin));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(Some(Which::Session(one))),
            (None, _) => Ok(None),
            (Some(one), Some(other)) => {
                Err(format!("more than one session has a reference that begins with {begin}: {one}, {other}"))
            }
        }
    }

    /// Asks sessions to end; they say 421 as soon as they can. Returns who they are.
    pub fn kick(&self, which: Which) -> Vec<LiveReport> {
        let meant = |id: Id, ip: IpAddr| match which {
            Which::Session(wanted) => wanted == id,
            Which::Address(wanted) => wanted == ip,
            Which::Prefix(prefix) => prefix.contains(&ip),
        };
        let found: Vec<_> = self
            .sessions
            .iter()
            .filter(|e| meant(*e.key(), e.ip))
            .map(|e| (*e.key(), Arc::clone(e.value())))
            .collect();
        // Not within the iteration: whoever is woken may want the map. One that was asked before is on its way out.
        let kicked = found.into_iter().filter(|(_, entry)| entry.kick());
        kicked.map(|(id, entry)| entry.report(id)).collect()
    }
}

impl Entry {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False where it was asked to end before.
    fn kick(&self) -> bool {
        let (first, waker) = {
            let mut said = self.said();
            (!std::mem::replace(&mut said.kicked, true), said.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        first
    }

    fn report(&self, id: Id) -> LiveReport {
        let said = self.said();
        let state = Doing::EACH.get(usize::from(self.state.load(Ordering::Relaxed)));
        LiveReport {
            session: id.to_string(),
            client: self.ip,
            listener: self.listener.to_string(),
            since_unix_ms: self.since_unix_ms,
            state: state.copied().unwrap_or(Doing::Command),
            hello: said.hello.as_deref().map(str::to_owned),
            sender: said.sender.as_deref().map(str::to_owned),
            messages: self.messages.load(Ordering::Relaxed),
        }
    }
}

impl Place {
    /// Makes the session visible.
    pub fn show(&mut self, id: Id, ip: IpAddr, listener: &Arc<str>, since_unix_ms: i64) {
        let entry = Arc::new(Entry {
            ip,
            listener: Arc::clone(listener),
            since_unix_ms,
            messages: AtomicU32::new(0),
            state: AtomicU8::new(0),
            said: Mutex::default(),
        });
        self.live.sessions.insert(id, Arc::clone(&entry));
        self.shown = Some((id, entry));
    }

    /// What the session does now.
    pub fn state(&self, state: Doing) {
        if let Some((_, entry)) = &self.shown {
            entry.state.store(state as u8, Ordering::Relaxed);
        }
    }

    /// Its HELO name, escaped.
    pub fn hello(&self, name: Option<&str>) {
        if let Some((_, entry)) = &self.shown {
            entry.said().hello = name.map(Into::into);
        }
    }

    /// The sender of its transaction, escaped; none at its end.
    pub fn sender(&self, path: Option<&str>) {
        if let Some((_, entry)) = &self.shown {
            entry.said().sender = path.map(Into::into);
        }
    }

    /// One message more.
    pub fn message(&self) {
        if let Some((_, entry)) = &self.shown {
            entry.messages.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether an admin ended the session.
    #[must_use]
    pub fn is_kicked(&self) -> bool {
        self.shown.as_ref().is_some_and(|(_, entry)| entry.said().kicked)
    }

    /// Ends when an admin ends the session; never for one that is not shown. Cancel safe, one at a time.
    pub fn kicked(&self) -> impl Future<Output = ()> + '_ {
        std::future::poll_fn(|context| {
            let Some((_, entry)) = &self.shown else { return Poll::Pending };
            let mut said = entry.said();
            if said.kicked {
                return Poll::Ready(());
            }
            if said.waker.as_ref().is_none_or(|w| !w.will_wake(context.waker())) {
                said.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((id, _)) = self.shown.take() {
            self.live.sessions.remove(&id);
        }
        self.live.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Scramble;
    use std::time::Duration;

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

    fn shown(live: &Arc<Live>, n: u64, ip: &str) -> (Id, Place) {
        let id = Scramble::new(1).id(n);
        let mut place = live.enter(100).unwrap();
        place.show(id, ip.parse().unwrap(), &"in".into(), n as i64);
        (id, place)
    }

    #[test]
    fn who_is_there_is_told_as_far_as_it_is_known() {
        let live = Arc::new(Live::default());
        let (_, younger) = shown(&live, 2, "192.0.2.8");
        let (id, place) = shown(&live, 1, "192.0.2.7");
        place.hello(Some("mx.example.com"));
        place.sender(Some("<a@example.com>"));
        place.state(Doing::Data);
        place.message();
        let all = live.report(10);
        let first = &all[0];
        assert_eq!((all.len(), first.session.clone(), first.messages), (2, id.to_string(), 1));
        assert_eq!((first.state, first.hello.as_deref()), (Doing::Data, Some("mx.example.com")));
        assert_eq!(all[1].state, Doing::Greeting);
        for state in Doing::EACH {
            younger.state(state);
            assert_eq!(live.report(10)[1].state, state);
        }
        drop((place, younger));
        assert!(live.report(10).is_empty());
    }

    #[tokio::test]
    async fn who_is_kicked_wakes_and_nobody_else() {
        let live = Arc::new(Live::default());
        let (id, one) = shown(&live, 1, "192.0.2.7");
        let (_, two) = shown(&live, 2, "192.0.2.8");
        let (_, three) = shown(&live, 3, "198.51.100.1");
        let waits = |place: Place| {
            tokio::spawn(async move {
                place.kicked().await;
                place
            })
        };
        let (one, two, three) = (waits(one), waits(two), waits(three));
        tokio::task::yield_now().await;
        assert_eq!(live.find("192.0.2.8"), Ok(Some(Which::Address("192.0.2.8".parse().unwrap()))));
        assert_eq!(live.find("ZZZZZ"), Ok(None));
        assert!(live.find("mx.example.com").unwrap_err().contains("no address"));
        assert_eq!(live.find(&id.to_string().to_lowercase()), Ok(Some(Which::Session(id))));
        assert_eq!(live.kick(Which::Session(id)).len(), 1);
        assert!(one.await.unwrap().is_kicked());
        assert_eq!(live.kick(Which::Address("192.0.2.7".parse().unwrap())).len(), 0);
        assert_eq!(live.kick(Which::Prefix("192.0.2.0/24".parse().unwrap())).len(), 1);
        two.await.unwrap();
        let still = tokio::time::timeout(Duration::from_millis(20), three).await;
        assert!(still.is_err());
        println!("an entry has {} octets", size_of::<Entry>());
        assert!(size_of::<Entry>() <= 128);
    }
}
