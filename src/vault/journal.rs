//! The journal: what was said to be ours, in order, before files and index have it.
//!
//! ```text
//! segment: magic 8   first sequence 8   order 8   checksum 4       then records:
//! frames, see `record`
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
use super::record::{Frame, Parts, Record, crc, decode, encode, filled, read_frame};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"\x8ePCJRNL1";
const HEAD: usize = 28;
/// Octets of a segment, about: what a start has to go through.
pub(super) const SEGMENT_OCTETS: u64 = 32 << 20;

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
        if self.next >= self.until {
            return Ok(Next::End);
        }
        Ok(match read_frame(&mut self.from)? {
            Frame::Whole(octets) => decode(&octets).map_or(Next::NotWhole, |r| Next::Whole(r, octets.len())),
            Frame::NotWhole => Next::NotWhole,
            Frame::End | Frame::Absurd => Next::End,
        })
    }
}
