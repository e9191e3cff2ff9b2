//! The marks that are not in the files of their items, in memory and in a log of their own.
//!
//! ```text
//! vault/marks.log: magic 8, then frames (see `record`):   1  mark, then id 8 and version 8 of each item that has it
//!                                                          2  id 8 and version 8: up to it the item's file has all
//! ```
//! Changing 100,000 items by their files is a few reads and writes at random places of the disk for each. A mark is
//! appended to the journal, later to this log, and entered in the index; whoever reads an item reads its file and does
//! what its newer marks say ([`Marks::of`]). A mark goes when its item is written or removed, so most go with the
//! retention of the trash.
//!
//! State: [`Marks`], part of the vault's state: at most [`MARKS_MAX`], about 50 octets each (up to 100 while they come);
//! beyond that items are written. [`MarkLog`], owner of the file, with whoever holds the lock of the applying thread. The log is not flushed
//! by itself: the journal keeps what the log may lose until a checkpoint made the whole volume durable. It is made anew
//! at each start, and when three quarters of it are over. Failure: a step that fails is done again, over what it left.
//! A log that is not whole before its end is set aside and named, what is whole counts, and the index is made anew:
//! a mark that is lost leaves a message where it was before.

use super::disk::{Disk, DiskFile, failed};
use super::error::VaultError;
use super::item::Item;
use super::layout::Layout;
use super::mark::Mark;
use super::record::{Frame, Parts, filled, frame, part, read_frame};
use crate::mail::Id;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"\x8ePCMARK1";
/// Marks in memory.
pub(super) const MARKS_MAX: usize = 500_000;
/// Items in one frame.
const FRAME_ITEMS: usize = 10_000;
/// A log of fewer entries is not worth making anew.
const ENTRIES_MIN: u64 = 20_000;

/// An item, the version that a mark made, and the mark.
pub(super) type Marked = (Id, u64, Arc<Mark>);

/// All marks.
#[derive(Default)]
pub(super) struct Marks {
    by_item: BTreeMap<(Id, u64), Arc<Mark>>,
    /// Each once: a step of a command gives many items the same.
    distinct: HashSet<Arc<Mark>>,
}

impl Marks {
    pub(super) fn len(&self) -> usize {
        self.by_item.len()
    }

    pub(super) fn add(&mut self, id: Id, version: u64, mark: &Arc<Mark>) {
        let mark = match self.distinct.get(mark) {
            Some(known) => Arc::clone(known),
            None => {
                self.distinct.insert(Arc::clone(mark));
                Arc::clone(mark)
            }
        };
        self.by_item.insert((id, version), mark);
    }

    /// The file of an item has everything up to this version. Whether there was something.
    pub(super) fn settle(&mut self, id: Id, version: u64) -> bool {
        let old: Vec<u64> = self.by_item.range((id, 0)..=(id, version)).map(|((_, v), _)| *v).collect();
        old.iter().for_each(|version| drop(self.by_item.remove(&(id, *version))));
        !old.is_empty()
    }

    /// Whether an item has some.
    pub(super) fn has(&self, id: Id) -> bool {
        self.by_item.range((id, 0)..=(id, u64::MAX)).next().is_some()
    }

    /// Those of an item, the oldest first, with the versions that they made.
    pub(super) fn of(&self, id: Id) -> Vec<(u64, Arc<Mark>)> {
        let all = self.by_item.range((id, 0)..=(id, u64::MAX));
        all.map(|((_, version), mark)| (*version, Arc::clone(mark))).collect()
    }

    /// The newest of an item.
    pub(super) fn newest(&self, id: Id) -> Option<(u64, &Arc<Mark>)> {
        let last = self.by_item.range((id, 0)..=(id, u64::MAX)).next_back();
        last.map(|((_, version), mark)| (*version, mark))
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Vec<Marked> {
        // Held by no item any more.
        self.distinct.retain(|mark| Arc::strong_count(mark) > 1);
        self.by_item.iter().map(|((id, version), mark)| (*id, *version, Arc::clone(mark))).collect()
    }
}

/// Does to an item, as its file has it, what newer marks say.
pub(super) fn overlay(item: &mut Item, marks: &[(u64, Arc<Mark>)]) {
    for (version, mark) in marks {
        if *version > item.version {
            mark.apply(item);
            item.version = *version;
        }
    }
}

/// The file.
#[derive(Default)]
pub(super) struct MarkLog {
    file: Option<DiskFile>,
    /// Octets that are good.
    length: u64,
    /// Marks and ends of marks in it.
    entries: u64,
}

impl MarkLog {
    /// Whether it can be appended to; else [`Self::renew`] comes first.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Appends. May be called again with the same where it failed.
    pub(super) fn append(
        &mut self,
        disk: &Disk,
        (marked, settled): (&[Marked], &[(Id, u64)]),
    ) -> Result<(), VaultError> {
        let entries = (marked.len() + settled.len()) as u64;
        if entries == 0 {
            return Ok(());
        }
        let Some(file) = &self.file else { return Err(VaultError::Closed) };
        let mut octets = Vec::new();
        for some in marked.chunk_by(|one, other| one.2 == other.2) {
            let items: Vec<(Id, u64)> = some.iter().map(|(id, version, _)| (*id, *version)).collect();
            if let Some((_, _, mark)) = some.first() {
                marked_frame(&mut octets, mark, &items);
            }
        }
        if !settled.is_empty() {
            frame(&mut octets, |to| {
                to.push(2);
                list(to, settled);
            });
        }
        disk.write_at(file, self.length, &octets)?;
        self.length += octets.len() as u64;
        self.entries += entries;
        Ok(())
    }

    /// Whether most of it is over.
    pub(super) fn is_stale(&self, marks: usize) -> bool {
        self.entries > ENTRIES_MIN.max(marks as u64 * 4)
    }

    /// Writes it anew with all that there are, durable, by way of another file.
    pub(super) fn renew(&mut self, disk: &Disk, layout: &Layout, all: &[Marked]) -> Result<(), VaultError> {
        let mut by_mark: HashMap<&Mark, Vec<(Id, u64)>> = HashMap::new();
        for (id, version, mark) in all {
            by_mark.entry(mark).or_default().push((*id, *version));
        }
        let mut octets = MAGIC.to_vec();
        for (mark, items) in by_mark {
            items.chunks(FRAME_ITEMS).for_each(|some| marked_frame(&mut octets, mark, some));
        }
        // Which of both has its name is not known where it fails: the next one writes all of them anew.
        self.file = None;
        self.file = Some(disk.replace(&layout.marks_temp(), &layout.marks(), &octets)?);
        (self.length, self.entries) = (octets.len() as u64, all.len() as u64);
        Ok(())
    }
}

fn marked_frame(to: &mut Vec<u8>, mark: &Mark, items: &[(Id, u64)]) {
    frame(to, |to| {
        to.push(1);
        part(to, &mark.octets());
        list(to, items);
    });
}

fn list(to: &mut Vec<u8>, items: &[(Id, u64)]) {
    for (id, version) in items {
        to.extend_from_slice(&id.bits().to_le_bytes());
        to.extend_from_slice(&version.to_le_bytes());
    }
}

/// How a log was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// But for its end, perhaps.
    Whole,
    Damaged,
}

/// Reads the log.
pub(super) fn load(layout: &Layout) -> Result<(Marks, Found), VaultError> {
    let mut marks = Marks::default();
    let found = load_file(&layout.marks(), &mut marks)?;
    Ok((marks, found))
}

fn load_file(path: &Path, marks: &mut Marks) -> Result<Found, VaultError> {
    let cannot = |e| failed("read", path, e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(cannot(e)),
    };
    let mut from = BufReader::with_capacity(1 << 16, file);
    let mut magic = [0; 8];
    if !filled(&mut from, &mut magic).map_err(cannot)? || magic != MAGIC {
        return Ok(Found::Damaged);
    }
    let (mut whole, mut behind) = (true, false);
    loop {
        match read_frame(&mut from).map_err(cannot)? {
            Frame::Whole(octets) if enter(&octets, marks).is_some() => whole &= !behind,
            Frame::Whole(_) | Frame::NotWhole => behind = true,
            // What a crash tears off ends early, or is empty.
            Frame::Absurd => return Ok(Found::Damaged),
            Frame::End if whole => return Ok(Found::Whole),
            Frame::End => return Ok(Found::Damaged),
        }
    }
}

fn enter(octets: &[u8], marks: &mut Marks) -> Option<()> {
    let mut parts = Parts(octets);
    let mark = match parts.take(1)?.first()? {
        1 => Some(Arc::new(Mark::of_octets(parts.part()?)?)),
        2 => None,
        _ => return None,
    };
    while !parts.0.is_empty() {
        let (id, version) = (Id::from_bits(parts.number()?)?, parts.number()?);
        match &mark {
            Some(mark) => marks.add(id, version, mark),
            None => drop(marks.settle(id, version)),
        }
    }
    Some(())
}
