//! The journal: what was said to be ours, in order, before files and index have it.
//!
//! ```text
//! segment: magic 8   first sequence 8   order 8   checksum 4       then records:
//! octets 4   checksum 4   |   kind 1  sequence 8  id 8  version 8   parts, each with its length
//! ```
//! All little-endian; checksums are CRC-32 (they are against torn writes; what is in the parts is sealed). Sequence
//! numbers go on without a gap, also from one segment to the next.
//!
//! State: the segment that is written to. Failure of an append: the segment is cut back to what was good, and where
//! that or a flush fails, it is given up: the next one begins with the sequence number that failed, and whatever the
//! old one has from there on does not count. Reading ends at the first record that is not whole: the end that a crash
//! tore. Where a whole one follows, it was damaged since: it is told, and reading goes on behind it.

use super::disk::{Disk, DiskFile, failed};
use super::error::VaultError;
use super::layout::Layout;
use crate::mail::Id;
use flate2::Crc;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"\x8ePCJRNL1";
const HEAD: usize = 28;
/// Octets of a segment, about: what a start has to go through.
pub(super) const SEGMENT_OCTETS: u64 = 32 << 20;
/// Longest record in octets.
pub(super) const RECORD_MAX: usize = 24 << 20;

/// One change of one item.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Given by [`Journal::append`].
    pub(super) sequence: u64,
    pub(super) id: Id,
    /// The version that this makes.
    pub(super) version: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// The sealed item, and its body where it is new.
    Write(Arc<Vec<u8>>, BodyAt),
    /// Gone, and this body with the last item that has it.
    Remove(String),
}

/// Where a body comes from.
#[derive(Debug, Clone)]
pub(super) enum BodyAt {
    /// It lies in its place.
    There,
    /// Sealed, under this digest.
    Inline(String, Arc<Vec<u8>>),
    /// In `incoming/` by this name, durable; digest first.
    Incoming(String, String),
}

pub(super) struct Journal {
    disk: Arc<Disk>,
    layout: Layout,
    segment: Option<Segment>,
    /// Of the newest segment.
    number: u64,
    /// The next record's.
    sequence: u64,
    /// When it is time for another segment.
    segment_octets: u64,
    buffer: Vec<u8>,
}

struct Segment {
    file: DiskFile,
    /// Octets that are good.
    length: u64,
}

/// An append that failed.
pub(super) struct Refused {
    pub(super) error: VaultError,
    /// Nothing of it is left in the journal.
    pub(super) clean: bool,
}

impl Journal {
    /// Begins a segment; older ones stay until [`remove_below`].
    pub(super) fn begin(
        disk: Arc<Disk>,
        layout: Layout,
        number: u64,
        sequence: u64,
        order: i64,
    ) -> Result<Self, VaultError> {
        let segment_octets = SEGMENT_OCTETS;
        let mut journal =
            Self { disk, layout, segment: None, number, sequence, segment_octets, buffer: Vec::new() };
        journal.turn(order)?;
        Ok(journal)
    }

    /// The number of the segment that is written to.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The sequence number of the last good record.
    pub(super) fn last(&self) -> u64 {
        self.sequence - 1
    }

    /// Numbers the records and makes them durable, all or none. `order` goes into the head of a new segment.
    pub(super) fn append(&mut self, records: &mut [&mut Record], order: i64) -> Result<(), Refused> {
        if self.segment.is_none() {
            self.turn(order).map_err(|error| Refused { error, clean: true })?;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for (record, sequence) in records.iter_mut().zip(self.sequence..) {
            record.sequence = sequence;
            encode(&mut buffer, record);
        }
        let done = self.write(&buffer);
        buffer.shrink_to(8 << 20);
        self.buffer = buffer;
        done?;
        self.sequence += records.len() as u64;
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Refused> {
        let Some(segment) = &mut self.segment else {
            return Err(Refused { error: VaultError::Closed, clean: true });
        };
        let written = self.disk.write_at(&segment.file, segment.length, octets);
        // After a flush that failed nobody knows what the file has.
        let unknown = written.is_ok();
        let Err(error) = written.and_then(|()| self.disk.flush(&segment.file)) else {
            segment.length += octets.len() as u64;
            return Ok(());
        };
        let clean = self.disk.set_len(&segment.file, segment.length).is_ok();
        if unknown || !clean {
            self.segment = None;
        }
        Err(Refused { error, clean })
    }

    /// Segments have about so many octets from now on.
    pub(super) fn in_segments_of(self, segment_octets: u64) -> Self {
        Self { segment_octets, ..self }
    }

    /// Whether it is time for another segment.
    pub(super) fn is_full(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.length >= self.segment_octets)
    }

    /// Begins another segment.
    pub(super) fn turn(&mut self, order: i64) -> Result<(), VaultError> {
        let number = self.number + 1;
        let path = self.layout.segment(number);
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&self.sequence.to_le_bytes());
        head.extend_from_slice(&order.to_le_bytes());
        head.extend_from_slice(&crc(&head).to_le_bytes());
        let mut file = self.disk.create(&path)?;
        let done = self.disk.write(&mut file, &head).and_then(|()| self.disk.flush(&file));
        if let Err(error) = done.and_then(|()| self.disk.flush_folder(&self.layout.journal)) {
            let _ = self.disk.unlink(&path);
            return Err(error);
        }
        self.segment = Some(Segment { file, length: HEAD as u64 });
        self.number = number;
        Ok(())
    }
}

/// Removes the segments before this one.
pub(super) fn remove_below(disk: &Disk, layout: &Layout, number: u64) -> Result<(), VaultError> {
    for (old, path) in segments(layout)? {
        if old < number {
            disk.unlink(&path)?;
        }
    }
    Ok(())
}

/// The segments that there are, in order.
pub(super) fn segments(layout: &Layout) -> Result<Vec<(u64, PathBuf)>, VaultError> {
    let listed = |e| failed("list", &layout.journal, e);
    let mut all = Vec::new();
    for entry in fs::read_dir(&layout.journal).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        if let Some(number) = Layout::segment_number(&path) {
            all.push((number, path));
        }
    }
    all.sort();
    Ok(all)
}

/// A segment that is being read.
pub(super) struct Reading {
    from: BufReader<File>,
    /// The first sequence number that does not count any more.
    pub(super) until: u64,
    /// The next one's sequence number.
    pub(super) next: u64,
    /// What orders go on from.
    pub(super) order: i64,
    /// Something between whole records is not whole.
    pub(super) damaged: bool,
}

/// What comes next in a segment.
enum Next {
    Whole(Record, usize),
    NotWhole,
    End,
}

impl Reading {
    /// Opens a segment; `None` where its head was not written to its end: then nothing was ever appended.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, VaultError> {
        let file = File::open(path).map_err(|e| failed("read", path, e))?;
        let octets = file.metadata().map_err(|e| failed("read", path, e))?.len();
        let mut from = BufReader::with_capacity(1 << 16, file);
        let mut head = [0; HEAD];
        if !filled(&mut from, &mut head).map_err(|e| failed("read", path, e))? {
            return Ok(None);
        }
        let mut parts = Parts(&head);
        let (magic, next, order) = (parts.take(8), parts.number(), parts.number());
        let whole = magic == Some(&MAGIC) && parts.short() == head.get(..HEAD - 4).map(crc);
        match (next, order) {
            (Some(next), Some(order)) if whole => {
                Ok(Some(Self { from, until: u64::MAX, next, order: order.cast_signed(), damaged: false }))
            }
            _ if octets <= HEAD as u64 => Ok(None),
            _ => Err(VaultError::Damaged {
                path: path.to_owned(),
                what: "the head of the journal was changed",
            }),
        }
    }

    /// The next record and its octets; `None` at the end, and where nothing more is whole.
    pub(super) fn record(&mut self) -> std::io::Result<Option<(Record, usize)>> {
        let mut behind = false;
        loop {
            match self.look()? {
                Next::Whole(record, _) if record.sequence >= self.until => return Ok(None),
                Next::Whole(record, octets) if record.sequence == self.next && !behind => {
                    self.next += 1;
                    return Ok(Some((record, octets)));
                }
                Next::Whole(record, octets) if record.sequence > self.next && behind => {
                    self.damaged = true;
                    self.next = record.sequence + 1;
                    return Ok(Some((record, octets)));
                }
                Next::NotWhole if !behind => behind = true,
                Next::Whole(..) | Next::NotWhole | Next::End => return Ok(None),
            }
        }
    }

    fn look(&mut self) -> std::io::Result<Next> {
        let mut head = [0; 8];
        if self.next >= self.until || !filled(&mut self.from, &mut head)? {
            return Ok(Next::End);
        }
        let mut parts = Parts(&head);
        let (length, checksum) = (parts.short().unwrap_or(u32::MAX) as usize, parts.short());
        if length > RECORD_MAX {
            return Ok(Next::End);
        }
        let mut octets = vec![0; length];
        if !filled(&mut self.from, &mut octets)? {
            return Ok(Next::End);
        }
        let record = decode(&octets).filter(|_| Some(crc(&octets)) == checksum);
        Ok(record.map_or(Next::NotWhole, |record| Next::Whole(record, length)))
    }
}

fn filled(from: &mut impl Read, to: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn crc(octets: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(octets);
    crc.sum()
}

fn encode(to: &mut Vec<u8>, record: &Record) {
    let start = to.len();
    to.extend_from_slice(&[0; 8]);
    let kind = match &record.what {
        What::Write(_, BodyAt::There) => 1,
        What::Write(_, BodyAt::Inline(..)) => 2,
        What::Write(_, BodyAt::Incoming(..)) => 3,
        What::Remove(_) => 4,
    };
    to.push(kind);
    to.extend_from_slice(&record.sequence.to_le_bytes());
    to.extend_from_slice(&record.id.bits().to_le_bytes());
    to.extend_from_slice(&record.version.to_le_bytes());
    let mut part = |octets: &[u8]| {
        to.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_le_bytes());
        to.extend_from_slice(octets);
    };
    match &record.what {
        What::Write(item, body) => {
            part(item);
            match body {
                BodyAt::There => {}
                BodyAt::Inline(digest, octets) => {
                    part(digest.as_bytes());
                    part(octets);
                }
                BodyAt::Incoming(digest, name) => {
                    part(digest.as_bytes());
                    part(name.as_bytes());
                }
            }
        }
        What::Remove(digest) => part(digest.as_bytes()),
    }
    let Some((head, payload)) = to.get_mut(start..).and_then(|all| all.split_at_mut_checked(8)) else {
        return;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc(payload).to_le_bytes();
    head.iter_mut().zip(length.into_iter().chain(sum)).for_each(|(to, from)| *to = from);
}

fn decode(octets: &[u8]) -> Option<Record> {
    let mut parts = Parts(octets);
    let kind = parts.take(1)?.first().copied()?;
    let sequence = parts.number()?;
    let id = Id::from_bits(parts.number()?)?;
    let version = parts.number()?;
    let what = match kind {
        1 => What::Write(parts.octets()?, BodyAt::There),
        2 => What::Write(parts.octets()?, BodyAt::Inline(parts.text()?, parts.octets()?)),
        3 => What::Write(parts.octets()?, BodyAt::Incoming(parts.text()?, parts.text()?)),
        4 => What::Remove(parts.text()?),
        _ => return None,
    };
    parts.0.is_empty().then_some(Record { sequence, id, version, what })
}

/// What is left to be taken apart.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(octets)?;
        self.0 = later;
        Some(now)
    }

    fn short(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let octets = self.short()? as usize;
        self.take(octets)
    }

    fn octets(&mut self) -> Option<Arc<Vec<u8>>> {
        self.part().map(|part| Arc::new(part.to_vec()))
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.part()?.to_vec()).ok()
    }
}
