//! Compound files (MS-CFB), which are the documents of Office 97, Outlook messages and Windows installers.
//!
//! Read by hand and loosely: every entry of the directory is seen, also one that no tree leads to, for Office opens files
//! that are not quite right. Work and memory are linear in the octets.

use super::bytes::{piece, size_le, u16_le, u32_le, u64_le, utf16};
use super::entry::Listing;
use super::file::Mark;
use crate::message::large::append;
use std::cell::Cell;
use std::collections::HashMap;

const HEADER: usize = 512;
const ENTRY: usize = 128;
/// Sectors of the file allocation table that the header names.
const IN_HEADER: usize = 109;
/// Numbers from here on are marks of the table and no sectors.
const SECTOR_MAX: u32 = 0xffff_fffa;
/// Names of properties begin so (MS-OXMSG).
const PROPERTY: &str = "__substg1.0_";

/// An entry of the directory.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) is_stream: bool,
    /// The storage that it is in; `None` in the root, and where no tree leads to it.
    pub(super) parent: Option<usize>,
    /// Class of a storage.
    pub(super) class: [u8; 16],
    first: u32,
    octets: u64,
}

/// A compound file.
#[derive(Debug)]
pub(super) struct Compound<'o> {
    octets: &'o [u8],
    shift: u32,
    table: Vec<u32>,
    mini_table: Vec<u32>,
    mini_shift: u32,
    mini: Vec<u8>,
    cutoff: u64,
    /// Octets that may still be copied: entries may share sectors.
    left: Cell<usize>,
    /// Properties of Outlook messages by storage and lower-case name.
    properties: HashMap<(usize, String), usize>,
    /// The first is the root.
    pub(super) nodes: Vec<Node>,
}

impl<'o> Compound<'o> {
    /// Reads the tables and the directory.
    pub(super) fn open(octets: &'o [u8], listing: &mut Listing) -> Option<Self> {
        let opened = Self::tables(octets);
        listing.marks.add_if(opened.is_none(), Mark::Damaged);
        let mut compound = opened?;
        let directory = compound.chain(u32_le(octets, 48)?, octets.len());
        compound.nodes =
            directory.chunks_exact(ENTRY).map(|entry| node(entry).unwrap_or_else(nothing)).collect();
        compound.climb(&directory);
        if let Some(root) = compound.nodes.first() {
            let most = usize::try_from(root.octets).unwrap_or(usize::MAX).min(octets.len());
            compound.mini = compound.chain(root.first, most);
        }
        let mini_table = compound.chain(u32_le(octets, 60)?, octets.len());
        compound.mini_table = numbers(&mini_table);
        let empty = compound.nodes.iter().all(|node| node.name.is_empty());
        listing.marks.add_if(empty, Mark::Damaged);
        Some(compound)
    }

    fn tables(octets: &'o [u8]) -> Option<Self> {
        let shift = u32::from(u16_le(octets, 30)?);
        let mini_shift = u32::from(u16_le(octets, 32)?);
        if !(7..=16).contains(&shift) || mini_shift >= shift {
            return None;
        }
        let mut compound = Self {
            octets,
            shift,
            table: Vec::new(),
            mini_table: Vec::new(),
            mini_shift,
            mini: Vec::new(),
            cutoff: u64::from(u32_le(octets, 56)?),
            left: Cell::new(octets.len().saturating_mul(6).saturating_add(1 << 20)),
            properties: HashMap::new(),
            nodes: Vec::new(),
        };
        let mut places = numbers(piece(octets, 76, IN_HEADER * 4)?);
        let (mut next, sectors) = (u32_le(octets, 68)?, octets.len() >> shift);
        // Each sector of the list of table sectors ends with the number of the next.
        while next < SECTOR_MAX && places.len() <= sectors + IN_HEADER {
            let Some((numbers, last)) =
                compound.sector(next).map(numbers).and_then(|mut n| n.pop().map(|l| (n, l)))
            else {
                break;
            };
            places.extend(numbers);
            next = last;
        }
        let places = places.into_iter().filter(|place| *place < SECTOR_MAX).take(sectors + 1);
        let parts: Vec<Vec<u32>> =
            places.map(|place| compound.sector(place).map(numbers).unwrap_or_default()).collect();
        compound.table = parts.concat();
        Some(compound)
    }

    /// A sector; the last one may be cut off.
    fn sector(&self, number: u32) -> Option<&'o [u8]> {
        let size = 1usize << self.shift;
        // Behind the header, which fills one sector also where sectors are longer.
        let start = (usize::try_from(number).ok()? + 1).checked_mul(size)?;
        let rest = self.octets.get(start..)?;
        Some(rest.get(..size).unwrap_or(rest))
    }

    /// The octets of a chain of sectors, up to a length.
    fn chain(&self, first: u32, most: usize) -> Vec<u8> {
        let (mut out, mut next) = (Vec::new(), first);
        let most = most.min(self.left.get());
        // A chain that runs in a circle has no more sectors than the table.
        for _ in 0..=self.table.len() {
            let Some(sector) = Some(next).filter(|n| *n < SECTOR_MAX).and_then(|n| self.sector(n)) else {
                break;
            };
            append(&mut out, sector);
            if out.len() >= most {
                out.truncate(most);
                break;
            }
            let Some(after) = usize::try_from(next).ok().and_then(|at| self.table.get(at)) else { break };
            next = *after;
        }
        self.left.set(self.left.get().saturating_sub(out.len()));
        out
    }

    /// Whether more was asked for than is given of one file.
    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// The octets of a stream, `most` of them at most.
    pub(super) fn stream(&self, node: &Node, most: usize) -> Vec<u8> {
        let length = usize::try_from(node.octets).unwrap_or(usize::MAX).min(most).min(self.octets.len());
        if node.octets >= self.cutoff {
            return self.chain(node.first, length);
        }
        let length = length.min(self.left.get());
        let (mut out, mut next, size) = (Vec::new(), node.first, 1usize << self.mini_shift);
        for _ in 0..=self.mini_table.len() {
            let place = usize::try_from(next).ok().filter(|_| next < SECTOR_MAX);
            let Some(start) = place.and_then(|place| place.checked_mul(size)) else { break };
            out.extend_from_slice(super::bytes::piece_up_to(&self.mini, start, size));
            let Some(after) = place.and_then(|place| self.mini_table.get(place)) else { break };
            if out.len() >= length {
                break;
            }
            next = *after;
        }
        out.truncate(length);
        self.left.set(self.left.get().saturating_sub(out.len()));
        out
    }

    /// Finds out which storage each entry is in. Each is looked at once, so that trees in a circle end.
    fn climb(&mut self, directory: &[u8]) {
        let link = |at: usize, field: usize| size_le(directory, at * ENTRY + field);
        let mut seen = vec![false; self.nodes.len()];
        let mut open = vec![(link(0, 76).unwrap_or(usize::MAX), None)];
        while let Some((at, parent)) = open.pop() {
            match seen.get_mut(at) {
                Some(seen) if !*seen && at != 0 => *seen = true,
                _ => continue,
            }
            if let Some(node) = self.nodes.get_mut(at) {
                node.parent = parent;
                if let Some(storage) = parent.filter(|_| node.name.starts_with(PROPERTY)) {
                    self.properties.entry((storage, node.name.to_ascii_lowercase())).or_insert(at);
                }
            }
            for (field, parent) in [(68, parent), (72, parent), (76, Some(at))] {
                open.extend(link(at, field).map(|next| (next, parent)));
            }
        }
    }

    /// The property of that name in a storage.
    pub(super) fn property(&self, storage: usize, name: &str) -> Option<&Node> {
        let place = self.properties.get(&(storage, name.to_ascii_lowercase()))?;
        self.nodes.get(*place)
    }
}

fn numbers(octets: &[u8]) -> Vec<u32> {
    octets.chunks_exact(4).filter_map(|four| u32_le(four, 0)).collect()
}

fn node(entry: &[u8]) -> Option<Node> {
    let kind = *entry.get(66)?;
    let length = usize::from(u16_le(entry, 64)?).min(64);
    let name = utf16(entry.get(..length)?);
    Some(Node {
        name: if matches!(kind, 1 | 2 | 5) { name } else { String::new() },
        is_stream: kind == 2,
        parent: None,
        class: entry.get(80..96)?.try_into().ok()?,
        first: u32_le(entry, 116)?,
        octets: u64_le(entry, 120)? & u64::from(u32::MAX),
    })
}

fn nothing() -> Node {
    Node { name: String::new(), is_stream: false, parent: None, class: [0; 16], first: SECTOR_MAX, octets: 0 }
}

/// Whether octets have room for a header.
pub(super) fn is_whole(octets: &[u8]) -> bool {
    octets.len() >= HEADER
}
