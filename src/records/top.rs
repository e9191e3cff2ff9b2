//! Who sends most, in bounded memory: for each dimension the busiest sources, with counts by window.
//!
//! A dimension has room for a fixed number of sources. A newcomer takes the place of the least busy of a few that
//! are drawn by lot (busy: events, halved every hour), so a flood of sources that are seen once cannot push out one
//! that is busy. A source that comes back begins anew; `since` says from when its counts are.

use super::key::{Key, Prefix, cut};
use super::keyed::Keyed;
use super::window::{Counts, History, Window};
use crate::mail::Id;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sources of one dimension.
pub(super) const SOURCES_MAX: usize = 20_000;
/// Sources that draw lots when one must go.
const LOTS: usize = 8;
/// In seconds.
const HALF_LIFE: f32 = 3600.0;

/// What sources are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Client address.
    Ip,
    /// Its /24, or /64 for IPv6.
    Prefix,
    /// Envelope sender.
    Sender,
    /// Its domain.
    SenderDomain,
    /// Recipient.
    Recipient,
    /// Its domain.
    RecipientDomain,
    /// Check or rule that found something.
    Rule,
}

impl By {
    /// All of them.
    pub const EACH: [Self; 7] = [
        Self::Ip,
        Self::Prefix,
        Self::Sender,
        Self::SenderDomain,
        Self::Recipient,
        Self::RecipientDomain,
        Self::Rule,
    ];
}

/// What rows are sorted by, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Messages.
    Messages,
    /// Connections.
    Connections,
    /// Refused.
    Refused,
    /// Octets of messages.
    Bytes,
    /// Growth against the source's own past.
    Growth,
}

/// Something that a source did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    /// Seconds since 1970.
    pub(super) at: u32,
    /// What.
    pub(super) counts: Counts,
    /// The record that tells of it.
    pub(super) sample: Option<Id>,
    /// Not recalled from the records of an earlier process.
    pub(super) live: bool,
}

/// One source.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// Its name.
    pub key: String,
    /// Counted since, seconds since 1970.
    pub since: u32,
    /// In the window that was asked for.
    pub counts: Counts,
    /// How many times more than its own past lets expect.
    pub growth: f64,
    /// In every window: 1m, 5m, 1h, 24h, since the start.
    pub windows: [Counts; 5],
    /// Reference of its last record, for `explain`.
    pub sample: Option<String>,
}

/// What `top` answers.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct TopReport {
    /// Dimension.
    pub by: By,
    /// Window.
    pub window: Window,
    /// Sources that are counted.
    pub sources: usize,
    /// Sources that had to make room since the start.
    pub evicted: u64,
    /// The busiest.
    pub rows: Vec<Row>,
}

/// The counters.
pub struct Top {
    ip: Mutex<Sources<IpAddr>>,
    prefix: Mutex<Sources<Prefix>>,
    sender: Mutex<Sources<Box<str>>>,
    sender_domain: Mutex<Sources<Box<str>>>,
    recipient: Mutex<Sources<Box<str>>>,
    recipient_domain: Mutex<Sources<Box<str>>>,
    rule: Mutex<Sources<Box<str>>>,
    /// The oldest event that was counted.
    began: AtomicU32,
}

impl Top {
    pub(super) fn new(sources_max: usize) -> Self {
        let named = || Mutex::new(Sources::new(sources_max));
        Self {
            ip: Mutex::new(Sources::new(sources_max)),
            prefix: Mutex::new(Sources::new(sources_max)),
            sender: named(),
            sender_domain: named(),
            recipient: named(),
            recipient_domain: named(),
            rule: named(),
            began: AtomicU32::new(u32::MAX),
        }
    }

    /// Counts an event of a client: of its address and of its prefix.
    pub(super) fn count_client(&self, ip: IpAddr, event: &Event) {
        self.began.fetch_min(event.at, Ordering::Relaxed);
        locked(&self.ip).count(&ip, event);
        locked(&self.prefix).count(&Prefix::of(ip), event);
    }

    /// Counts an event of one source that has a name; clients have addresses, see [`Top::count_client`].
    pub(super) fn count(&self, by: By, key: &str, event: &Event) {
        self.began.fetch_min(event.at, Ordering::Relaxed);
        let sources = match by {
            By::Ip | By::Prefix => return,
            By::Sender => &self.sender,
            By::SenderDomain => &self.sender_domain,
            By::Recipient => &self.recipient,
            By::RecipientDomain => &self.recipient_domain,
            By::Rule => &self.rule,
        };
        locked(sources).count(cut(key), event);
    }

    /// The busiest sources. `now`: seconds since 1970.
    #[must_use]
    pub fn rows(&self, by: By, window: Window, most: usize, sort: Sort, now: u32) -> TopReport {
        let known = now.saturating_sub(self.began.load(Ordering::Relaxed));
        let wanted = Wanted { by, window, most, sort, now, known };
        match by {
            By::Ip => locked(&self.ip).rows(&wanted),
            By::Prefix => locked(&self.prefix).rows(&wanted),
            By::Sender => locked(&self.sender).rows(&wanted),
            By::SenderDomain => locked(&self.sender_domain).rows(&wanted),
            By::Recipient => locked(&self.recipient).rows(&wanted),
            By::RecipientDomain => locked(&self.recipient_domain).rows(&wanted),
            By::Rule => locked(&self.rule).rows(&wanted),
        }
    }

    /// Octets of memory in use, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let names = [&self.sender, &self.sender_domain, &self.recipient, &self.recipient_domain, &self.rule];
        let names: usize = names.into_iter().map(|sources| locked(sources).memory()).sum();
        locked(&self.ip).memory() + locked(&self.prefix).memory() + names
    }
}

fn locked<K>(sources: &Mutex<Sources<K>>) -> MutexGuard<'_, Sources<K>> {
    sources.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which rows are asked for.
struct Wanted {
    by: By,
    window: Window,
    most: usize,
    sort: Sort,
    now: u32,
    /// Seconds for which anything is known.
    known: u32,
}

struct Source<K> {
    key: K,
    hash: u64,
    total: Counts,
    history: History,
    sample: Option<Id>,
    since: u32,
    score: f32,
    scored: u32,
}

impl<K: Key> Source<K> {
    fn within(&self, window: Window, now: u32) -> Counts {
        match window {
            Window::All => self.total,
            Window::Minute | Window::FiveMinutes | Window::Hour | Window::Day => {
                self.history.within(window, now)
            }
        }
    }

    fn score(&self, now: u32) -> f32 {
        match now.saturating_sub(self.scored) {
            // Most events come within a second of the one before.
            0 => self.score,
            past => self.score * (-(past as f32) / HALF_LIFE).exp2(),
        }
    }

    fn count(&mut self, event: &Event) {
        self.score = self.score(event.at) + event.counts.activity().max(1) as f32;
        self.scored = event.at.max(self.scored);
        self.history.count(event.at, &event.counts);
        if event.live {
            self.total.add(&event.counts);
        }
        self.sample = event.sample.or(self.sample);
    }

    fn row(&self, counts: Counts, wanted: &Wanted) -> Row {
        Row {
            key: self.key.name(),
            since: self.since,
            counts,
            growth: self.history.growth(wanted.window, wanted.now, wanted.known),
            windows: Window::EACH.map(|w| self.within(w, wanted.now)),
            sample: self.sample.map(|id| id.to_string()),
        }
    }
}

/// The sources of one dimension.
struct Sources<K> {
    /// Where in `slab` the source of this hash is. The hash is keyed; of two sources that share one (never, in
    /// practice) the second is not counted.
    at: Keyed<u32>,
    slab: Vec<Source<K>>,
    max: usize,
    hasher: RandomState,
    lots: u64,
    evicted: u64,
}

impl<K: Key> Sources<K> {
    fn new(max: usize) -> Self {
        let hasher = RandomState::new();
        let lots = hasher.hash_one(0) | 1;
        Self { at: Keyed::default(), slab: Vec::new(), max, hasher, lots, evicted: 0 }
    }

    fn count(&mut self, key: &K::Asked, event: &Event) {
        let hash = self.hasher.hash_one(key);
        if let Some(source) = self.at.get(&hash).and_then(|at| self.slab.get_mut(*at as usize)) {
            if source.key.is(key) {
                source.count(event);
            }
            return;
        }
        let mut source = Source {
            key: K::new(key),
            hash,
            total: Counts::default(),
            history: History::default(),
            sample: None,
            since: event.at,
            score: 0.0,
            scored: event.at,
        };
        source.count(event);
        let place = if self.slab.len() < self.max { self.slab.len() } else { self.least_busy(event.at) };
        match self.slab.get_mut(place) {
            Some(slot) => {
                self.at.remove(&slot.hash);
                self.evicted += 1;
                *slot = source;
            }
            None => {
                if self.slab.len() == self.slab.capacity() {
                    // Doubling would leave up to half of it empty.
                    self.slab.reserve_exact((self.max / 16).max(16));
                }
                self.slab.push(source);
            }
        }
        self.at.insert(hash, place as u32);
    }

    fn least_busy(&mut self, now: u32) -> usize {
        let mut least = (f32::INFINITY, 0);
        for _ in 0..LOTS {
            // xorshift64: the lots only need to be even.
            self.lots ^= self.lots << 13;
            self.lots ^= self.lots >> 7;
            self.lots ^= self.lots << 17;
            let at = (self.lots % self.slab.len().max(1) as u64) as usize;
            let score = self.slab.get(at).map_or(f32::INFINITY, |s| s.score(now));
            if score < least.0 {
                least = (score, at);
            }
        }
        least.1
    }

    fn rows(&self, wanted: &Wanted) -> TopReport {
        let Wanted { by, window, most, sort, now, known } = *wanted;
        let rank = |counts: &Counts, source: &Source<K>| match sort {
            Sort::Messages => f64::from(counts.messages),
            Sort::Connections => f64::from(counts.connections),
            Sort::Refused => f64::from(counts.refused),
            Sort::Bytes => counts.octets as f64,
            Sort::Growth => source.history.growth(window, now, known),
        };
        let mut ranked: Vec<(f64, Counts, &Source<K>)> = self
            .slab
            .iter()
            .map(|source| (source.within(window, now), source))
            .filter(|(counts, _)| *counts != Counts::default())
            .map(|(counts, source)| (rank(&counts, source), counts, source))
            .collect();
        ranked.sort_by(|a, b| {
            let by_activity = || b.1.activity().cmp(&a.1.activity());
            b.0.total_cmp(&a.0).then_with(by_activity).then_with(|| a.2.key.cmp(&b.2.key))
        });
        TopReport {
            by,
            window,
            sources: self.slab.len(),
            evicted: self.evicted,
            rows: ranked.iter().take(most).map(|(_, counts, source)| source.row(*counts, wanted)).collect(),
        }
    }

    fn memory(&self) -> usize {
        let heap: usize = self.slab.iter().map(|s| s.key.heap() + s.history.heap()).sum();
        let each = size_of::<Source<K>>();
        heap + self.slab.capacity() * each + self.at.capacity() * (size_of::<(u64, u32)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const START: u32 = 1_800_000_000;

    fn event(at: u32, messages: u32) -> Event {
        let counts = Counts { connections: 1, messages, refused: 0, octets: 1000 * u64::from(messages) };
        Event { at, counts, sample: None, live: true }
    }

    fn keys(report: &TopReport) -> Vec<&str> {
        report.rows.iter().map(|r| r.key.as_str()).collect()
    }

    #[test]
    fn every_window_sorts_by_itself() {
        let top = Top::new(100);
        // Much in the morning, a steady trickle, and a burst just now.
        for n in 0..1000 {
            top.count(By::Sender, "morning", &event(START + n, 1));
        }
        for n in 0..700 {
            top.count(By::Sender, "steady", &event(START + n * 60, 1));
        }
        let now = START + 700 * 60;
        for n in 0..200 {
            top.count(By::Sender, "burst", &event(now - 100 + n / 2, 1));
        }
        let sorted = |window, sort| {
            let report = top.rows(By::Sender, window, 10, sort, now);
            keys(&report).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(sorted(Window::Day, Sort::Messages), ["morning", "steady", "burst"]);
        assert_eq!(sorted(Window::Hour, Sort::Messages), ["burst", "steady"]);
        assert_eq!(sorted(Window::FiveMinutes, Sort::Growth), ["burst", "steady"]);
        assert_eq!(sorted(Window::All, Sort::Bytes), ["morning", "steady", "burst"]);
        assert_eq!(top.rows(By::Sender, Window::Day, 1, Sort::Messages, now).rows.len(), 1);
        assert!(top.rows(By::Rule, Window::All, 9, Sort::Messages, now).rows.is_empty());
    }

    #[test]
    fn a_busy_source_outlasts_a_hundred_thousand_that_are_seen_once() {
        let top = Top::new(SOURCES_MAX);
        for n in 0..100_000u32 {
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string();
            top.count(By::Sender, &ip, &event(START + n / 1000, 1));
            top.count_client(ip.parse().unwrap(), &event(START + n / 1000, 1));
            if n % 100 == 0 {
                top.count(By::Sender, "192.0.2.7", &event(START + n / 1000, 5));
            }
        }
        let report = top.rows(By::Sender, Window::FiveMinutes, 3, Sort::Messages, START + 100);
        assert_eq!((report.rows[0].key.as_str(), report.rows[0].counts.messages), ("192.0.2.7", 5000));
        assert_eq!(report.sources, SOURCES_MAX);
        let octets = locked(&top.sender).memory().max(locked(&top.ip).memory());
        println!("{SOURCES_MAX} sources of 100,001: {octets} octets, {} each", octets / SOURCES_MAX);
        assert!(octets / SOURCES_MAX < 200, "{octets}");
    }

    #[test]
    fn what_is_recalled_is_in_the_windows_and_not_in_the_start() {
        let top = Top::new(10);
        top.count(By::Rule, "r", &Event { live: false, ..event(START, 3) });
        let report = top.rows(By::Rule, Window::Hour, 5, Sort::Messages, START);
        assert_eq!((report.rows[0].counts.messages, report.rows[0].windows[4].messages), (3, 0));
        assert!(top.rows(By::Rule, Window::All, 5, Sort::Messages, START).rows.is_empty());
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --lib -- --ignored --nocapture measure"]
    fn measure_count() {
        let top = Top::new(SOURCES_MAX);
        let names: Vec<String> = (0..50_000).map(|n| format!("user{n}@example.com")).collect();
        let began = Instant::now();
        for (n, name) in names.iter().cycle().take(1_000_000).enumerate() {
            top.count(By::Sender, name, &event(START + n as u32 / 1000, 1));
        }
        println!("count: {:?} each, all places taken", began.elapsed() / 1_000_000);
        let began = Instant::now();
        let report = top.rows(By::Sender, Window::Hour, 20, Sort::Growth, START + 1000);
        println!(
            "rows of {}: {:?}, memory {}",
            report.sources,
            began.elapsed(),
            locked(&top.sender).memory()
        );
    }
}
