//! Rates of an address and of its prefix: connections, messages, recipients, errors, failed AUTH.
//!
//! Owner of one limiter (GCRA, the leaky bucket as a meter) for each kind, subject and rate: `30/1m` is 30 at once and
//! then one every two seconds. A reload that leaves a rate as it was leaves its limiter alone; sessions of an older
//! generation go on counting by their own rate, in a limiter that goes when it is empty. A limiter knows at most
//! [`KEYS_MAX`] addresses; beyond, unknown ones share one more key, so that nobody is without a limit.

use super::subject::{address, period_words, prefix, words};
use crate::config::model::{Limits as Policy, Rate, Rates};
use crate::rules::Mode;
use crate::verdict::Over;
use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most addresses or prefixes in one limiter.
const KEYS_MAX: usize = 200_000;
/// Most rates of one kind and subject at once: that of the rules in force, and those of open sessions.
const RATES_MAX: usize = 4;
/// Under which all others are counted: 0.0.0.0/0 is no client.
const OTHERS: IpNet = IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0));

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// New connections.
    Connections,
    /// Messages (MAIL).
    Messages,
    /// Recipients (RCPT).
    Recipients,
    /// 5yz replies.
    Errors,
    /// Failed AUTH.
    AuthFailures,
}

impl Kind {
    const COUNT: usize = 5;

    /// The key of `limits.toml`.
    fn key(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Messages => "messages",
            Self::Recipients => "recipients",
            Self::Errors => "errors",
            Self::AuthFailures => "auth_failures",
        }
    }

    fn rate(self, rates: &Rates) -> Option<Rate> {
        match self {
            Self::Connections => rates.connections,
            Self::Messages => rates.messages,
            Self::Recipients => rates.recipients,
            Self::Errors => rates.errors,
            Self::AuthFailures => rates.auth_failures,
        }
    }
}

/// The keys of one limiter, bounded.
#[derive(Default)]
struct Bounded {
    keys: DashMapStateStore<IpNet>,
    /// About as many as there are; made exact by each sweep.
    count: AtomicUsize,
}

impl StateStore for Bounded {
    type Key = IpNet;

    fn measure_and_replace<T, F, E>(&self, key: &IpNet, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if !self.keys.contains_key(key) {
            if self.count.load(Ordering::Relaxed) >= KEYS_MAX {
                return self.keys.measure_and_replace(&OTHERS, f);
            }
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.keys.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<IpNet> for Bounded {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&self.keys, drop_below);
        self.count.store(self.keys.len(), Ordering::Relaxed);
    }

    fn shrink_to_fit(&self) {
        self.keys.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

type Limiter<C> = RateLimiter<IpNet, Bounded, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One limiter and the rate that it was made for.
struct Made<C: Clock> {
    rate: Rate,
    burst: NonZeroU32,
    limiter: Limiter<C>,
}

impl<C: Clock> Made<C> {
    fn new(rate: Rate, clock: C) -> Option<Self> {
        let burst = NonZeroU32::new(u32::try_from(rate.count).unwrap_or(u32::MAX))?;
        let quota = Quota::with_period(rate.period / burst.get())?.allow_burst(burst);
        Some(Self { rate, burst, limiter: RateLimiter::new(quota, Bounded::default(), clock) })
    }

    /// Counts; false where that is too much, and then nothing is counted.
    fn count(&self, key: &IpNet, n: NonZeroU32) -> bool {
        // More than the bucket holds never fits; the library multiplies before it looks.
        n <= self.burst && self.limiter.check_key_n(key, n).is_ok_and(|answer| answer.is_ok())
    }
}

/// The limiters of one kind and subject, newest first.
type Slot<C> = ArcSwap<Vec<Arc<Made<C>>>>;

/// All limiters.
pub struct RateCounts<C: Clock = DefaultClock> {
    addresses: [Slot<C>; Kind::COUNT],
    prefixes: [Slot<C>; Kind::COUNT],
    clock: C,
}

impl Default for RateCounts {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateCounts<C> {
    fn new(clock: C) -> Self {
        let slots = || std::array::from_fn(|_| Slot::default());
        Self { addresses: slots(), prefixes: slots(), clock }
    }

    /// Counts `n` more of that kind for `ip`. The rate that is too high, of the address or of its prefix; what is too
    /// much is not counted. The mode of the policy says what comes of it; `off` counts nothing. Exempt clients are not
    /// to be counted.
    pub fn count(&self, kind: Kind, ip: IpAddr, n: u32, policy: &Policy) -> Option<Over> {
        let rates = &policy.rates;
        let n = NonZeroU32::new(n).filter(|_| rates.mode != Mode::Off)?;
        let rate = kind.rate(rates)?;
        let one = address(ip, &policy.connections);
        if !self.fits(self.addresses.get(kind as usize), one, rate, n) {
            return Some(over(kind, one, rate));
        }
        let whole = prefix(ip, &policy.connections);
        let rate = Rate { count: rate.count.saturating_mul(u64::from(rates.prefix_factor.max(1))), ..rate };
        (!self.fits(self.prefixes.get(kind as usize), whole, rate, n)).then(|| over(kind, whole, rate))
    }

    fn fits(&self, slot: Option<&Slot<C>>, key: IpNet, rate: Rate, n: NonZeroU32) -> bool {
        let limiter = slot.and_then(|slot| {
            let known = slot.load().iter().find(|m| m.rate == rate).cloned();
            known.or_else(|| self.make(slot, rate))
        });
        limiter.is_none_or(|limiter| limiter.count(&key, n))
    }

    /// A limiter for a new rate; of two threads that make it at once, one wins. The one that is unused longest goes
    /// where there are too many.
    fn make(&self, slot: &Slot<C>, rate: Rate) -> Option<Arc<Made<C>>> {
        let fresh = Arc::new(Made::new(rate, self.clock.clone())?);
        slot.rcu(|all| {
            let mut all: Vec<_> = all.iter().map(Arc::clone).collect();
            if !all.iter().any(|m| m.rate == rate) {
                all.insert(0, Arc::clone(&fresh));
                all.truncate(RATES_MAX);
            }
            all
        });
        slot.load().iter().find(|m| m.rate == rate).cloned()
    }

    /// Forgets who is back at nothing. Takes milliseconds when there are very many: not on a network thread.
    pub(super) fn sweep(&self) {
        for slot in self.addresses.iter().chain(&self.prefixes) {
            let all = slot.load();
            for made in all.iter() {
                made.limiter.retain_recent();
                made.limiter.shrink_to_fit();
            }
            if all.len() > 1 && all.iter().any(|m| m.limiter.is_empty()) {
                slot.rcu(|all| all.iter().filter(|m| !m.limiter.is_empty()).cloned().collect::<Vec<_>>());
            }
        }
    }

    /// How many addresses and prefixes are counted now, in all limiters.
    #[must_use]
    pub fn len(&self) -> usize {
        let slots = self.addresses.iter().chain(&self.prefixes);
        slots.map(|slot| slot.load().iter().map(|m| m.limiter.len()).sum::<usize>()).sum()
    }

    /// Whether nobody is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn over(kind: Kind, subject: IpNet, rate: Rate) -> Over {
    let value = format!("{}/{}", rate.count, period_words(rate.period));
    Over { limit: kind.key().into(), subject: words(subject), value: value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn rate(count: u64, seconds: u64) -> Option<Rate> {
        Some(Rate { count, period: Duration::from_secs(seconds) })
    }

    fn policy(connections: Option<Rate>) -> Policy {
        let rates = Rates { mode: Mode::On, connections, prefix_factor: 3, ..Rates::default() };
        Policy { rates, ..Policy::default() }
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n))
    }

    #[test]
    fn an_address_may_burst_and_then_go_on_at_its_rate() {
        let clock = FakeRelativeClock::default();
        let (counts, policy) = (RateCounts::new(clock.clone()), policy(rate(30, 60)));
        for _ in 0..30 {
            assert_eq!(counts.count(Kind::Connections, ip(1), 1, &policy), None);
        }
        let over = counts.count(Kind::Connections, ip(1), 1, &policy).unwrap();
        assert_eq!((&*over.limit, &*over.subject, &*over.value), ("connections", "10.0.0.1", "30/1m"));
        clock.advance(Duration::from_secs(2));
        assert_eq!(counts.count(Kind::Connections, ip(1), 1, &policy), None);
        assert!(counts.count(Kind::Connections, ip(1), 1, &policy).is_some());
        assert_eq!(counts.count(Kind::Connections, ip(2), 1, &policy), None, "another address");
        assert_eq!(counts.count(Kind::Messages, ip(1), 1, &policy), None, "no rate, no limit");
    }

    #[test]
    fn a_prefix_has_a_rate_of_its_own() {
        let (counts, policy) = (RateCounts::new(FakeRelativeClock::default()), policy(rate(10, 60)));
        let over: Vec<_> =
            (0..40).filter_map(|n| counts.count(Kind::Connections, ip(n), 1, &policy)).collect();
        assert_eq!(over.len(), 10);
        assert_eq!((&*over[0].subject, &*over[0].value), ("10.0.0.0/24", "30/1m"));
    }

    #[test]
    fn many_at_once_count_whole_or_not_at_all() {
        let (counts, policy) = (RateCounts::new(FakeRelativeClock::default()), policy(rate(10, 60)));
        for (n, fits) in
            [(11, false), (u32::MAX, false), (8, true), (3, false), (2, true), (1, false), (0, true)]
        {
            assert_eq!(counts.count(Kind::Connections, ip(1), n, &policy).is_none(), fits, "{n}");
        }
    }

    #[test]
    fn off_counts_nothing_and_log_counts() {
        let counts = RateCounts::new(FakeRelativeClock::default());
        let mut policy = policy(rate(1, 60));
        policy.rates.mode = Mode::Off;
        assert_eq!((0..9).find_map(|_| counts.count(Kind::Connections, ip(1), 1, &policy)), None);
        policy.rates.mode = Mode::Log;
        assert_eq!(counts.count(Kind::Connections, ip(1), 1, &policy), None);
        assert!(counts.count(Kind::Connections, ip(1), 1, &policy).is_some());
    }

    #[test]
    fn a_reload_keeps_what_it_does_not_change_and_two_generations_do_not_reset_each_other() {
        let counts = RateCounts::new(FakeRelativeClock::default());
        let (old, same, other) = (policy(rate(2, 60)), policy(rate(2, 60)), policy(rate(3, 60)));
        assert_eq!(counts.count(Kind::Connections, ip(1), 2, &old), None);
        assert!(counts.count(Kind::Connections, ip(1), 1, &same).is_some());
        for _ in 0..3 {
            assert_eq!(counts.count(Kind::Connections, ip(1), 1, &other), None);
            assert!(counts.count(Kind::Connections, ip(1), 1, &old).is_some());
        }
        assert!(counts.count(Kind::Connections, ip(1), 1, &other).is_some());
        for n in 4..40 {
            counts.count(Kind::Connections, ip(1), 1, &policy(rate(n, 60)));
        }
        assert_eq!(counts.addresses[0].load().len(), RATES_MAX);
    }

    #[test]
    fn who_is_quiet_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let counts = RateCounts::new(clock.clone());
        for n in 0..1000 {
            counts.count(Kind::Connections, ip(n), 1, &policy(rate(30, 60)));
        }
        counts.count(Kind::Connections, ip(1), 30, &policy(rate(31, 60)));
        assert!(counts.len() > 1000);
        clock.advance(Duration::from_secs(200));
        counts.sweep();
        assert!(counts.is_empty(), "{}", counts.len());
        assert!(counts.addresses[0].load().len() <= 1);
    }

    #[test]
    fn beyond_the_bound_the_unknown_share_one_rate() {
        let (counts, policy) = (RateCounts::new(FakeRelativeClock::default()), policy(rate(5, 60)));
        let max = u32::try_from(KEYS_MAX).unwrap();
        // Each in a prefix of its own would be as many prefixes; here 256 share one, which is not the point.
        let slot = &counts.addresses[0];
        let fits = |n: u32| counts.fits(Some(slot), ip(n).into(), rate(5, 60).unwrap(), NonZeroU32::MIN);
        assert!((0..max).all(fits));
        assert_eq!((max..max + 100).filter(|n| fits(*n)).count(), 5);
        assert!(fits(0), "the known keep their own");
        assert!(counts.len() <= KEYS_MAX + 1);
        assert!(counts.count(Kind::Connections, ip(max + 7), 1, &policy).is_some());
    }
}
