//! Zip (APPNOTE.TXT 6.3.10): what its directory says, and what stands in front of the data.
//!
//! Programs read one or the other, and where the two differ they unpack different files. So both are read, every name is
//! kept, and a difference is told. Encrypted members are named; nothing is unpacked here.

use super::bytes::{at, name, piece, size_le, u16_le, u32_le, u64_le};
use super::entry::{Entry, Listing, Packed};
use super::file::{Mark, Marks};
use memchr::memmem;
use std::collections::HashMap;
use std::ops::Range;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const LOCAL_OCTETS: usize = 30;
const CENTRAL_OCTETS: usize = 46;
const END_OCTETS: usize = 22;
/// The end record and the longest comment.
const END_REACH: usize = END_OCTETS + 65_535;
/// End records of other directories that are looked at.
const OTHERS_MAX: usize = 16;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const AES: u16 = 99;
/// Encrypted, or with a masked header.
const ENCRYPTED_BITS: u16 = 1 | 1 << 6 | 1 << 13;
/// Sizes stand behind the data.
const STREAMED_BIT: u16 = 1 << 3;

/// What one header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header<'o> {
    flags: u16,
    method: u16,
    packed: u64,
    size: u64,
    crc: u32,
    name: &'o [u8],
    /// The name in the Unicode Path extra field (0x7075).
    other_name: Option<&'o [u8]>,
}

/// Lists a zip file: at most `most` members.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let mut reader = Reader { octets, most, seen: HashMap::new(), ranges: Vec::new() };
    match directory(octets) {
        Some(((place, base, count), others)) => {
            reader.by_directory(&mut listing, place, base, count);
            // One in the data of a member is that of an archive in this one, stored as it is.
            let inside = |other: &usize| reader.ranges.iter().any(|range| range.contains(other));
            listing.marks.add_if(others.len() > OTHERS_MAX || !others.iter().all(inside), Mark::Ambiguous);
        }
        None => listing.marks.add(Mark::Damaged),
    }
    if !listing.marks.has(Mark::TooMany) {
        reader.by_headers(&mut listing);
    }
    let shared = shared(&mut reader.ranges);
    if !shared.is_empty() {
        listing.marks.add(Mark::Ambiguous);
        listing.marks.add(Mark::Bomb);
        // Told; what stands there once is not unpacked many times.
        let twice = listing.entries.iter_mut().filter(|entry| is_among(&shared, &entry.packed));
        twice.for_each(|entry| entry.packed = Packed::Nowhere);
    }
    listing
}

/// Whether a file of another type ends with the directory of a zip file, so that it is one too.
pub(super) fn is_behind(octets: &[u8]) -> bool {
    directory(octets).is_some_and(|((place, _, count), _)| count > 0 && at(octets, place, CENTRAL))
}

/// Where the directory is, where the file begins that it counts from, and how many entries it claims.
type Directory = (usize, usize, u64);

/// The last directory, and where end records of others are: one more than [`OTHERS_MAX`] at most.
fn directory(octets: &[u8]) -> Option<(Directory, Vec<usize>)> {
    let start = octets.len().saturating_sub(END_REACH);
    let tail = octets.get(start..)?;
    let ends = memmem::rfind_iter(tail, END).map(|place| start + place);
    let mut known = ends.filter_map(|place| Some((place, end_record(octets, place)?)));
    let (_, last) = known.next()?;
    let others = known.filter(|(_, other)| other.0 != last.0).map(|(place, _)| place);
    Some((last, others.take(OTHERS_MAX + 1).collect()))
}

fn end_record(octets: &[u8], place: usize) -> Option<Directory> {
    piece(octets, place, END_OCTETS)?;
    let (count, size, offset) =
        (u16_le(octets, place + 10)?, u32_le(octets, place + 12)?, u32_le(octets, place + 16)?);
    if (count == u16::MAX || size == u32::MAX || offset == u32::MAX)
        && let Some(found) = end_record_64(octets, place)
    {
        return Some(found);
    }
    let (size, offset) = (usize::try_from(size).ok()?, usize::try_from(offset).ok()?);
    let begins = place.checked_sub(size)?;
    // Some archives have a stub in front that their offsets do not count; others a directory that is not next to its end.
    let (begins, base) = match begins.checked_sub(offset) {
        Some(base) if count == 0 || at(octets, begins, CENTRAL) => (begins, base),
        _ if at(octets, offset, CENTRAL) => (offset, 0),
        _ => return None,
    };
    Some((begins, base, u64::from(count)))
}

/// Zip64: the locator is in front of the end record.
fn end_record_64(octets: &[u8], place: usize) -> Option<Directory> {
    let locator = place.checked_sub(20).filter(|place| at(octets, *place, b"PK\x06\x07"))?;
    let claimed = usize::try_from(u64_le(octets, locator + 8)?).ok()?;
    let record =
        [claimed, locator.checked_sub(56)?].into_iter().find(|place| at(octets, *place, b"PK\x06\x06"))?;
    let (count, size, offset) =
        (u64_le(octets, record + 32)?, u64_le(octets, record + 40)?, u64_le(octets, record + 48)?);
    let (size, offset) = (usize::try_from(size).ok()?, usize::try_from(offset).ok()?);
    let begins = record.checked_sub(size)?;
    Some((begins, begins.checked_sub(offset)?, count))
}

struct Reader<'o> {
    octets: &'o [u8],
    most: usize,
    /// Local headers that the directory names, and where the data of each ends.
    seen: HashMap<usize, usize>,
    /// Data of members that the directory names.
    ranges: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn by_directory(&mut self, listing: &mut Listing, place: usize, base: usize, count: u64) {
        let (mut next, mut found) = (place, 0u64);
        while at(self.octets, next, CENTRAL) {
            let Some((header, local, after)) = central(self.octets, next) else {
                listing.marks.add(Mark::Damaged);
                return;
            };
            (next, found) = (after, found + 1);
            let local = usize::try_from(local).ok().and_then(|local| local.checked_add(base));
            let entry = self.entry(&header, local, &mut listing.marks);
            if let Some(entry) = entry
                && !listing.add(entry, self.most)
            {
                return;
            }
        }
        listing.marks.add_if(found & 0xffff != count & 0xffff, Mark::Damaged);
    }

    /// The member of a header of the directory, with what its local header says.
    fn entry(&mut self, header: &Header<'_>, place: Option<usize>, marks: &mut Marks) -> Option<Entry> {
        let local = place.and_then(|place| Some((place, local(self.octets, place)?)));
        let Some((place, (own, data))) = local else {
            marks.add(Mark::Damaged);
            return Some(entry(header, Packed::Nowhere));
        };
        let length = usize::try_from(header.packed).unwrap_or(usize::MAX);
        let range = data..data.saturating_add(length);
        self.seen.insert(place, range.end);
        let folder = header.name.ends_with(b"/") && header.size == 0 && own.name == header.name;
        if folder {
            return None;
        }
        self.ranges.push(place..range.end);
        let mut entry = entry(header, packed(header, range));
        let streamed = own.flags & STREAMED_BIT != 0;
        let masked = own.flags & (1 << 13) != 0;
        let sizes = own.packed != header.packed || own.size != header.size;
        if own.name != header.name && !masked || own.method != header.method || sizes && !streamed && !masked
        {
            entry.marks.add(Mark::Ambiguous);
            marks.add(Mark::Ambiguous);
            push(&mut entry.names, own.name);
        }
        entry.marks.add_if(own.flags & ENCRYPTED_BITS != 0, Mark::Encrypted);
        own.other_name.iter().for_each(|other| push(&mut entry.names, other));
        Some(entry)
    }

    /// Members that the directory does not name. Data of those that it names is passed over.
    fn by_headers(&mut self, listing: &mut Listing) {
        let mut place = 0;
        while let Some(found) = self.octets.get(place..).and_then(|rest| memmem::find(rest, LOCAL)) {
            let start = place + found;
            if let Some(end) = self.seen.get(&start) {
                place = (*end).max(start + LOCAL_OCTETS).min(self.octets.len());
                continue;
            }
            let Some((header, data)) = local(self.octets, start).filter(|(header, _)| is_likely(header))
            else {
                place = start + LOCAL.len();
                continue;
            };
            let known = header.flags & STREAMED_BIT == 0;
            let length = usize::try_from(header.packed).ok().filter(|_| known);
            let end =
                length.and_then(|length| data.checked_add(length)).filter(|end| *end <= self.octets.len());
            let range = data..end.unwrap_or(self.octets.len());
            place = end.unwrap_or(data).max(start + LOCAL.len());
            if header.name.ends_with(b"/") && header.size == 0 && known {
                continue;
            }
            let mut entry = entry(&header, packed(&header, range));
            // Without a directory these are all that there is.
            let beside = !self.seen.is_empty();
            entry.marks.add_if(beside, Mark::Ambiguous);
            listing.marks.add_if(beside, Mark::Ambiguous);
            if !listing.add(entry, self.most) {
                return;
            }
        }
    }
}

/// Four octets in compressed data are no header: its numbers are.
fn is_likely(header: &Header<'_>) -> bool {
    header.method < 100 && !header.name.is_empty() && !header.name.contains(&0)
}

fn entry(header: &Header<'_>, packed: Packed) -> Entry {
    let mut names = Vec::with_capacity(1);
    push(&mut names, header.name);
    header.other_name.iter().for_each(|other| push(&mut names, other));
    let mut marks = Marks::NONE;
    let encrypted = header.flags & ENCRYPTED_BITS != 0 || header.method == AES;
    marks.add_if(encrypted, Mark::Encrypted);
    marks.add_if(!encrypted && !matches!(header.method, STORED | DEFLATED), Mark::Unread);
    Entry {
        names,
        octets: header.size,
        marks,
        packed: if encrypted { doubtful(header, packed) } else { packed },
    }
}

/// What is called encrypted and is not: programs that look at the flag ask for a password, others open it.
fn doubtful(header: &Header<'_>, packed: Packed) -> Packed {
    match packed {
        Packed::Plain(range) => Packed::Doubtful { range, deflated: false, crc: header.crc },
        Packed::Deflate(range) => Packed::Doubtful { range, deflated: true, crc: header.crc },
        _ => Packed::Nowhere,
    }
}

fn packed(header: &Header<'_>, range: Range<usize>) -> Packed {
    match header.method {
        STORED => Packed::Plain(range),
        DEFLATED => Packed::Deflate(range),
        _ => Packed::Nowhere,
    }
}

fn push(names: &mut Vec<Box<str>>, octets: &[u8]) {
    let name = name(octets);
    if !names.contains(&name) {
        names.push(name);
    }
}

/// A header of the directory, where its local header is claimed to be, and where the next one begins.
fn central(octets: &[u8], place: usize) -> Option<(Header<'_>, u64, usize)> {
    let fixed = piece(octets, place, CENTRAL_OCTETS)?;
    let lengths = [u16_le(fixed, 28)?, u16_le(fixed, 30)?, u16_le(fixed, 32)?].map(usize::from);
    let [name, extra, comment] = lengths;
    let name_at = place + CENTRAL_OCTETS;
    let extra_at = name_at + name;
    let extra_octets = piece(octets, extra_at, extra).unwrap_or_default();
    let mut local = u64::from(u32_le(fixed, 42)?);
    let header = Header {
        flags: u16_le(fixed, 8)?,
        method: u16_le(fixed, 10)?,
        packed: u64::from(u32_le(fixed, 20)?),
        size: u64::from(u32_le(fixed, 24)?),
        crc: u32_le(fixed, 16)?,
        name: piece(octets, name_at, name)?,
        other_name: None,
    };
    Some((with_extra(header, extra_octets, Some(&mut local)), local, extra_at + extra + comment))
}

/// A local header, and where the data behind it begins.
fn local(octets: &[u8], place: usize) -> Option<(Header<'_>, usize)> {
    let fixed = piece(octets, place, LOCAL_OCTETS).filter(|fixed| fixed.starts_with(LOCAL))?;
    let (name, extra) = (usize::from(u16_le(fixed, 26)?), usize::from(u16_le(fixed, 28)?));
    let name_at = place + LOCAL_OCTETS;
    let header = Header {
        flags: u16_le(fixed, 6)?,
        method: u16_le(fixed, 8)?,
        packed: u64::from(u32_le(fixed, 18)?),
        size: u64::from(u32_le(fixed, 22)?),
        crc: u32_le(fixed, 14)?,
        name: piece(octets, name_at, name)?,
        other_name: None,
    };
    let extra_octets = piece(octets, name_at + name, extra).unwrap_or_default();
    Some((with_extra(header, extra_octets, None), name_at + name + extra))
}

/// Reads the extra fields: zip64 sizes (0x0001), and another name (0x7075).
fn with_extra<'o>(mut header: Header<'o>, extra: &'o [u8], mut local: Option<&mut u64>) -> Header<'o> {
    const FULL: u64 = u32::MAX as u64;
    let mut rest = extra;
    while let (Some(id), Some(length)) = (u16_le(rest, 0), u16_le(rest, 2)) {
        let field = piece(rest, 4, usize::from(length)).unwrap_or_default();
        if id == 0x0001 {
            let mut values = (0..).map_while(|at| u64_le(field, at * 8));
            for value in [&mut header.size, &mut header.packed].into_iter().chain(local.as_deref_mut()) {
                if *value == FULL {
                    *value = values.next().unwrap_or(*value);
                }
            }
        } else if id == 0x7075 && size_le(field, 1).is_some() {
            header.other_name = field.get(5..).filter(|name| !name.is_empty());
        }
        rest = rest.get(4 + usize::from(length)..).unwrap_or_default();
    }
    header
}

/// Octets that are in two of the ranges or more, in order.
fn shared(ranges: &mut [Range<usize>]) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut out, mut end): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for range in ranges {
        let both = range.start..range.end.min(end);
        end = end.max(range.end);
        match out.last_mut() {
            Some(last) if both.start <= last.end => last.end = last.end.max(both.end),
            _ if both.is_empty() => {}
            _ => out.push(both),
        }
    }
    out
}

/// Whether an entry has octets in one of these ranges, which are in order.
fn is_among(shared: &[Range<usize>], packed: &Packed) -> bool {
    let (Packed::Plain(range) | Packed::Deflate(range) | Packed::Doubtful { range, .. }) = packed else {
        return false;
    };
    let nth = shared.partition_point(|other| other.end <= range.start);
    shared.get(nth).is_some_and(|other| other.start < range.end)
}
