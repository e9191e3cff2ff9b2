//! Back-pressure: how many connections a downstream gets follows how it answers.
//!
//! Additive increase, multiplicative decrease, per downstream, between two connections and `max_connections`. What
//! counts as pressure: 421; 451 and 452, unless their enhanced code says that it is about the message, its sender
//! or its recipient (greylisting says 451 4.7.1, too many recipients 452 4.5.3); a reply that takes several times
//! as long as such replies usually do; no connection at all. One such transaction alone is no pressure; several of
//! the last few are. Owner of: the figures. Failure: none; without trouble for a minute the limit rises by itself.

use super::gate::Gate;
use super::step::Step;
use crate::reply::Reply;
use crate::smtp::response::{enhanced, lines};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The limit never falls below this many connections (or `max_connections`, if that is less).
const LEAST: usize = 2;
/// Weight of the newest transaction in the share of bad ones, and the share from which the limit falls.
const SHARE_WEIGHT: f64 = 0.25;
const SHARE_BAD: f64 = 0.3;
/// After the limit fell, what was under way before tells nothing new.
const FALL_PAUSE: Duration = Duration::from_secs(1);
/// A reply is slow if it takes longer than this, and than so many times the usual.
const SLOW_LEAST: f64 = 1.0;
const SLOW_TIMES: f64 = 4.0;
/// Weight of the newest reply time in the usual, and how many must be known.
const USUAL_WEIGHT: f64 = 0.05;
const USUAL_SAMPLES: u32 = 8;
/// Without trouble for so long the limit rises without being asked for.
const CALM: Duration = Duration::from_secs(60);

/// A limit that is lower than `max_connections`, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reduced {
    /// The limit now.
    pub limit: usize,
    /// What it fell for, last.
    pub why: String,
    /// Since when it is reduced, milliseconds since 1970.
    pub since_unix_ms: i64,
    /// What it fell for is over: it could not be reached, and can be again. The limit rises as it is used.
    #[serde(default)]
    pub recovering: bool,
}

/// The limit of one downstream; shared by the pool and its sessions.
#[derive(Debug)]
pub(super) struct Pressure {
    name: Arc<str>,
    gate: Arc<Gate>,
    max: usize,
    /// `backpressure` of the downstream.
    wanted: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: f64,
    /// Up to here the limit rises fast.
    fast_until: f64,
    /// When it rose last.
    rose: Option<Instant>,
    share: f64,
    usual: [Usual; 3],
    fell: Option<Instant>,
    trouble: Option<Instant>,
    reduced: Option<(String, i64)>,
    /// What the limit fell for last is that no session could be had, and whether one was had since.
    unreached: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Usual {
    seconds: f64,
    samples: u32,
}

impl Pressure {
    pub(super) fn new(name: Arc<str>, gate: Arc<Gate>, max: usize, wanted: bool) -> Arc<Self> {
        let state = State {
            limit: max as f64,
            fast_until: max as f64,
            rose: None,
            share: 0.0,
            usual: [Usual::default(); 3],
            fell: None,
            trouble: None,
            reduced: None,
            unreached: None,
        };
        Arc::new(Self { name, gate, max, wanted, state: Mutex::new(state) })
    }

    /// A reply that took so long. Returns whether it is pressure, and if so why.
    pub(super) fn replied(&self, step: Step, reply: &Reply, took: Duration) -> Option<String> {
        if !self.wanted {
            return None;
        }
        let seconds = took.as_secs_f64();
        let slow = self.lock().usual.get_mut(step.index()).and_then(|usual| usual.is_slow(seconds));
        if is_pressure(reply) {
            return Some(reply.to_log());
        }
        let usual = slow?;
        Some(format!("a reply took {seconds:.1} s, usually {usual:.1} s"))
    }

    /// A transaction came to its end without trouble. The limit rises by one for each, up to half of what it was
    /// when it fell; from there by one for as many as it is. A quick server has many in a second: it at most doubles
    /// in one, and later gains at most one.
    pub(super) fn good(&self, now: Instant) {
        if !self.wanted {
            return;
        }
        let mut state = self.lock();
        state.share *= 1.0 - SHARE_WEIGHT;
        if state.reduced.is_none() {
            return;
        }
        let before = state.rose.max(state.fell).unwrap_or(now);
        let seconds = now.duration_since(before).as_secs_f64().min(1.0);
        let (step, a_second) = if state.limit < state.fast_until {
            (1.0, state.limit)
        } else {
            (1.0 / state.limit.max(1.0), 1.0)
        };
        state.rose = Some(now);
        self.rise(state, f64::min(step, a_second * seconds));
    }

    /// No session could be had.
    pub(super) fn unreached(&self, why: &str, now: Instant) {
        self.bad(why, now);
        self.lock().unreached = Some(false);
    }

    /// A session was had. The limit stays and rises with what is taken: who just came back is not stormed.
    pub(super) fn reached(&self) {
        if let Some(again) = &mut self.lock().unreached {
            *again = true;
        }
    }

    /// A transaction met trouble; said once for each.
    pub(super) fn bad(&self, why: &str, now: Instant) {
        if !self.wanted {
            return;
        }
        let mut state = self.lock();
        state.share += SHARE_WEIGHT * (1.0 - state.share);
        state.unreached = None;
        state.trouble = Some(now);
        let lately = state.fell.is_some_and(|fell| now.duration_since(fell) < FALL_PAUSE);
        if state.share < SHARE_BAD || lately {
            return;
        }
        let least = LEAST.min(self.max) as f64;
        // From what is really in use: half of a limit that nobody reaches helps nobody.
        let from = state.limit.min(self.gate.load().in_use as f64);
        state.fast_until = (state.limit / 2.0).max(least);
        state.limit = (from / 2.0).floor().max(least);
        state.fell = Some(now);
        let limit = state.limit as usize;
        if limit >= self.max {
            return;
        }
        if state.reduced.is_none() {
            tracing::warn!(downstream = %self.name, limit, max_connections = self.max, why, "the mail server is under pressure, fewer connections from now on");
        }
        let since = state.reduced.as_ref().map_or_else(unix_ms, |(_, since)| *since);
        state.reduced = Some((why.to_owned(), since));
        drop(state);
        self.gate.set_limit(limit);
    }

    /// Called every few seconds: after a while without trouble the limit rises by itself.
    pub(super) fn calm(&self, now: Instant) {
        let state = self.lock();
        let calm = state.trouble.is_none_or(|trouble| now.duration_since(trouble) >= CALM);
        if calm && state.reduced.is_some() {
            let step = (self.max as f64 / 20.0).max(1.0);
            self.rise(state, step);
        }
    }

    fn rise(&self, mut state: MutexGuard<'_, State>, step: f64) {
        state.limit = (state.limit + step).min(self.max as f64);
        let limit = state.limit as usize;
        if limit >= self.max && state.reduced.take().is_some() {
            tracing::info!(downstream = %self.name, max_connections = self.max, "the mail server is well again");
        }
        drop(state);
        self.gate.set_limit(limit);
    }

    /// For people; `None` while all of `max_connections` may be used.
    pub(super) fn reduced(&self) -> Option<Reduced> {
        let state = self.lock();
        let (why, since) = state.reduced.as_ref()?;
        let recovering = state.unreached == Some(true);
        Some(Reduced { limit: state.limit as usize, why: why.clone(), since_unix_ms: *since, recovering })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Usual {
    /// Takes a sample. The usual time where this one is far above it.
    fn is_slow(&mut self, seconds: f64) -> Option<f64> {
        let before = self.seconds;
        let known = self.samples >= USUAL_SAMPLES;
        // The first ones count evenly, so that one of them does not stand for all.
        let weight = USUAL_WEIGHT.max(1.0 / f64::from(self.samples + 1));
        self.seconds += weight * (seconds - self.seconds);
        self.samples = self.samples.saturating_add(1).min(1000);
        (known && seconds > SLOW_LEAST && seconds > SLOW_TIMES * before).then_some(before)
    }
}

/// Whether a reply says that the server has trouble of its own.
fn is_pressure(reply: &Reply) -> bool {
    let subject = reply.relayed_lines().and_then(|raw| enhanced(lines(raw).next()?)).map(|code| code.1);
    match (reply.code(), subject) {
        (421, _) => true,
        // Mail system status and network status (RFC 3463 section 3.4 and 3.5).
        (400..=499, Some(subject)) => matches!(subject, 3 | 4),
        (451 | 452, None) => true,
        _ => false,
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::gate::{Kind, Place};
    use super::super::priority::Priority;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pressure(max: usize) -> (Arc<Pressure>, Arc<Gate>) {
        let gate = Gate::new(max);
        (Pressure::new("mx".into(), Arc::clone(&gate), max, true), gate)
    }

    async fn places(gate: &Arc<Gate>, count: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(gate.enter(Priority::Known, Kind::Shared, Duration::ZERO).await.unwrap());
        }
        places
    }

    fn reply(text: &str) -> Reply {
        Reply::relayed(text.get(..3).unwrap().parse().unwrap(), format!("{text}\r\n").as_bytes())
    }

    #[test]
    fn trouble_of_the_server_is_told_from_trouble_with_the_message() {
        for (text, want) in [
            ("421 4.7.0 too many", true),
            ("451 4.3.0 queue file write error", true),
            ("452 4.3.1 insufficient storage", true),
            ("450 4.3.2 system not accepting", true),
            ("451 4.4.1 no answer", true),
            ("451 try again later", true),
            ("452 no space", true),
            ("450 mailbox busy", false),
            ("451 4.7.1 greylisted", false),
            ("452 4.5.3 too many recipients", false),
            ("452 4.2.2 over quota", false),
            ("550 5.3.0 no", false),
            ("250 2.0.0 ok", false),
        ] {
            assert_eq!(is_pressure(&reply(text)), want, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_falls_by_halves_and_comes_back() {
        let (pressure, gate) = pressure(40);
        let busy = places(&gate, 20).await;
        pressure.bad("452", Instant::now());
        assert_eq!(pressure.reduced(), None, "one alone is none");
        pressure.bad("452", Instant::now());
        assert_eq!(gate.load().limit, 10);
        pressure.bad("452", Instant::now());
        assert_eq!(gate.load().limit, 10, "the same trouble again");
        for want in [5, 2, 2] {
            tokio::time::advance(FALL_PAUSE).await;
            pressure.bad("452 4.3.1 full", Instant::now());
            assert_eq!(gate.load().limit, want);
        }
        assert_eq!(pressure.reduced().unwrap().why, "452 4.3.1 full");
        drop(busy);
        let seconds = seconds_to_recover(&pressure, 1000).await;
        assert!((36..=40).contains(&seconds), "a quick server: {seconds}");
        assert_eq!(gate.load().limit, 40);
    }

    /// How long it takes with so many good messages a second.
    async fn seconds_to_recover(pressure: &Pressure, a_second: u32) -> u32 {
        for second in 0..10_000 {
            for _ in 0..a_second {
                if pressure.reduced().is_none() {
                    return second;
                }
                tokio::time::advance(Duration::from_secs(1) / a_second).await;
                pressure.good(Instant::now());
            }
        }
        panic!("it never recovers");
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_be_reached_again_recovers_and_is_not_told_to_be_away() {
        let (pressure, gate) = pressure(8);
        let _busy = places(&gate, 4).await;
        for _ in 0..2 {
            pressure.unreached("cannot connect", Instant::now());
        }
        assert!(!pressure.reduced().unwrap().recovering);
        pressure.reached();
        let reduced = pressure.reduced().unwrap();
        assert_eq!((reduced.limit, reduced.recovering), (2, true), "it is not stormed");
        pressure.bad("452 4.3.1 full", Instant::now());
        assert!(!pressure.reduced().unwrap().recovering, "that is another trouble, and a new one");
        pressure.reached();
        assert!(!pressure.reduced().unwrap().recovering, "a session says nothing about it");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_half_comes_back_fast() {
        let (pressure, gate) = pressure(100);
        let _busy = places(&gate, 4).await;
        pressure.bad("452", Instant::now());
        pressure.bad("452", Instant::now());
        assert_eq!(gate.load().limit, 2, "half of what was in use");
        let seconds = seconds_to_recover(&pressure, 100).await;
        // Seven seconds to 50, and one for each from there.
        assert!((50..60).contains(&seconds), "{seconds}");
        pressure.bad("452", Instant::now());
        pressure.bad("452", Instant::now());
        let seconds = seconds_to_recover(&pressure, 1).await;
        assert!(seconds > 1000, "few messages raise it slowly: {seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_among_many_are_no_pressure() {
        let (pressure, gate) = pressure(10);
        for n in 0..200 {
            if n % 10 == 0 {
                pressure.bad("451", Instant::now())
            } else {
                pressure.good(Instant::now())
            }
            tokio::time::advance(FALL_PAUSE).await;
        }
        assert_eq!((gate.load().limit, pressure.reduced()), (10, None));
    }

    #[tokio::test(start_paused = true)]
    async fn without_traffic_it_recovers_too() {
        let (pressure, gate) = pressure(100);
        pressure.bad("x", Instant::now());
        pressure.bad("x", Instant::now());
        assert_eq!(gate.load().limit, 2);
        for _ in 0..12 {
            tokio::time::advance(Duration::from_secs(5)).await;
            pressure.calm(Instant::now());
        }
        assert_eq!(gate.load().limit, 7);
        for _ in 0..20 {
            pressure.calm(Instant::now());
        }
        assert_eq!((gate.load().limit, pressure.reduced()), (100, None));
    }

    #[test]
    fn slow_is_what_is_slower_than_usual() {
        let (pressure, _gate) = pressure(10);
        let good = reply("250 ok");
        let slow = |step, ms| pressure.replied(step, &good, ms * MS).is_some();
        assert!(!slow(Step::Envelope, 9000), "nothing is usual yet");
        for _ in 0..200 {
            assert!(!slow(Step::Envelope, 20));
            assert!(!slow(Step::Message, 2000));
        }
        assert!(!slow(Step::Envelope, 900), "below a second nobody waits");
        assert!(slow(Step::Envelope, 1500));
        assert!(!slow(Step::Message, 6000));
        assert!(slow(Step::Message, 12_000));
        // Always slow is usual one day.
        let told = (0..100).filter(|_| slow(Step::Envelope, 3000)).count();
        assert!((1..30).contains(&told), "{told}");
    }

    #[test]
    fn it_can_be_switched_off() {
        let gate = Gate::new(8);
        let pressure = Pressure::new("mx".into(), Arc::clone(&gate), 8, false);
        for _ in 0..100 {
            assert_eq!(pressure.replied(Step::Message, &reply("452 4.3.1 full"), MS), None);
            pressure.bad("x", Instant::now());
        }
        assert_eq!((gate.load().limit, pressure.reduced()), (8, None));
    }
}
