//! Refusals at the door, folded: one audit line per address and second, with a count, so that a storm of
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
use std::net::{IpAddr, Ipv4Addr};
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
    /// Whose; `0.0.0.0` for all beyond the bound.
    pub client: IpAddr,
    /// How many.
    pub count: u64,
    /// Why the first of them.
    pub why: Why,
}

/// The counts.
pub struct Fold<C: Clock = DefaultClock> {
    lines: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    untold: DashMap<IpAddr, (u64, Why)>,
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
        let known = self.untold.contains_key(&ip);
        let key = if known || self.untold.len() < ADDRESSES_MAX { ip } else { OTHERS };
        self.untold.entry(key).and_modify(|(n, _)| *n += 1).or_insert((1, why));
        self.lines.check_key(&key).is_ok().then(|| self.take(key)).flatten()
    }

    fn take(&self, key: IpAddr) -> Option<Refusals> {
        let (client, (count, why)) = self.untold.remove(&key)?;
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
