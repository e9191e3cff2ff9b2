//! The marks that are not in the files of their items, in memory and in a log of their own.
//!
//! ```text
//! vault/marks.log: head, then frames (see `record`):   1  mark, then id 8 and version 8 of each item that has it
//!                                                       2  id 8 and version 8: up to it the item's file has all
//! head:            magic 8, then twice: number 8, octets of the file that are durable 8, checksum 4
//! ```
//! Changing 100,000 items by their files is a few reads and writes at random places of the disk for each. A mark is
//! appended to the journal, later to this log, and entered in the index; whoever reads an item reads its file and does
//! what its newer marks say ([`Marks::of`]). A mark goes when its item is written or removed: with the retention of the
//! trash, or where they become many, by `fold`.
//!
//! State: [`Marks`], part of the vault's state: bounded (`limits`), about 50 octets each (up to 100 while they come);
//! beyond that items are written. [`MarkLog`], owner of the file, with whoever holds the lock of the applying thread. The
//! log is not flushed by itself: the journal keeps what the log may lose until a checkpoint made the whole volume durable
//! and noted in the head how far that goes, at the two places in turn, so that one of them is whole at any time. It is made
//! anew at each start, and when three quarters of it are over. Failure: a step that fails is done again, over what it left.
//! A log that is not whole up to what its head says was damaged: it is set aside and named, what is whole counts, and the
//! index is made anew; a mark that is lost leaves a message where it was before. What is not whole behind that was torn off
//! by a crash, and is in the journal.

use super::disk::{Disk, DiskFile, failed};
use super::error::VaultError;
use super::item::Item;
use super::layout::Layout;
use super::mark::Mark;
use super::record::{FRAME_HEAD, Frame, Parts, crc, filled, frame, part, read_frame};
use crate::mail::Id;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"\x8ePCMARK2";
/// Without notes of what is durable.
const MAGIC_BEFORE: [u8; 8] = *b"\x8ePCMARK1";
/// Octets of one note, and of the head.
const NOTE: usize = 20;
const HEAD: usize = MAGIC.len() + 2 * NOTE;
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

    /// Each item once, with the time of its oldest mark.
    pub(super) fn ages(&self) -> Vec<(i64, Id)> {
        let mut ages: Vec<(i64, Id)> = Vec::with_capacity(self.by_item.len());
        for ((id, _), mark) in &self.by_item {
            if ages.last().is_none_or(|(_, last)| last != id) {
                ages.push((mark.at_ms, *id));
            }
        }
        ages
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
    /// The last change of the journal that was appended; 0 where that is not known.
    pub(super) sequence: u64,
    /// Number of the newest note in the head, and what it says.
    noted: (u64, u64),
    /// How often it was made anew.
    renewals: u64,
}

/// Octets of a log, as it was at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    octets: u64,
    renewals: u64,
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

    /// How far it goes now.
    pub(super) fn extent(&self) -> Extent {
        Extent { octets: self.length, renewals: self.renewals }
    }

    /// Notes, durable, that everything up to there is durable.
    pub(super) fn note(&mut self, disk: &Disk, extent: Extent) -> Result<(), VaultError> {
        let (number, known) = self.noted;
        let Some(file) = &self.file else { return Ok(()) };
        // One that was made anew is durable and says so.
        if extent.renewals != self.renewals || extent.octets <= known {
            return Ok(());
        }
        let number = number + 1;
        let place = MAGIC.len() as u64 + (number % 2) * NOTE as u64;
        disk.write_at(file, place, &durable(number, extent.octets))?;
        disk.flush(file)?;
        self.noted = (number, extent.octets);
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
        let mut frames = Vec::new();
        for (mark, items) in by_mark {
            items.chunks(FRAME_ITEMS).for_each(|some| marked_frame(&mut frames, mark, some));
        }
        let length = (HEAD + frames.len()) as u64;
        let octets = [&MAGIC[..], &durable(0, length), &durable(1, length), &frames].concat();
        // Which of both has its name is not known where it fails: the next one writes all of them anew.
        self.file = None;
        self.file = Some(disk.replace(&layout.marks_temp(), &layout.marks(), &octets)?);
        (self.length, self.entries) = (length, all.len() as u64);
        (self.sequence, self.noted) = (0, (1, length));
        self.renewals += 1;
        Ok(())
    }
}

/// A note of the head.
fn durable(number: u64, octets: u64) -> [u8; NOTE] {
    let mut note = [0; NOTE];
    let figures = [number.to_le_bytes(), octets.to_le_bytes()].concat();
    let sum = crc(&figures).to_le_bytes();
    note.iter_mut().zip(figures.into_iter().chain(sum)).for_each(|(to, from)| *to = from);
    note
}

/// What a note says, if it is whole.
fn read_note(note: &[u8]) -> Option<(u64, u64)> {
    let mut parts = Parts(note);
    let (number, octets) = (parts.number()?, parts.number()?);
    (durable(number, octets) == note).then_some((number, octets))
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
    let Some((head, durable)) = read_head(&mut from).map_err(cannot)? else { return Ok(Found::Damaged) };
    let (mut whole_to, mut behind) = (head, false);
    let (unknown, mut damaged) = (durable == Some(0), durable.is_none());
    loop {
        match read_frame(&mut from).map_err(cannot)? {
            Frame::Whole(octets) if enter(&octets, marks).is_some() => match behind {
                false => whole_to += FRAME_HEAD + octets.len() as u64,
                // Without a note: a crash leaves nothing behind what it tore.
                true => damaged |= unknown,
            },
            Frame::Whole(_) | Frame::NotWhole => behind = true,
            Frame::Absurd => {
                damaged |= unknown;
                break;
            }
            Frame::End => break,
        }
    }
    damaged |= durable.is_some_and(|durable| whole_to < durable);
    Ok(if damaged { Found::Damaged } else { Found::Whole })
}

/// Octets of the head, and what is durable for sure: `None` where neither note is whole, 0 where there are none. `None`
/// where it is no log.
fn read_head(from: &mut impl Read) -> std::io::Result<Option<(u64, Option<u64>)>> {
    let mut magic = [0; MAGIC.len()];
    if !filled(from, &mut magic)? {
        return Ok(None);
    }
    if magic == MAGIC_BEFORE {
        return Ok(Some((MAGIC.len() as u64, Some(0))));
    }
    let mut notes = [0; 2 * NOTE];
    if magic != MAGIC || !filled(from, &mut notes)? {
        return Ok(None);
    }
    let newest = notes.chunks(NOTE).filter_map(read_note).max();
    Ok(Some((HEAD as u64, newest.map(|(_, octets)| octets))))
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
