//! Where a walk is: what was found, what is still to be done, and how much of each budget is left.

use super::head::Head;
use super::limits::{Limits, Overview};
use super::odd::Odd;
use super::part::{PartInfo, Reading, Visitor};
use super::task::{Entity, Place, Source, Task};
use std::collections::HashSet;
use std::ops::Range;

/// Reading a header or decoding takes so many times as long as a search for a delimiter.
const SLOW: usize = 8;

/// One walk.
pub(super) struct Walk<'m, 'v> {
    pub(super) limits: &'v Limits,
    pub(super) visitor: &'v mut dyn Visitor,
    pub(super) found: Overview,
    pub(super) stack: Vec<Task<'m>>,
    /// Places that were looked at: readings share most of their parts.
    pub(super) seen: HashSet<(u32, usize, usize, bool)>,
    /// All boundaries that any part has named.
    pub(super) boundaries: HashSet<Vec<u8>>,
    /// Decoded sources so far.
    pub(super) sources: u32,
    pub(super) octets_max: u64,
    pub(super) search_max: u64,
}

/// A part whose header was read.
pub(super) struct Part<'m> {
    pub(super) entity: Entity<'m>,
    pub(super) info: PartInfo,
    pub(super) head: Head,
    /// What is in it, in order.
    pub(super) inside: Vec<Task<'m>>,
    /// Readings of its octets that were handed out.
    pub(super) readings: u32,
}

impl<'m> Part<'m> {
    /// A body of it by where it begins behind the header's beginning.
    pub(super) fn body(&self, start: usize) -> Range<usize> {
        let range = &self.entity.place.range;
        range.start.saturating_add(start).min(range.end)..range.end
    }

    pub(super) fn is(&self, test: impl Fn(&str) -> bool) -> bool {
        self.head.kinds.iter().any(|kind| test(kind))
    }

    /// A part inside of it.
    pub(super) fn child(&self, place: Place<'m>) -> Entity<'m> {
        Entity {
            place,
            parent: Some(self.info.number),
            depth: self.entity.depth + 1,
            in_digest: false,
            mended: self.entity.mended,
        }
    }
}

impl<'m> Walk<'m, '_> {
    pub(super) fn tell(&mut self, part: u32, odd: Odd) {
        self.found.tell(part, odd);
    }

    /// Counts octets that are read octet by octet, which takes longer than a search.
    pub(super) fn read(&mut self, part: u32, octets: usize) -> bool {
        self.search(part, octets.saturating_mul(SLOW))
    }

    /// Counts octets that are searched; `false`: there were too many already.
    pub(super) fn search(&mut self, part: u32, octets: usize) -> bool {
        if self.found.searched > self.search_max {
            self.tell(part, Odd::TooMuch);
            return false;
        }
        self.found.searched += octets as u64;
        true
    }

    /// A number for the next part; `None`: there are too many.
    pub(super) fn number(&mut self, parent: Option<u32>) -> Option<u32> {
        if self.found.parts >= self.limits.parts {
            self.tell(parent.unwrap_or(1), Odd::TooManyParts);
            return None;
        }
        self.found.parts += 1;
        Some(self.found.parts)
    }

    /// Decoded octets in which parts lie; `None`: encoded too often.
    pub(super) fn decoded(&mut self, part: &Part<'m>, octets: Vec<u8>) -> Option<Place<'m>> {
        let encoded = part.entity.place.encoded + 1;
        if encoded > self.limits.encoded {
            self.tell(part.info.number, Odd::TooOftenEncoded);
            return None;
        }
        self.sources += 1;
        let range = 0..octets.len();
        Some(Place { source: Source::decoded(self.sources, octets), range, encoded, again: true })
    }

    pub(super) fn hand_out(&mut self, part: &mut Part<'m>, reading: Reading, octets: &[u8]) {
        part.readings += 1;
        self.give(&part.info, reading, octets);
    }

    /// Hands octets to the visitor, unless there were too many.
    pub(super) fn give(&mut self, info: &PartInfo, reading: Reading, octets: &[u8]) {
        let all = self.found.octets.saturating_add(octets.len() as u64);
        if all > self.octets_max {
            return self.tell(info.number, Odd::TooMuch);
        }
        self.found.octets = all;
        self.visitor.octets(info, reading, octets);
    }
}
