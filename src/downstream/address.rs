//! The addresses of a downstream: which is tried next, and what each offered last.
//!
//! An address that failed rests for a time that doubles from 250 ms to 10 s. While all rest, one attempt at
//! a time goes to the one whose rest ends first, so that a server that comes back is found by the next
//! client and a dead one is not stormed.

use crate::config::model;
use crate::smtp::extension::Capabilities;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(10);

/// All addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    list: Vec<State>,
    turn: AtomicUsize,
    desperate: AtomicBool,
}

#[derive(Debug)]
struct State {
    address: model::Address,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    rests_until: Option<Instant>,
    last_error: Option<String>,
    /// By TLS state: what it offers in clear, and what inside TLS.
    offered: [Option<Arc<Capabilities>>; 2],
}

/// The addresses to try for one transaction, best first.
pub(super) struct Candidates {
    /// In order.
    pub(super) sockets: Vec<SocketAddr>,
    /// All of them rest; this is the one attempt that is allowed.
    pub(super) last_hope: bool,
}

/// How one address is, for people.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct AddressReport {
    /// Where.
    pub address: SocketAddr,
    /// It answered last time it was asked.
    pub healthy: bool,
    /// Why not.
    pub last_error: Option<String>,
}

impl Addresses {
    pub(super) fn new(addresses: &[model::Address]) -> Self {
        let list = addresses.iter().map(|a| State { address: a.clone(), inner: Mutex::default() }).collect();
        Self { list, turn: AtomicUsize::new(0), desperate: AtomicBool::new(false) }
    }

    /// Which addresses to try now. Empty: all rest, and somebody is trying already.
    pub(super) fn candidates(&self, now: Instant) -> Candidates {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut awake: Vec<&State> = self.list.iter().filter(|s| s.awake(now)).collect();
        if awake.is_empty() {
            return self.last_hope();
        }
        awake.sort_by_key(|s| s.address.priority);
        let first = awake.first().map_or(0, |s| s.address.priority);
        let best = awake.partition_point(|s| s.address.priority == first);
        let chosen = choose(awake.get(..best).unwrap_or_default(), turn);
        awake.swap(0, chosen);
        Candidates { sockets: awake.iter().map(|s| s.address.socket).collect(), last_hope: false }
    }

    fn last_hope(&self) -> Candidates {
        let soonest = self.list.iter().min_by_key(|s| s.inner().rests_until);
        let busy = self.desperate.swap(true, Ordering::AcqRel);
        let sockets = soonest.filter(|_| !busy).map(|s| s.address.socket).into_iter().collect();
        Candidates { sockets, last_hope: !busy }
    }

    /// The one attempt that [`Candidates::last_hope`] allowed is over.
    pub(super) fn hope_ended(&self) {
        self.desperate.store(false, Ordering::Release);
    }

    pub(super) fn succeeded(&self, socket: SocketAddr, tls: bool, offered: &Arc<Capabilities>) {
        let Some(state) = self.find(socket) else { return };
        let mut inner = state.inner();
        inner.failures = 0;
        inner.rests_until = None;
        inner.last_error = None;
        let [clear, secured] = &mut inner.offered;
        *(if tls { secured } else { clear }) = Some(Arc::clone(offered));
    }

    pub(super) fn failed(&self, socket: SocketAddr, now: Instant, error: String) {
        let Some(state) = self.find(socket) else { return };
        let mut inner = state.inner();
        let rest = REST_FIRST.saturating_mul(1 << inner.failures.min(6)).min(REST_MAX);
        inner.failures = inner.failures.saturating_add(1);
        inner.rests_until = Some(now + rest);
        inner.last_error = Some(error);
    }

    /// What may be promised to a client: the intersection over the healthy addresses, or over all that ever
    /// answered while none is healthy.
    pub(super) fn capabilities(&self, tls: bool, now: Instant) -> Option<Arc<Capabilities>> {
        self.intersection(tls, |s| s.awake(now)).or_else(|| self.intersection(tls, |_| true))
    }

    fn intersection(&self, tls: bool, wanted: impl Fn(&State) -> bool) -> Option<Arc<Capabilities>> {
        let mut result: Option<Arc<Capabilities>> = None;
        for state in self.list.iter().filter(|s| wanted(s)) {
            let inner = state.inner();
            let [clear, secured] = &inner.offered;
            let Some(offered) = (if tls { secured } else { clear }) else { continue };
            result = Some(match result {
                None => Arc::clone(offered),
                Some(sofar) if Arc::ptr_eq(&sofar, offered) || sofar == *offered => sofar,
                Some(sofar) => Arc::new(sofar.intersect(offered)),
            });
        }
        result
    }

    pub(super) fn report(&self, now: Instant) -> Vec<AddressReport> {
        self.list
            .iter()
            .map(|s| {
                let inner = s.inner();
                let healthy = inner.rests_until.is_none_or(|until| until <= now) && inner.failures == 0;
                AddressReport { address: s.address.socket, healthy, last_error: inner.last_error.clone() }
            })
            .collect()
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = SocketAddr> {
        self.list.iter().map(|s| s.address.socket)
    }

    fn find(&self, socket: SocketAddr) -> Option<&State> {
        self.list.iter().find(|s| s.address.socket == socket)
    }
}

impl State {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn awake(&self, now: Instant) -> bool {
        self.inner().rests_until.is_none_or(|until| until <= now)
    }
}

/// By weight: the turns of `total` go round, each address has as many as its weight.
fn choose(equals: &[&State], turn: usize) -> usize {
    let total: usize = equals.iter().map(|s| usize::from(s.address.weight.max(1))).sum();
    let mut left = turn % total.max(1);
    for (at, state) in equals.iter().enumerate() {
        let weight = usize::from(state.address.weight.max(1));
        if left < weight {
            return at;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[(&str, u16, u16)]) -> Addresses {
        let list: Vec<_> = list
            .iter()
            .map(|(socket, priority, weight)| model::Address {
                socket: socket.parse().unwrap(),
                priority: *priority,
                weight: *weight,
            })
            .collect();
        Addresses::new(&list)
    }

    #[test]
    fn priority_comes_first_and_weight_shares() {
        let all = addresses(&[("127.0.0.1:1", 10, 3), ("127.0.0.1:2", 10, 1), ("127.0.0.1:3", 20, 1)]);
        let now = Instant::now();
        let mut firsts = [0; 4];
        for _ in 0..400 {
            let candidates = all.candidates(now);
            firsts[candidates.sockets[0].port() as usize] += 1;
            assert_eq!(candidates.sockets.len(), 3);
            assert_eq!(candidates.sockets[2].port(), 3);
        }
        assert_eq!(firsts, [0, 300, 100, 0]);
    }

    #[test]
    fn the_failed_rest_and_one_attempt_at_a_time_goes_on() {
        let all = addresses(&[("127.0.0.1:1", 10, 1), ("127.0.0.1:2", 20, 1)]);
        let now = Instant::now();
        let one = "127.0.0.1:1".parse().unwrap();
        let two = "127.0.0.1:2".parse().unwrap();
        all.failed(one, now, "refused".into());
        assert_eq!(all.candidates(now).sockets, [two]);
        all.failed(two, now, "refused".into());
        all.failed(two, now, "refused".into());
        let hope = all.candidates(now);
        assert_eq!((hope.sockets.as_slice(), hope.last_hope), (&[one][..], true));
        assert!(all.candidates(now).sockets.is_empty());
        all.hope_ended();
        assert_eq!(all.candidates(now).sockets, [one]);
        all.hope_ended();
        assert_eq!(all.candidates(now + Duration::from_millis(251)).sockets, [one]);
        all.succeeded(one, false, &Arc::default());
        assert!(all.report(now)[0].healthy && !all.report(now)[1].healthy);
    }

    #[test]
    fn rests_grow_to_ten_seconds() {
        let all = addresses(&[("127.0.0.1:1", 10, 1)]);
        let now = Instant::now();
        let one = "127.0.0.1:1".parse().unwrap();
        for _ in 0..50 {
            all.failed(one, now, String::new());
        }
        assert!(all.candidates(now + Duration::from_millis(9_999)).last_hope);
        assert!(!all.candidates(now + Duration::from_secs(10)).last_hope);
    }
}
