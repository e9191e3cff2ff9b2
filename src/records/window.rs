//! Counts of one source over time: coarse buckets that grow coarser with age, and none for time without events.
//!
//! A bucket belongs to a window as long as a part of it does: a window is never shorter than its name, and by one
//! bucket longer at most (15 s of a minute, 1 min of 5, 10 min of an hour, 2 h of a day).

/// How far back is counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, Default, PartialOrd, Ord,
)]
pub enum Window {
    /// One minute.
    #[serde(rename = "1m")]
    Minute,
    /// Five minutes.
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour.
    #[serde(rename = "1h")]
    Hour,
    /// One day.
    #[serde(rename = "24h")]
    Day,
    /// Since the start.
    #[serde(rename = "all")]
    All,
}

impl Window {
    /// All of them.
    pub const EACH: [Self; 5] = [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day, Self::All];

    /// Its length in seconds; none since the start.
    #[must_use]
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Minute => Some(60),
            Self::FiveMinutes => Some(300),
            Self::Hour => Some(3600),
            Self::Day => Some(86_400),
            Self::All => None,
        }
    }

    /// Its buckets, in seconds; each divides the next.
    fn grid(self) -> u32 {
        match self {
            Self::Minute => 15,
            Self::FiveMinutes => 60,
            Self::Hour => 600,
            Self::Day | Self::All => 7200,
        }
    }

    /// What a source is measured against: the time before the window that is still known.
    fn past(self) -> Option<Self> {
        match self {
            Self::Minute | Self::FiveMinutes => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day | Self::All => None,
        }
    }
}

/// What a source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Connections.
    pub connections: u32,
    /// Messages; for a rule: how often it was found.
    pub messages: u32,
    /// Of connections and messages, refused.
    pub refused: u32,
    /// Octets of messages.
    pub octets: u64,
}

impl Counts {
    /// Adds.
    pub fn add(&mut self, more: &Self) {
        self.connections = self.connections.saturating_add(more.connections);
        self.messages = self.messages.saturating_add(more.messages);
        self.refused = self.refused.saturating_add(more.refused);
        self.octets = self.octets.saturating_add(more.octets);
    }

    /// Everything that it did, for growth.
    #[must_use]
    pub fn activity(&self) -> u64 {
        u64::from(self.connections) + u64::from(self.messages)
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Begin, seconds since 1970.
    start: u32,
    counts: Counts,
}

/// The buckets of one source, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    buckets: Vec<Bucket>,
}

/// How old is dropped, or how coarse its bucket is now.
fn grid_at(start: u32, now: u32) -> Option<u32> {
    let windows = [Window::Minute, Window::FiveMinutes, Window::Hour, Window::Day];
    windows.into_iter().find(|w| reaches(start, *w, now)).map(Window::grid)
}

/// Whether the bucket of this begin is in the window.
fn reaches(start: u32, window: Window, now: u32) -> bool {
    let Some(length) = window.seconds() else { return true };
    let grid = window.grid();
    (start - start % grid).saturating_add(grid).saturating_add(length) > now
}

impl History {
    /// Counts at `now`, seconds since 1970. A clock that goes back counts in the newest bucket.
    pub(super) fn count(&mut self, now: u32, counts: &Counts) {
        let start = now - now % Window::Minute.grid();
        if let Some(last) = self.buckets.last_mut().filter(|b| b.start >= start) {
            last.counts.add(counts);
            return;
        }
        self.age(now);
        if self.buckets.capacity() == 0 {
            // Most sources are seen once.
            self.buckets.reserve_exact(1);
        }
        self.buckets.push(Bucket { start, counts: *counts });
    }

    fn age(&mut self, now: u32) {
        let mut kept = 0usize;
        for at in 0..self.buckets.len() {
            let Some(mut bucket) = self.buckets.get(at).copied() else { break };
            let Some(grid) = grid_at(bucket.start, now) else { continue };
            bucket.start -= bucket.start % grid;
            match kept.checked_sub(1).and_then(|k| self.buckets.get_mut(k)) {
                Some(before) if before.start == bucket.start => before.counts.add(&bucket.counts),
                _ => {
                    if let Some(slot) = self.buckets.get_mut(kept) {
                        *slot = bucket;
                    }
                    kept += 1;
                }
            }
        }
        self.buckets.truncate(kept);
    }

    /// What it did in the window; nothing since the start, which is counted elsewhere.
    pub(super) fn within(&self, window: Window, now: u32) -> Counts {
        let mut sum = Counts::default();
        for bucket in self.buckets.iter().rev().take_while(|b| reaches(b.start, window, now)) {
            sum.add(&bucket.counts);
        }
        sum
    }

    /// How many times more it does in the window than before it: its activity over what its own past (the rest of
    /// the hour, or of the day) lets expect, plus one, so that a newcomer's first message is no growth. `known`:
    /// seconds for which anything has been counted at all.
    pub(super) fn growth(&self, window: Window, now: u32, known: u32) -> f64 {
        let (Some(past), Some(length)) = (window.past(), window.seconds()) else { return 1.0 };
        let recent = self.within(window, now).activity();
        let before = self.within(past, now).activity().saturating_sub(recent);
        let time = past.seconds().unwrap_or(length).min(known).saturating_sub(length).max(length);
        let expected = before as f64 * f64::from(length) / f64::from(time);
        recent as f64 / (expected + 1.0)
    }

    /// Octets on the heap.
    pub(super) fn heap(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = 1_800_000_000;

    fn one() -> Counts {
        Counts { connections: 0, messages: 1, refused: 0, octets: 10 }
    }

    #[test]
    fn every_window_has_what_belongs_to_it_and_no_more_than_a_bucket_beyond() {
        let mut history = History::default();
        let end = START + 200_000;
        for now in START..=end {
            history.count(now, &one());
        }
        for (window, least, most) in [
            (Window::Minute, 60, 76),
            (Window::FiveMinutes, 300, 361),
            (Window::Hour, 3600, 4201),
            (Window::Day, 86_400, 93_601),
        ] {
            let messages = history.within(window, end).messages;
            assert!((least..=most).contains(&messages), "{window:?}: {messages}");
        }
        assert!(history.buckets.len() <= 34, "{}", history.buckets.len());
    }

    #[test]
    fn what_is_over_leaves_its_window_also_without_new_events() {
        let mut history = History::default();
        history.count(START, &one());
        let seen = |now: u32| Window::EACH.map(|w| history.within(w, now).messages);
        assert_eq!(seen(START), [1, 1, 1, 1, 1]);
        assert_eq!(seen(START + 80), [0, 1, 1, 1, 1]);
        assert_eq!(seen(START + 400), [0, 0, 1, 1, 1]);
        assert_eq!(seen(START + 5000), [0, 0, 0, 1, 1]);
        assert_eq!(seen(START + 100_000), [0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let mut history = History::default();
        history.count(START, &one());
        history.count(START - 5000, &one());
        assert_eq!(history.within(Window::Minute, START).messages, 2);
    }

    #[test]
    fn growth_is_against_its_own_past() {
        let (mut steady, mut burst, mut quiet) = (History::default(), History::default(), History::default());
        for now in START..START + 7200 {
            steady.count(now, &one());
            if now % 60 == 0 {
                burst.count(now, &one());
            }
        }
        let now = START + 7200;
        for _ in 0..500 {
            burst.count(now, &one());
        }
        quiet.count(now, &one());
        let growth = |h: &History| h.growth(Window::FiveMinutes, now, 7200);
        assert!((0.9..1.3).contains(&growth(&steady)), "{}", growth(&steady));
        assert!(growth(&burst) > 50.0, "{}", growth(&burst));
        assert!(growth(&quiet) <= 1.0);
    }
}
