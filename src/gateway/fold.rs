//! Refusals at the door, folded: one audit line per address (of IPv6 its /64, for whoever has one address of it has
//! all) and second, with a count, so that a storm of
//! connections cannot fill the disk with lines that all say the same.
//!
//! Owner of: the counts that have not been told yet. Both tables are bounded: beyond [`ADDRESSES_MAX`]
//! addresses the rest is counted together.

use crate::mail::Id;
use crate::reply::Reply;
use crate::verdict::Finding;
use dashmap::DashMap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

/// Most addresses that are counted one by one.
const ADDRESSES_MAX: usize = 10_000;
/// Under which all others are counted.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Why a client was refused at the door.
#[derive(Debug, Clone)]
pub struct Why {
    /// Its reference.
    pub id: Id,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// What it was told; `None` is nothing.
    pub reply: Option<Reply>,
    /// What decided it; `None` is the limit on all connections.
    pub finding: Option<Finding>,
}

/// Refusals of one address that have not been told.
#[derive(Debug)]
pub struct Refusals {
    /// Whose; of several in one /64 the first; `0.0.0.0` for all beyond the bound.
    pub client: IpAddr,
    /// How many.
    pub count: u64,
    /// Why the first of them.
    pub why: Why,
}

/// What has not been told of one address.
struct Untold {
    client: IpAddr,
    count: u64,
    why: Why,
}

/// The counts.
pub struct Fold<C: Clock = DefaultClock> {
    lines: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    untold: DashMap<IpAddr, Untold>,
}

impl Default for Fold {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock> Fold<C> {
    fn new(clock: C) -> Self {
        let quota = Quota::per_second(NonZeroU32::MIN);
        Self { lines: RateLimiter::new(quota, DashMapStateStore::default(), clock), untold: DashMap::new() }
    }

    /// Counts a refusal. `Some` is what a line is to tell now.
    pub fn count(&self, ip: IpAddr, why: Why) -> Option<Refusals> {
        let one = one_client(ip);
        let known = self.untold.contains_key(&one);
        let (key, client) =
            if known || self.untold.len() < ADDRESSES_MAX { (one, ip) } else { (OTHERS, OTHERS) };
        self.untold.entry(key).and_modify(|untold| untold.count += 1).or_insert(Untold {
            client,
            count: 1,
            why,
        });
        self.lines.check_key(&key).is_ok().then(|| self.take(key)).flatten()
    }

    fn take(&self, key: IpAddr) -> Option<Refusals> {
        let (_, Untold { client, count, why }) = self.untold.remove(&key)?;
        Some(Refusals { client, count, why })
    }

    /// What has not been told for a while; called every few seconds. Forgets addresses that are quiet.
    pub fn sweep(&self) -> Vec<Refusals> {
        let keys: Vec<IpAddr> = self.untold.iter().map(|entry| *entry.key()).collect();
        self.lines.retain_recent();
        self.lines.shrink_to_fit();
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }
}

/// The address, of IPv6 its /64.
fn one_client(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Scramble;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    fn why() -> Why {
        Why { id: Scramble::new(1).id(1), listener: Arc::from("in"), reply: None, finding: None }
    }

    fn told(refusals: Option<Refusals>) -> Option<(IpAddr, u64)> {
        refusals.map(|r| (r.client, r.count))
    }

    #[test]
    fn a_storm_is_one_line_a_second_and_no_refusal_is_lost() {
        let clock = FakeRelativeClock::default();
        let fold = Fold::new(clock.clone());
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(told(fold.count(one, why())), Some((one, 1)));
        for _ in 0..1000 {
            assert_eq!(told(fold.count(one, why())), None);
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(told(fold.count(one, why())), Some((one, 1001)));
        assert_eq!(told(fold.count(one, why())), None);
        assert_eq!(fold.sweep().into_iter().map(|r| (r.client, r.count)).collect::<Vec<_>>(), [(one, 1)]);
        assert!(fold.sweep().is_empty());
    }

    #[test]
    fn a_client_with_a_whole_network_of_addresses_is_one() {
        let fold = Fold::new(FakeRelativeClock::default());
        let ip = |n: u32| format!("2001:db8::{n:x}").parse::<IpAddr>().unwrap();
        let lines: Vec<_> = (1..=1000).filter_map(|n| told(fold.count(ip(n), why()))).collect();
        assert_eq!(lines, [(ip(1), 1)]);
        assert_eq!(told(fold.count("2001:db8:0:1::1".parse().unwrap(), why())).map(|(_, n)| n), Some(1));
        assert_eq!(fold.sweep().into_iter().map(|r| (r.client, r.count)).collect::<Vec<_>>(), [(ip(2), 999)]);
    }

    #[test]
    fn a_hundred_thousand_addresses_stay_bounded() {
        let fold = Fold::new(FakeRelativeClock::default());
        let told: u64 = (0..100_000u32)
            .flat_map(|n| {
                let ip = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
                [fold.count(ip, why()), fold.count(ip, why())]
            })
            .flatten()
            .map(|r| r.count)
            .sum();
        assert!(fold.untold.len() <= ADDRESSES_MAX + 1, "{}", fold.untold.len());
        let rest: u64 = fold.sweep().iter().map(|r| r.count).sum();
        assert_eq!(told + rest, 200_000);
    }
}
