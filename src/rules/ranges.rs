//! Networks, nested as they may be, as sorted disjoint ranges that each name their most specific network.

use std::fmt;

/// In no network.
const NOBODY: u32 = u32::MAX;

/// A number that addresses are counted in.
pub(super) trait Bits: Copy + Ord {
    /// The next one; none behind the last.
    fn next(self) -> Option<Self>;
}

impl Bits for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Bits for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// A network on its way in: first and last address and the number of its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<T> {
    pub first: T,
    pub last: T,
    pub entry: u32,
}

/// The ranges. From each start up to the next one an address belongs to one owner; a look-up is a binary search,
/// 21 steps for a million networks that do not touch.
#[derive(Default)]
pub(super) struct Ranges<T> {
    starts: Vec<T>,
    owners: Vec<u32>,
}

impl<T: Bits> Ranges<T> {
    /// Flattens networks. `inside(entry, around, same)` is told which network is the next less specific one around
    /// each; of equal ones (`same`) the entry with the higher number is the more specific.
    pub fn new(mut spans: Vec<Span<T>>, mut inside: impl FnMut(u32, u32, bool)) -> Self {
        spans.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then(b.last.cmp(&a.last)).then(a.entry.cmp(&b.entry))
        });
        let mut ranges = Self { starts: Vec::new(), owners: Vec::new() };
        // Two networks either nest or do not touch, so what is open is a stack.
        let mut open: Vec<Span<T>> = Vec::new();
        for span in spans {
            ranges.close(&mut open, Some(span.first));
            if let Some(around) = open.last() {
                let same = (around.first, around.last) == (span.first, span.last);
                inside(span.entry, around.entry, same);
            }
            ranges.begin(span.first, span.entry);
            open.push(span);
        }
        ranges.close(&mut open, None);
        ranges.starts.shrink_to_fit();
        ranges.owners.shrink_to_fit();
        ranges
    }

    /// Ends the open networks that lie before `until`, or all of them.
    fn close(&mut self, open: &mut Vec<Span<T>>, until: Option<T>) {
        while let Some(Span { last, .. }) = open.last().copied()
            && until.is_none_or(|until| last < until)
        {
            open.pop();
            if let Some(after) = last.next() {
                self.begin(after, open.last().map_or(NOBODY, |around| around.entry));
            }
        }
    }

    fn begin(&mut self, start: T, owner: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.owners.pop();
        }
        if self.owners.last() != Some(&owner) {
            self.starts.push(start);
            self.owners.push(owner);
        }
    }

    /// Whether there is no network.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The most specific network around an address.
    pub fn find(&self, at: T) -> Option<u32> {
        let behind = self.starts.partition_point(|&start| start <= at);
        self.owners.get(behind.checked_sub(1)?).copied().filter(|&owner| owner != NOBODY)
    }
}

impl<T> fmt::Debug for Ranges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ranges({})", self.starts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(bits: u32, length: u32, entry: u32) -> Span<u32> {
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        Span { first: bits & !host, last: bits | host, entry }
    }

    proptest! {
        #[test]
        fn the_flat_form_answers_as_the_networks_do(
            nets in proptest::collection::vec((0u32..64, 26u32..=32), 0..40),
            high in any::<bool>(),
        ) {
            let base = if high { !63 } else { 0 };
            let spans: Vec<Span<u32>> =
                nets.iter().zip(0u32..).map(|(&(bits, length), i)| span(base | bits, length, i)).collect();
            let mut around = vec![None; spans.len()];
            let ranges = Ranges::new(spans.clone(), |entry, outer, _| around[entry as usize] = Some(outer));
            for at in (0..64u32).map(|low| base | low) {
                let mut want: Vec<&Span<u32>> =
                    spans.iter().filter(|s| s.first <= at && at <= s.last).collect();
                want.sort_by_key(|s| (s.last - s.first, std::cmp::Reverse(s.entry)));
                let want: Vec<u32> = want.iter().map(|s| s.entry).collect();
                let got: Vec<u32> =
                    std::iter::successors(ranges.find(at), |&e| around[e as usize]).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}
