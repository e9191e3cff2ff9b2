//! What readers of archives and documents tell of them, before anything is unpacked.

use super::file::{Mark, Marks};
use super::types::Type;
use std::ops::Range;

/// What is in a file.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What it is, where the listing tells more than the first octets did.
    pub(super) kind: Option<Type>,
    /// Files in it, in order.
    pub(super) entries: Vec<Entry>,
    /// What is to be said of itself.
    pub(super) marks: Marks,
}

/// A file in it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Every reading of its name.
    pub(super) names: Vec<Box<str>>,
    /// Its size as it is told.
    pub(super) octets: u64,
    /// What is known of it before it is read.
    pub(super) marks: Marks,
    /// Where its octets are.
    pub(super) packed: Packed,
}

/// Where the octets of an entry are, in those of its archive.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Packed {
    /// Not to be had.
    #[default]
    Nowhere,
    /// As they are.
    Plain(Range<usize>),
    /// Deflated (RFC 1951).
    Deflate(Range<usize>),
    /// Deflated, with the header of zlib (RFC 1950).
    Zlib(Range<usize>),
    /// Members of gzip (RFC 1952).
    Gzip(Range<usize>),
    /// Called encrypted; as it is or deflated, if that comes to this checksum.
    Doubtful {
        /// Where.
        range: Range<usize>,
        /// Whether it is deflated.
        deflated: bool,
        /// CRC-32 of what comes out.
        crc: u32,
    },
    /// Taken out already.
    Ready(Vec<u8>),
}

impl Listing {
    /// A listing without entries.
    pub(super) fn marked(mark: Mark) -> Self {
        Self { marks: Marks::of(mark), ..Self::default() }
    }

    /// Adds an entry, unless there are `most` already; false then, and it is told.
    pub(super) fn add(&mut self, entry: Entry, most: usize) -> bool {
        let room = self.entries.len() < most;
        if room {
            self.entries.push(entry);
        } else {
            self.marks.add(Mark::TooMany);
        }
        room
    }
}
