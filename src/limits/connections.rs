//! Connections at once: of an address, of its prefix, of a listener.
//!
//! Owner of the counts; a [`Permit`] gives back exactly what it took when it is dropped, so also by a panic or a
//! cancelled task, and also after a reload with other prefix lengths. A count that comes to zero is removed, so
//! there are never more counts than three for each open connection.

use super::subject::{address, prefix, words};
use crate::config::model::ConnectionLimits;
use crate::rules::Mode;
use crate::verdict::Over;
use dashmap::DashMap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Listener(Arc<str>),
    Address(IpNet),
    Prefix(IpNet),
}

impl Key {
    fn over(&self, max: usize) -> Over {
        let (limit, subject) = match self {
            Self::Listener(name) => ("max_connections", format!("listener {name}").into()),
            Self::Address(net) => ("per_ip", words(*net)),
            Self::Prefix(net) => ("per_prefix", words(*net)),
        };
        Over { limit: limit.into(), subject, value: max.to_string().into() }
    }
}

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Connections {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts(DashMap<Key, usize>);

impl Counts {
    /// One more, if there are fewer than `max`.
    fn take(&self, key: &Key, max: usize) -> bool {
        if max == 0 {
            return false;
        }
        let mut free = true;
        self.0
            .entry(key.clone())
            .and_modify(|n| {
                free = *n < max;
                *n += usize::from(free);
            })
            .or_insert(1);
        free
    }

    fn give_back(&self, key: &Key) {
        self.0.remove_if_mut(key, |_, n| {
            *n = n.saturating_sub(1);
            *n == 0
        });
    }
}

/// The right to be connected; dropped, it is given back.
#[derive(Debug)]
#[must_use = "the connection counts as long as its permit lives"]
pub struct Permit {
    _listener: Held,
    address: Held,
    prefix: Held,
    over: Option<Over>,
}

impl Permit {
    /// The limit that it is over, where `mode` is `log`: to be told, and nothing else.
    #[must_use]
    pub fn over(&self) -> Option<&Over> {
        self.over.as_ref()
    }
}

/// One count that was taken, or none.
#[derive(Debug, Default)]
struct Held(Option<(Arc<Counts>, Key)>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((counts, key)) = self.0.take() {
            counts.give_back(&key);
        }
    }
}

/// What a client took: of its address and of its prefix, and what would have been too much.
type Taken = (Held, Held, Option<Over>);

impl Connections {
    /// A permit for one more connection of `ip` on `listener`. An `exempt` client (trusted, or a load balancer
    /// that will name its client) counts for the listener only.
    ///
    /// # Errors
    /// The limit that it would exceed. With `mode = "log"` only the listener's own limit is one.
    pub fn enter(
        &self,
        ip: IpAddr,
        listener: &Arc<str>,
        listener_max: usize,
        limits: &ConnectionLimits,
        exempt: bool,
    ) -> Result<Permit, Over> {
        let listener = self.take(Key::Listener(Arc::clone(listener)), listener_max)?;
        let (address, prefix, over) = self.client(ip, limits, exempt)?;
        Ok(Permit { _listener: listener, address, prefix, over })
    }

    /// The client turned out to be another one (PROXY, XCLIENT): takes for that one, then gives back what was taken
    /// for the first.
    ///
    /// # Errors
    /// The limit that it would exceed; the permit is then as it was.
    pub fn change(
        &self,
        permit: &mut Permit,
        ip: IpAddr,
        limits: &ConnectionLimits,
        exempt: bool,
    ) -> Result<(), Over> {
        (permit.address, permit.prefix, permit.over) = self.client(ip, limits, exempt)?;
        Ok(())
    }

    /// How many connections this client has, and how many its prefix has.
    #[must_use]
    pub fn of(&self, ip: IpAddr, limits: &ConnectionLimits) -> (usize, usize) {
        let count = |key: Key| self.counts.0.get(&key).map_or(0, |n| *n);
        (count(Key::Address(address(ip, limits))), count(Key::Prefix(prefix(ip, limits))))
    }

    fn client(&self, ip: IpAddr, limits: &ConnectionLimits, exempt: bool) -> Result<Taken, Over> {
        let (enforced, counts) = match limits.mode {
            Mode::On => (true, !exempt),
            Mode::Log => (false, !exempt),
            Mode::Off => (false, false),
        };
        if !counts {
            return Ok((Held::default(), Held::default(), None));
        }
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let mut over = None;
        let mut take = |key: Key, max: u32| match self.take(key.clone(), count(max)) {
            Ok(held) => Ok(held),
            Err(which) if enforced => Err(which),
            Err(which) => {
                over = over.take().or(Some(which));
                self.take(key, usize::MAX)
            }
        };
        let one = take(Key::Address(address(ip, limits)), limits.per_ip)?;
        let whole = take(Key::Prefix(prefix(ip, limits)), limits.per_prefix)?;
        Ok((one, whole, over))
    }

    fn take(&self, key: Key, max: usize) -> Result<Held, Over> {
        if self.counts.take(&key, max) {
            Ok(Held(Some((Arc::clone(&self.counts), key))))
        } else {
            Err(key.over(max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limits(per_ip: u32, per_prefix: u32) -> ConnectionLimits {
        ConnectionLimits { per_ip, per_prefix, ..ConnectionLimits::default() }
    }

    fn enter(all: &Connections, who: &str, limits: &ConnectionLimits) -> Result<Permit, Over> {
        all.enter(ip(who), &"in".into(), 100, limits, false)
    }

    #[test]
    fn each_limit_is_told_and_a_refusal_takes_nothing() {
        let (all, limits) = (Connections::default(), limits(2, 3));
        let a = enter(&all, "192.0.2.1", &limits).unwrap();
        let _b = enter(&all, "::ffff:192.0.2.1", &limits).unwrap();
        let over = enter(&all, "192.0.2.1", &limits).unwrap_err();
        assert_eq!((&*over.limit, &*over.subject, &*over.value), ("per_ip", "192.0.2.1", "2"));
        let _c = enter(&all, "192.0.2.2", &limits).unwrap();
        let over = enter(&all, "192.0.2.2", &limits).unwrap_err();
        assert_eq!((&*over.limit, &*over.subject, &*over.value), ("per_prefix", "192.0.2.0/24", "3"));
        assert_eq!(all.of(ip("192.0.2.2"), &limits), (1, 3));
        let over = all.enter(ip("198.51.100.1"), &"in".into(), 3, &limits, true).unwrap_err();
        assert_eq!((&*over.limit, &*over.subject), ("max_connections", "listener in"));
        drop(a);
        assert!(all.enter(ip("198.51.100.1"), &"in".into(), 3, &limits, true).is_ok());
        assert!(enter(&all, "192.0.2.1", &limits).is_ok());
    }

    #[test]
    fn one_address_of_ipv6_is_its_64() {
        let (all, limits) = (Connections::default(), limits(1, 60));
        let _a = enter(&all, "2001:db8::1", &limits).unwrap();
        assert_eq!(&*enter(&all, "2001:db8::2", &limits).unwrap_err().subject, "2001:db8::/64");
        assert!(enter(&all, "2001:db8:0:1::2", &limits).is_ok());
    }

    #[test]
    fn a_permit_gives_back_what_it_took_whatever_the_policy_says_now() {
        let all = Connections::default();
        let a = enter(&all, "192.0.2.1", &limits(1, 1)).unwrap();
        let other = ConnectionLimits { prefix_v4: 16, ..limits(1, 9) };
        assert_eq!(enter(&all, "192.0.2.1", &other).unwrap_err().limit, "per_ip".into());
        let _b = enter(&all, "192.0.2.2", &other).unwrap();
        drop(a);
        assert!(enter(&all, "192.0.2.1", &limits(1, 1)).is_ok());
        drop(_b);
        assert!(all.counts.0.is_empty());
    }

    #[test]
    fn log_tells_and_lets_in_and_off_counts_nothing() {
        let all = Connections::default();
        let log = ConnectionLimits { mode: Mode::Log, ..limits(1, 60) };
        let first = enter(&all, "192.0.2.1", &log).unwrap();
        assert_eq!(first.over(), None);
        let second = enter(&all, "192.0.2.1", &log).unwrap();
        assert_eq!(second.over().map(|o| &*o.limit), Some("per_ip"));
        assert_eq!(all.of(ip("192.0.2.1"), &log), (2, 2));
        drop((first, second));
        let off = ConnectionLimits { mode: Mode::Off, ..limits(1, 1) };
        let _both = (enter(&all, "192.0.2.1", &off).unwrap(), enter(&all, "192.0.2.1", &off).unwrap());
        assert_eq!(all.counts.0.len(), 1, "the listener's");
    }

    #[test]
    fn a_balancer_becomes_its_client() {
        let (all, limits) = (Connections::default(), limits(1, 60));
        let mut one = all.enter(ip("10.0.0.1"), &"in".into(), 9, &limits, true).unwrap();
        all.change(&mut one, ip("192.0.2.1"), &limits, false).unwrap();
        let mut two = all.enter(ip("10.0.0.1"), &"in".into(), 9, &limits, true).unwrap();
        assert!(all.change(&mut two, ip("192.0.2.1"), &limits, false).is_err());
        all.change(&mut one, ip("192.0.2.2"), &limits, false).unwrap();
        assert!(all.change(&mut two, ip("192.0.2.1"), &limits, false).is_ok());
        assert_eq!(all.of(ip("10.0.0.1"), &limits), (0, 0));
        drop((one, two));
        assert!(all.counts.0.is_empty());
    }

    #[tokio::test]
    async fn panics_and_cancelled_tasks_release_their_permits() {
        let (all, limits) = (Arc::new(Connections::default()), limits(1, 60));
        let (there, own) = (Arc::clone(&all), limits.clone());
        let task = tokio::spawn(async move {
            let _permit = enter(&there, "192.0.2.1", &own).unwrap();
            panic!("as a session might");
        });
        assert!(task.await.unwrap_err().is_panic());
        let held = enter(&all, "192.0.2.1", &limits).unwrap();
        let task = tokio::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert!(enter(&all, "192.0.2.1", &limits).is_err());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(enter(&all, "192.0.2.1", &limits).is_ok());
        assert!(all.counts.0.is_empty());
    }

    #[test]
    fn the_limit_holds_among_many_threads() {
        let (all, limits) = (Connections::default(), limits(7, 1000));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..5000u32 {
                        let who = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n % 3));
                        let permit = all.enter(who, &"in".into(), 1000, &limits, false);
                        assert!(all.of(who, &limits).0 <= 7);
                        drop(permit);
                    }
                });
            }
        });
        assert!(all.counts.0.is_empty());
    }
}
