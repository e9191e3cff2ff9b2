//! TNEF (MS-OXTNEF): `winmail.dat` of Outlook, and the attachments in it.

use super::bytes::{name, piece, size_le, u16_le, u32_le, until_nul, utf16};
use super::entry::{Entry, Listing, Packed};
use super::file::Mark;
use std::ops::Range;

const BEGINS: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const PROPERTIES: u32 = 0x0006_9005;
/// Properties of one attachment that are looked at.
const PROPERTIES_MAX: u32 = 1000;
/// Values of one property.
const VALUES_MAX: u32 = 1000;

/// Lists the attachments.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let (mut place, mut open) = (6usize, None);
    while place < octets.len() {
        let found = || {
            let length = size_le(octets, place + 5)?;
            piece(octets, place + 9, length).map(|data| (data, place + 9..place + 9 + length))
        };
        let Some((data, range)) = found() else {
            listing.marks.add(Mark::Damaged);
            break;
        };
        place = range.end + 2;
        match u32_le(octets, range.start - 8) {
            Some(BEGINS) => {
                let full = open.replace(Entry::default()).is_some_and(|entry| !listing.add(entry, most));
                if full {
                    return listing;
                }
            }
            Some(TITLE) => push(&mut open, name(until_nul(data))),
            Some(DATA) => {
                let entry = open.get_or_insert_with(Entry::default);
                (entry.octets, entry.packed) = (range.len() as u64, Packed::Plain(range));
            }
            Some(PROPERTIES) => properties(octets, range, &mut open),
            _ => {}
        }
    }
    if let Some(entry) = open {
        listing.add(entry, most);
    }
    listing
}

fn push(open: &mut Option<Entry>, name: Box<str>) {
    let entry = open.get_or_insert_with(Entry::default);
    if !name.is_empty() && !entry.names.contains(&name) && entry.names.len() < 8 {
        entry.names.push(name);
    }
}

/// MAPI properties: long names, and embedded objects.
fn properties(octets: &[u8], range: Range<usize>, open: &mut Option<Entry>) {
    let mut cursor = Cursor { octets, place: range.start, end: range.end };
    let Some(count) = cursor.number() else { return };
    for _ in 0..count.min(PROPERTIES_MAX) {
        if cursor.property(open).is_none() {
            let entry = open.get_or_insert_with(Entry::default);
            entry.marks.add(Mark::Damaged);
            return;
        }
    }
}

struct Cursor<'o> {
    octets: &'o [u8],
    place: usize,
    end: usize,
}

impl<'o> Cursor<'o> {
    fn number(&mut self) -> Option<u32> {
        let number = u32_le(self.octets, self.place).filter(|_| self.place + 4 <= self.end)?;
        self.place += 4;
        Some(number)
    }

    /// A value of that length, and what fills it up to a multiple of four.
    fn value(&mut self, length: usize) -> Option<(&'o [u8], Range<usize>)> {
        let range = self.place..self.place.checked_add(length).filter(|end| *end <= self.end)?;
        let value = self.octets.get(range.clone())?;

        self.place = range.start + length.next_multiple_of(4);
        Some((value, range))
    }

    fn property(&mut self, open: &mut Option<Entry>) -> Option<()> {
        let (kind, id) = (u16_le(self.octets, self.place)?, u16_le(self.octets, self.place + 2)?);
        self.place += 4;
        if id >= 0x8000 {
            self.value(16)?;
            let named = self.number()? == 1;
            let length = self.number()?;
            if named {
                self.value(usize::try_from(length).ok()?)?;
            }
        }
        let many = kind & 0x1000 != 0;
        let fixed = match kind & 0x0fff {
            0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => Some(4),
            0x0005..=0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            0x000d | 0x001e | 0x001f | 0x0102 => None,
            _ => return None,
        };
        let values = if many || fixed.is_none() { self.number()? } else { 1 };
        if values > VALUES_MAX {
            return None;
        }
        for _ in 0..values {
            let length = match fixed {
                Some(length) => length,
                None => usize::try_from(self.number()?).ok()?,
            };
            let (value, range) = self.value(length)?;
            take(open, kind & 0x0fff, id, value, range);
        }
        Some(())
    }
}

fn take(open: &mut Option<Entry>, kind: u16, id: u16, value: &[u8], range: Range<usize>) {
    match (id, kind) {
        // Long name, name, display name.
        (0x3707 | 0x3704 | 0x3001, 0x001f) => push(open, name(utf16(value).as_bytes())),
        (0x3707 | 0x3704 | 0x3001, 0x001e) => push(open, name(until_nul(value))),
        // The attachment as an object: behind the 16 octets that name its interface.
        (0x3701, 0x000d) => object(open, range.start + 16..range.end),
        (0x3701, 0x0102) => object(open, range),
        _ => {}
    }
}

fn object(open: &mut Option<Entry>, range: Range<usize>) {
    let entry = open.get_or_insert_with(Entry::default);
    if range.start < range.end && entry.packed == Packed::Nowhere {
        (entry.octets, entry.packed) = (range.len() as u64, Packed::Plain(range));
    }
}

/// A TNEF file is one attribute behind the other, each with a checksum that nobody checks.
#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn attribute(out: &mut Vec<u8>, id: u32, data: &[u8]) {
        out.push(2);
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out.extend([0, 0]);
    }

    /// A TNEF file with one attachment of a short and a long name.
    pub(crate) fn tnef(short: &str, long: &str, octets: &[u8]) -> Vec<u8> {
        let mut out = b"\x78\x9f\x3e\x22\x01\0".to_vec();
        attribute(&mut out, BEGINS, &[0; 14]);
        attribute(&mut out, TITLE, format!("{short}\0").as_bytes());
        attribute(&mut out, DATA, octets);
        let wide: Vec<u8> = format!("{long}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut properties = 2u32.to_le_bytes().to_vec();
        properties.extend([0x0b, 0, 0x05, 0x37, 1, 0, 0, 0]);
        properties.extend([0x1f, 0, 0x07, 0x37, 1, 0, 0, 0]);
        properties.extend(u32::try_from(wide.len()).unwrap().to_le_bytes());
        properties.extend(&wide);
        properties.resize(properties.len().next_multiple_of(4), 0);
        attribute(&mut out, PROPERTIES, &properties);
        out
    }

    #[test]
    fn both_names_and_the_octets() {
        let octets = tnef("BILL~1.PDF", "bill.pdf.exe", b"MZ");
        let listing = list(&octets, 10);
        assert!(listing.marks.is_empty(), "{:?}", listing.marks);
        let [entry] = &listing.entries[..] else { panic!("{listing:?}") };
        assert_eq!(entry.names, ["BILL~1.PDF".into(), Box::<str>::from("bill.pdf.exe")]);
        assert!(matches!(&entry.packed, Packed::Plain(range) if &octets[range.clone()] == b"MZ"));
        assert!(list(&octets[..octets.len() - 9], 10).marks.has(Mark::Damaged));
    }
}
