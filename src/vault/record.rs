//! What a change is to the journal, and the frames that this and other logs are made of. Octets only: no file is opened
//! here.
//!
//! ```text
//! frame:  octets 4   checksum 4   payload        record: kind 1  sequence 8  id 8  version 8   parts, each with its length
//! ```

use super::mark::Mark;
use crate::mail::Id;
use flate2::Crc;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

/// Longest payload in octets.
pub(super) const RECORD_MAX: usize = 24 << 20;

/// Octets of a frame before its payload.
pub(super) const FRAME_HEAD: u64 = 8;

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

impl Record {
    /// The body of what it removes.
    pub(super) fn removed(&self) -> Option<&str> {
        match &self.what {
            What::Remove(digest) => Some(digest),
            What::Write(..) | What::Mark(..) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// The sealed item, and its body where it is new.
    Write(Arc<Vec<u8>>, BodyAt),
    /// Gone, and this body with the last item that has it.
    Remove(String),
    /// Its file stays as it is, and this is added to it. With its place in the index.
    Mark(i64, Arc<Mark>),
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

/// What comes next in a log.
pub(super) enum Frame {
    Whole(Vec<u8>),
    NotWhole,
    /// A length that no frame has.
    Absurd,
    End,
}

/// The next frame.
pub(super) fn read_frame(from: &mut impl Read) -> std::io::Result<Frame> {
    let mut head = [0; 8];
    if !filled(from, &mut head)? {
        return Ok(Frame::End);
    }
    let mut parts = Parts(&head);
    let (length, checksum) = (parts.short().unwrap_or(u32::MAX) as usize, parts.short());
    if length > RECORD_MAX {
        return Ok(Frame::Absurd);
    }
    let mut octets = vec![0; length];
    if !filled(from, &mut octets)? {
        return Ok(Frame::End);
    }
    Ok(if Some(crc(&octets)) == checksum { Frame::Whole(octets) } else { Frame::NotWhole })
}

/// Appends a frame, whose payload `fill` appends.
pub(super) fn frame(to: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&[0; 8]);
    fill(to);
    let Some((head, payload)) = to.get_mut(start..).and_then(|all| all.split_at_mut_checked(8)) else {
        return;
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc(payload).to_le_bytes();
    head.iter_mut().zip(length.into_iter().chain(sum)).for_each(|(to, from)| *to = from);
}

/// Fills all of it; false at the end.
pub(super) fn filled(from: &mut impl Read, to: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn crc(octets: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(octets);
    crc.sum()
}

/// Appends octets behind their length.
pub(super) fn part(to: &mut Vec<u8>, octets: &[u8]) {
    to.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(octets);
}

/// Appends a record in its frame.
pub(super) fn encode(to: &mut Vec<u8>, record: &Record) {
    frame(to, |to| payload(to, record));
}

fn payload(to: &mut Vec<u8>, record: &Record) {
    to.push(match &record.what {
        What::Write(_, BodyAt::There) => 1,
        What::Write(_, BodyAt::Inline(..)) => 2,
        What::Write(_, BodyAt::Incoming(..)) => 3,
        What::Remove(_) => 4,
        What::Mark(..) => 5,
    });
    to.extend_from_slice(&record.sequence.to_le_bytes());
    to.extend_from_slice(&record.id.bits().to_le_bytes());
    to.extend_from_slice(&record.version.to_le_bytes());
    match &record.what {
        What::Write(item, body) => {
            part(to, item);
            match body {
                BodyAt::There => {}
                BodyAt::Inline(digest, octets) => {
                    part(to, digest.as_bytes());
                    part(to, octets);
                }
                BodyAt::Incoming(digest, name) => {
                    part(to, digest.as_bytes());
                    part(to, name.as_bytes());
                }
            }
        }
        What::Remove(digest) => part(to, digest.as_bytes()),
        What::Mark(order, mark) => {
            to.extend_from_slice(&order.to_le_bytes());
            part(to, &mark.octets());
        }
    }
}

/// The record of a payload.
pub(super) fn decode(octets: &[u8]) -> Option<Record> {
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
        5 => What::Mark(parts.number()?.cast_signed(), Arc::new(Mark::of_octets(parts.part()?)?)),
        _ => return None,
    };
    parts.0.is_empty().then_some(Record { sequence, id, version, what })
}

/// What is left to be taken apart.
pub(super) struct Parts<'a>(pub(super) &'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(octets)?;
        self.0 = later;
        Some(now)
    }

    pub(super) fn short(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn part(&mut self) -> Option<&'a [u8]> {
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
