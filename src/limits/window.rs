//! Amounts in a sliding period. Pure.
//!
//! The period is cut into twelve parts, and an amount counts with all of its part: it is forgotten up to a twelfth of
//! the period early, never late. At most [`PARTS_MAX`] parts are kept, whatever the policy makes of the period
//! meanwhile; beyond it, amounts are added to the newest. A clock that is set back forgets what lies ahead of it.

/// Parts of one period.
const PARTS: i64 = 12;
/// Most parts with their tags that are kept.
const PARTS_MAX: usize = 128;

/// Amounts with tags (what they were for), oldest first.
#[derive(Debug, Clone)]
pub(super) struct Window<T>(Vec<(i64, T, u64)>);

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Window<T> {
    /// Adds an amount; forgets what is over.
    pub(super) fn add(&mut self, now: i64, period: i64, tag: T, amount: u64) {
        self.0.retain(|(at, _, _)| counts(*at, now, period));
        let part = now - now.rem_euclid((period / PARTS).max(1));
        let full = self.0.len() >= PARTS_MAX;
        let mut newest = self.0.iter_mut().rev();
        match newest.find(|(at, old, _)| (*at == part && *old == tag) || full) {
            Some((_, _, sum)) => *sum = sum.saturating_add(amount),
            None => self.0.push((part, tag, amount)),
        }
    }

    /// The sum within the period.
    pub(super) fn total(&self, now: i64, period: i64) -> u64 {
        self.in_force(now, period).fold(0, |sum, (_, _, n)| sum.saturating_add(*n))
    }

    /// When at most `rest` of the sum is left, in seconds since 1970.
    pub(super) fn until(&self, now: i64, period: i64, rest: u64) -> i64 {
        let mut left = self.total(now, period);
        if left <= rest {
            return now;
        }
        for (at, _, amount) in self.in_force(now, period) {
            left = left.saturating_sub(*amount);
            if left <= rest {
                return at + period;
            }
        }
        now
    }

    /// The sum of each tag, the largest first.
    pub(super) fn by_tag(&self, now: i64, period: i64) -> Vec<(T, u64)> {
        let mut sums: Vec<(T, u64)> = Vec::new();
        for (_, tag, amount) in self.in_force(now, period) {
            match sums.iter_mut().find(|(known, _)| known == tag) {
                Some((_, sum)) => *sum = sum.saturating_add(*amount),
                None => sums.push((*tag, *amount)),
            }
        }
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        sums
    }

    fn in_force(&self, now: i64, period: i64) -> impl Iterator<Item = &(i64, T, u64)> {
        self.0.iter().filter(move |(at, _, _)| counts(*at, now, period))
    }
}

fn counts(at: i64, now: i64, period: i64) -> bool {
    at <= now && now - at < period
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_slides() {
        let mut window = Window::default();
        for (now, amount) in [(1000, 1), (1001, 2), (1600, 4)] {
            window.add(now, 3600, (), amount);
        }
        assert_eq!(window.0.len(), 2);
        assert_eq!(
            (window.total(4499, 3600), window.total(4500, 3600)),
            (7, 4),
            "the first part began at 900"
        );
        for (rest, want) in [(7, 1700), (4, 4500), (3, 5100), (0, 5100)] {
            assert_eq!(window.until(1700, 3600, rest), want);
        }
        window.add(4590, 3600, (), 8);
        assert_eq!(window.0.len(), 2, "what is over is forgotten");
        assert_eq!((window.total(5099, 3600), window.total(5100, 3600)), (12, 8));
    }

    #[test]
    fn tags_are_summed_each() {
        let mut window = Window::default();
        for (now, tag, amount) in [(0, 'a', 1), (0, 'b', 5), (50, 'a', 1), (99, 'a', 7)] {
            window.add(now, 100, tag, amount);
        }
        assert_eq!(window.by_tag(99, 100), [('a', 9), ('b', 5)]);
        assert_eq!(window.by_tag(100, 100), [('a', 8)]);
    }

    #[test]
    fn it_is_bounded_and_survives_clocks_that_go_back() {
        let mut window = Window::default();
        for n in 0..10_000 {
            window.add(n, 1_000_000 + n * 12, n, u64::MAX);
        }
        assert!(window.0.len() <= PARTS_MAX);
        assert_eq!(window.total(9999, 1_000_000), u64::MAX);
        window.add(-5, 1_000_000, 1, 3);
        assert_eq!(window.total(-5, 1_000_000), 3);
    }
}
