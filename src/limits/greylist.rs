//! Greylisting (RFC 6647): who comes for the first time waits, who comes back in time passes, and clients that have
//! proved themselves are not asked any more.
//!
//! Owner of three tables and of `greylist.log`: triplets that wait, triplets that passed, and proven pairs of client
//! and sender domain. Those that wait have half of the entries of the policy and those that passed the other half, so
//! that a flood of senders that never come back pushes out its own kind only. Beyond a bound the oldest goes, and it
//! waits once more. A line of the file is a letter, a digest in hexadecimal, and times in seconds since 1970.

use super::journal::Journal;
use super::recent::Recent;
use super::subject::seconds;
use super::triplet::{pair, triplet};
use crate::config::model::Limits as Policy;
use crate::mail;
use crate::rules::Mode;
use crate::verdict::Grey;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most proven pairs.
const PROVEN_MAX: usize = 100_000;
/// Most triplets that are read from the file: the policy's bound is not known there yet.
const READ_MAX: usize = 2_000_000;
/// A use of something known is written down when the last one that was is older than this, in seconds.
const WRITE_AFTER: i64 = 3600;
/// Entries that are looked at or let go of while the lock is held, and how often one sweep takes it.
const PIECE: usize = 1000;
const PIECES: usize = 100;

/// What greylisting remembers.
pub struct Greylisting {
    tables: Arc<Shared>,
    journal: Journal,
}

type Shared = Mutex<Tables>;

struct Tables {
    /// Since when each waits.
    waiting: Recent<u128, i64>,
    /// When each passed last, as it was written down.
    passed: Recent<u128, i64>,
    proven: Recent<u128, Proven>,
    /// `window` and `lifetime` as they were asked with last.
    keep: (i64, i64),
}

#[derive(Debug, Clone, Copy)]
struct Proven {
    messages: u32,
    /// Of the last message, as it was written down.
    last: i64,
}

/// A line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Waits(u128, i64),
    Passed(u128, i64),
    Proven(u128, i64, u32),
}

impl Line {
    fn text(self) -> String {
        match self {
            Self::Waits(key, since) => format!("w {key:032x} {since}"),
            Self::Passed(key, last) => format!("p {key:032x} {last}"),
            Self::Proven(key, last, messages) => format!("c {key:032x} {last} {messages}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let kind = words.next()?;
        let key = u128::from_str_radix(words.next()?, 16).ok()?;
        let time = words.next()?.parse().ok()?;
        let line = match kind {
            "w" => Self::Waits(key, time),
            "p" => Self::Passed(key, time),
            "c" => Self::Proven(key, time, words.next()?.parse().ok()?),
            _ => return None,
        };
        words.next().is_none().then_some(line)
    }
}

impl Tables {
    fn new() -> Self {
        let proven = Recent::new(PROVEN_MAX);
        Self { waiting: Recent::new(READ_MAX), passed: Recent::new(READ_MAX), proven, keep: (0, 0) }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Waits(key, since) => self.waiting.insert(key, since),
            Line::Passed(key, last) => {
                self.waiting.remove(&key);
                self.passed.insert(key, last);
            }
            Line::Proven(key, last, messages) => self.proven.insert(key, Proven { messages, last }),
        }
    }

    /// One step of a triplet; what is to be written down of it.
    fn step(&mut self, key: u128, policy: &Policy, now: i64) -> (Grey, Option<Line>) {
        let grey = &policy.greylist;
        let (delay, window) = (seconds(grey.delay), seconds(grey.window));
        if let Some(last) = self.passed.touch(&key) {
            if now - *last < seconds(grey.lifetime) {
                let old = now - *last >= WRITE_AFTER || *last > now;
                *last = if old { now } else { *last };
                return (Grey::Passed, old.then_some(Line::Passed(key, now)));
            }
            self.passed.remove(&key);
        }
        // Not touched: those that wait are in the order of their first tries.
        match self.waiting.peek(&key).map(|since| now - since) {
            Some(waited) if (0..delay).contains(&waited) => (wait(delay - waited), None),
            Some(waited) if (0..=window.max(delay)).contains(&waited) => self.pass(key, now),
            Some(_) | None if delay == 0 => self.pass(key, now),
            Some(_) | None => {
                self.waiting.insert(key, now);
                (wait(delay), Some(Line::Waits(key, now)))
            }
        }
    }

    fn pass(&mut self, key: u128, now: i64) -> (Grey, Option<Line>) {
        self.waiting.remove(&key);
        self.passed.insert(key, now);
        (Grey::Passed, Some(Line::Passed(key, now)))
    }

    /// Whether the pair has proved itself; what the policy calls so may change.
    fn is_proven(&mut self, key: u128, policy: &Policy, now: i64) -> bool {
        let grey = &policy.greylist;
        let enough =
            |p: &mut Proven| p.messages >= grey.proven_after && now - p.last < seconds(grey.lifetime);
        grey.proven_after > 0 && self.proven.touch(&key).is_some_and(enough)
    }

    /// One more message of a pair; what is to be written down of it.
    fn prove(&mut self, key: u128, policy: &Policy, now: i64) -> Option<Line> {
        let before = self.proven.touch(&key).filter(|p| now - p.last < seconds(policy.greylist.lifetime));
        let (messages, last) = before.map_or((0, i64::MIN), |p| (p.messages, p.last));
        let messages = messages.saturating_add(1);
        if messages > policy.greylist.proven_after && (0..WRITE_AFTER).contains(&now.saturating_sub(last)) {
            return None;
        }
        self.proven.insert(key, Proven { messages, last: now });
        Some(Line::Proven(key, now, messages))
    }

    fn fit(&mut self, policy: &Policy) {
        let half = policy.greylist.entries / 2;
        self.waiting.set_max(half);
        self.passed.set_max(policy.greylist.entries - half);
        self.keep = (seconds(policy.greylist.window), seconds(policy.greylist.lifetime));
    }
}

fn wait(seconds: i64) -> Grey {
    Grey::Wait { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
}

impl Greylisting {
    /// What is remembered in that state directory.
    ///
    /// # Errors
    /// `greylist.log` can be neither read nor made.
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        let tables = Arc::new(Mutex::new(Tables::new()));
        let all = Arc::clone(&tables);
        let take = |text: &str| Line::parse(text).map(|line| lock(&tables).take(line)).is_some();
        let journal = Journal::open(state_dir.join("greylist.log"), take, Box::new(move || snapshot(&all)))?;
        Ok(Self { tables, journal })
    }

    /// Whether this triplet has to wait. Takes down that it was here; with `mode = "off"` everybody has passed.
    pub fn ask(
        &self,
        client: IpAddr,
        sender: &mail::Path,
        recipient: &mail::Path,
        policy: &Policy,
        now: i64,
    ) -> Grey {
        if policy.greylist.mode == Mode::Off {
            return Grey::Passed;
        }
        let triplet = triplet(client, sender, recipient, &policy.connections);
        let pair = pair(client, sender, &policy.connections);
        let mut tables = lock(&self.tables);
        tables.fit(policy);
        if tables.is_proven(pair, policy, now) {
            return Grey::Proven;
        }
        let (grey, line) = tables.step(triplet, policy, now);
        self.write(line);
        grey
    }

    /// A message of that client and sender was delivered.
    pub fn delivered(&self, client: IpAddr, sender: &mail::Path, policy: &Policy, now: i64) {
        if policy.greylist.mode != Mode::Off && policy.greylist.proven_after > 0 {
            let pair = pair(client, sender, &policy.connections);
            let mut tables = lock(&self.tables);
            let line = tables.prove(pair, policy, now);
            self.write(line);
        }
    }

    /// How many triplets wait, how many passed, and how many pairs of client and sender domain are known.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let tables = lock(&self.tables);
        (tables.waiting.len(), tables.passed.len(), tables.proven.len())
    }

    /// Forgets what is over, as the policy was asked with last.
    pub(super) fn sweep(&self, now: i64) {
        for _ in 0..PIECES {
            let mut tables = lock(&self.tables);
            let (window, lifetime) = tables.keep;
            if lifetime == 0 {
                return;
            }
            let waiting = tables.waiting.drop_while(PIECE, |since| since + window < now);
            let passed = tables.passed.drop_while(PIECE, |last| last + lifetime < now);
            let proven = tables.proven.drop_while(PIECE, |proven| proven.last + lifetime < now);
            if waiting.max(passed).max(proven) < PIECE {
                return;
            }
        }
    }

    pub(super) fn save(&self) {
        self.journal.save();
    }

    /// Called with the tables locked, so that lines stand in the order of what happened.
    fn write(&self, line: Option<Line>) {
        if let Some(line) = line {
            self.journal.line(line.text());
        }
    }
}

fn lock(tables: &Shared) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All tables as lines, the oldest first. Sessions wait for one piece at most.
fn snapshot(tables: &Shared) -> Vec<u8> {
    let mut all = Vec::new();
    piecewise(tables, |t| &t.waiting, |key, since| all.push((*since, Line::Waits(*key, *since))));
    piecewise(tables, |t| &t.passed, |key, last| all.push((*last, Line::Passed(*key, *last))));
    piecewise(tables, |t| &t.proven, |key, p| all.push((p.last, Line::Proven(*key, p.last, p.messages))));
    all.sort_by_key(|(time, _)| *time);
    let mut out = String::new();
    for (_, line) in all {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line.text());
    }
    out.into_bytes()
}

fn piecewise<V>(
    tables: &Shared,
    which: impl Fn(&Tables) -> &Recent<u128, V>,
    mut look: impl FnMut(&u128, &V),
) {
    let mut from = 0;
    loop {
        let tables = lock(tables);
        let table = which(&tables);
        if from >= table.places() {
            return;
        }
        (from..from + PIECE).filter_map(|at| table.place(at)).for_each(|(key, value)| look(key, value));
        from += PIECE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Greylist, Limits};
    use std::time::{Duration, Instant};

    const DELAY: i64 = 900;
    const WINDOW: i64 = 6 * 3600;
    const LIFETIME: i64 = 36 * 24 * 3600;

    fn policy(entries: usize) -> Limits {
        let of = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
        let (delay, window, lifetime) = (of(DELAY), of(WINDOW), of(LIFETIME));
        let greylist = Greylist {
            mode: Mode::On,
            delay,
            window,
            lifetime,
            proven_after: 3,
            entries,
            ..Greylist::default()
        };
        Limits { greylist, ..Limits::default() }
    }

    fn path(text: &str) -> mail::Path {
        mail::Path::parse(text.as_bytes()).unwrap().0
    }

    fn ask(grey: &Greylisting, sender: &str, now: i64) -> Grey {
        let ip = "192.0.2.1".parse().unwrap();
        grey.ask(ip, &path(sender), &path("<alice@example.net>"), &policy(1000), now)
    }

    fn wait(seconds: u32) -> Grey {
        Grey::Wait { seconds }
    }

    #[test]
    fn who_comes_back_in_time_passes_and_stays_known() {
        let dir = tempfile::tempdir().unwrap();
        let grey = Greylisting::open(dir.path()).unwrap();
        let sender = "<bob@example.com>";
        assert_eq!(ask(&grey, sender, 1000), wait(900));
        assert_eq!(ask(&grey, sender, 1100), wait(800));
        assert_eq!(ask(&grey, sender, 1899), wait(1));
        assert_eq!(ask(&grey, sender, 1900), Grey::Passed);
        assert_eq!(ask(&grey, sender, 1900 + LIFETIME - 1), Grey::Passed);
        assert_eq!(ask(&grey, sender, 1900 + 2 * LIFETIME - 2), Grey::Passed, "used within its lifetime");
        assert_eq!(ask(&grey, sender, 1900 + 4 * LIFETIME), wait(900));
    }

    #[test]
    fn who_comes_too_late_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let grey = Greylisting::open(dir.path()).unwrap();
        assert_eq!(ask(&grey, "<a@example.com>", 0), wait(900));
        assert_eq!(ask(&grey, "<a@example.com>", WINDOW + 1), wait(900));
        assert_eq!(ask(&grey, "<a@example.com>", WINDOW + 901), Grey::Passed);
        assert_eq!(ask(&grey, "<b@example.com>", 5000), wait(900));
        assert_eq!(ask(&grey, "<b@example.com>", 10), wait(900), "the clock was set back");
    }

    #[test]
    fn proven_clients_are_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let grey = Greylisting::open(dir.path()).unwrap();
        let ip = "192.0.2.77".parse().unwrap();
        for n in 0..3 {
            assert_ne!(ask(&grey, "<x@example.com>", n), Grey::Proven);
            grey.delivered(ip, &path("<bob@Example.com>"), &policy(1000), n);
        }
        assert_eq!(ask(&grey, "<y@example.com>", 3), Grey::Proven);
        assert_eq!(ask(&grey, "<y@example.org>", 3), wait(900));
        assert_eq!(ask(&grey, "<>", 3), wait(900));
        assert_eq!(ask(&grey, "<y@example.com>", LIFETIME + 3), wait(900));
        grey.delivered(ip, &path("<bob@Example.com>"), &policy(1000), LIFETIME + 3);
        assert_eq!(ask(&grey, "<z@example.com>", LIFETIME + 4), wait(900), "and counts anew");
    }

    #[test]
    fn it_is_there_after_a_kill_and_after_a_compaction() {
        let dir = tempfile::tempdir().unwrap();
        let grey = Greylisting::open(dir.path()).unwrap();
        ask(&grey, "<waits@example.com>", 1000);
        ask(&grey, "<passed@example.com>", 1000);
        ask(&grey, "<passed@example.com>", 1900);
        for n in 0..5 {
            grey.delivered("192.0.2.9".parse().unwrap(), &path("<a@proven.example>"), &policy(1000), n);
        }
        grey.journal.save();
        let whole = snapshot(&grey.tables);
        // As after kill -9: nothing of it runs on.
        std::mem::forget(grey);
        for compacted in [false, true] {
            if compacted {
                std::fs::write(dir.path().join("greylist.log"), &whole).unwrap();
            }
            let grey = Greylisting::open(dir.path()).unwrap();
            assert_eq!(grey.counts(), (1, 1, 1), "{compacted}");
            assert_eq!(ask(&grey, "<waits@example.com>", 1100), wait(800));
            assert_eq!(ask(&grey, "<passed@example.com>", 2000), Grey::Passed);
            assert_eq!(ask(&grey, "<b@proven.example>", 2000), Grey::Proven);
        }
    }

    #[test]
    fn lines_read_as_they_are_written_and_nothing_else_does() {
        for line in [Line::Waits(1, 2), Line::Passed(u128::MAX, -3), Line::Proven(5, 6, 7)] {
            assert_eq!(Line::parse(&line.text()), Some(line));
        }
        for text in
            ["", "w", "w 1", "x 1 2", "w 1 2 3", "c 1 2", "w zz 2", "w 1 x", "p 1 99999999999999999999"]
        {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_flood_pushes_out_its_own_kind_only() {
        let dir = tempfile::tempdir().unwrap();
        let grey = Greylisting::open(dir.path()).unwrap();
        ask(&grey, "<good@example.com>", 0);
        assert_eq!(ask(&grey, "<good@example.com>", 900), Grey::Passed);
        let began = Instant::now();
        let (to, policy) = (path("<alice@example.net>"), policy(20_000));
        for n in 0..100_000u32 {
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into();
            grey.ask(ip, &path("<spam@example.org>"), &to, &policy, 1000);
        }
        println!("100,000 tries of strangers: {} ns each", began.elapsed().as_nanos() / 100_000);
        assert_eq!(grey.counts(), (10_000, 1, 0));
        assert_eq!(ask(&grey, "<good@example.com>", 1001), Grey::Passed);
        grey.sweep(1001 + WINDOW);
        assert_eq!(grey.counts(), (0, 1, 0));
    }
}
