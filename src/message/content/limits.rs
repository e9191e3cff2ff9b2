//! How much of a message is looked at, and what came of it.

use super::odd::{Odd, Weight};
use std::collections::BTreeSet;

/// Most odd things that are remembered; what is malformed or over a bound is remembered beyond it.
const ODD_MAX: usize = 200;
/// Most of these.
const ODD_GRAVE_MAX: usize = 400;

/// Bounds of one walk. Beyond each there is an [`Odd`] of [`Weight::Over`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest part that is looked into; the message is at 0. Programs write below 10.
    pub depth: u32,
    /// Most parts, those of other readings included.
    pub parts: u32,
    /// Longest header block in octets that is no oddity; a longer one is read to its end all the same.
    pub header: usize,
    /// Containers that are encoded inside of each other: each keeps its octets in memory.
    pub encoded: u32,
    /// Octets handed out, decoded, all readings together: so many times the length of the message.
    pub octets: u64,
    /// Octets searched for delimiters, all levels and readings together: so many times its length. Octets of headers and
    /// of what is decoded count eight times.
    pub search: u64,
}

impl Default for Limits {
    /// Depth 50, 2,000 parts, headers of 256 KiB, 8 encoded containers, 8 times the octets, 120 times the search (which
    /// goes at gigabytes in a second).
    fn default() -> Self {
        Self { depth: 50, parts: 2_000, header: 256 * 1024, encoded: 8, octets: 8, search: 120 }
    }
}

/// Small messages have this much more of everything that is counted in their length.
const FLOOR: u64 = 256 * 1024;

impl Limits {
    /// Octets handed out for a message of this length.
    #[must_use]
    pub fn octets_of(&self, length: usize) -> u64 {
        (length as u64).saturating_mul(self.octets).saturating_add(FLOOR)
    }

    /// Octets searched in a message of this length.
    #[must_use]
    pub fn search_of(&self, length: usize) -> u64 {
        (length as u64).saturating_mul(self.search).saturating_add(FLOOR)
    }
}

/// What a walk came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Parts, those of other readings included.
    pub parts: u32,
    /// What is odd, and in which part; each once a part.
    pub odd: Vec<(u32, Odd)>,
    /// Parts whose octets scanners want a second time, by themselves: they have more than one reading, lie in something
    /// odd, or deeper than scanners go.
    pub again: BTreeSet<u32>,
    /// Octets that were handed out.
    pub octets: u64,
    /// Octets that were searched.
    pub searched: u64,
}

impl Overview {
    /// Whether this is odd about any part.
    #[must_use]
    pub fn has(&self, odd: Odd) -> bool {
        self.odd.iter().any(|(_, o)| *o == odd)
    }

    /// Whether anything is malformed.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.odd.iter().any(|(_, odd)| odd.is_malformed())
    }

    /// Whether a bound was reached.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.odd.iter().any(|(_, odd)| odd.is_over())
    }

    /// What is odd about one part.
    pub fn of(&self, part: u32) -> impl Iterator<Item = Odd> {
        self.odd.iter().filter(move |(number, _)| *number == part).map(|(_, odd)| *odd)
    }

    /// Remembers it, once.
    pub(super) fn tell(&mut self, part: u32, odd: Odd) {
        let most = if odd.weight() == Weight::Ambiguous { ODD_MAX } else { ODD_GRAVE_MAX };
        if self.odd.len() < most && !self.odd.contains(&(part, odd)) {
            self.odd.push((part, odd));
        }
    }
}
