//! RAR 4 and 5: names, encryption, and members that are stored without compression. Nothing else is unpacked: the only code
//! for that is not free.

use super::bytes::{name, piece, u16_le, u32_le};
use super::entry::{Entry, Listing, Packed};
use super::file::{Mark, Marks};
use std::ops::Range;

const MAGIC: &[u8] = b"Rar!\x1a\x07";
const STORED: u8 = 0x30;
/// UTF-16 units of a name that are put together, and those that are kept.
const UNITS_MAX: usize = 16 * 1024;
const KEPT_UNITS: usize = 1024;

/// Lists a RAR file.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    match octets.strip_prefix(MAGIC).and_then(|rest| rest.first()) {
        Some(0) => four(octets, most),
        Some(1) => five(octets, most),
        // RAR 1.4, and what a later one may be.
        Some(_) | None => Listing::marked(Mark::Unread),
    }
}

fn entry(names: Vec<Box<str>>, octets: u64, encrypted: bool, stored: Option<Range<usize>>) -> Entry {
    let mut marks = Marks::NONE;
    marks.add_if(encrypted, Mark::Encrypted);
    marks.add_if(!encrypted && stored.is_none(), Mark::Unread);
    let packed = stored.filter(|_| !encrypted).map_or(Packed::Nowhere, Packed::Plain);
    Entry { names, octets, marks, packed }
}

/// RAR 1.5 to 4 (technote.txt of that version).
fn four(octets: &[u8], most: usize) -> Listing {
    let (mut listing, mut place) = (Listing::default(), MAGIC.len() + 1);
    while let Some(head) = piece(octets, place, 7) {
        let fields = (head.get(2).copied(), u16_le(head, 3), u16_le(head, 5).map(usize::from));
        let (Some(kind), Some(flags), Some(size)) = fields else { break };
        let Some(block) = piece(octets, place, size).filter(|_| size >= 7) else {
            listing.marks.add(Mark::Damaged);
            break;
        };
        let long = flags & 0x8000 != 0 || kind == 0x74;
        let data = if long { u32_le(block, 7).unwrap_or_default() as usize } else { 0 };
        let start = place + size;
        match kind {
            0x73 if flags & 0x0080 != 0 => {
                listing.marks.add(Mark::Encrypted);
                break;
            }
            0x74 if flags & 0x00e0 != 0x00e0 => {
                let Some(entry) = four_file(block, flags, start..start.saturating_add(data)) else {
                    listing.marks.add(Mark::Damaged);
                    break;
                };
                if !listing.add(entry, most) {
                    break;
                }
            }
            0x7b => break,
            _ => {}
        }
        place = start.saturating_add(data);
    }
    listing
}

fn four_file(block: &[u8], flags: u16, range: Range<usize>) -> Option<Entry> {
    let size = u32_le(block, 11)?;
    let length = usize::from(u16_le(block, 26)?);
    let at = if flags & 0x0100 != 0 { 40 } else { 32 };
    let text = piece(block, at, length)?;
    let mut parts = text.splitn(2, |b| *b == 0);
    let plain = parts.next().unwrap_or_default();
    let mut names = vec![name(plain)];
    if flags & 0x0200 != 0
        && let Some(wide) = parts.next().filter(|wide| !wide.is_empty())
    {
        names.push(four_name(plain, wide).into());
    }
    let stored = block.get(25) == Some(&STORED);
    Some(entry(names, u64::from(size), flags & 0x0004 != 0, stored.then_some(range)))
}

/// The Unicode name: pieces that are taken from the plain one, or stand here with or without their high octet.
fn four_name(plain: &[u8], wide: &[u8]) -> String {
    let mut input = wide.iter().copied();
    let high = input.next().unwrap_or_default();
    let (mut units, mut flags, mut bits) = (Vec::new(), 0u8, 0);
    while units.len() < UNITS_MAX {
        if bits == 0 {
            let Some(next) = input.next() else { break };
            (flags, bits) = (next, 8);
        }
        bits -= 2;
        let mut octet = || input.next().map(u16::from);
        match flags >> bits & 3 {
            0 => units.extend(octet()),
            1 => units.extend(octet().map(|low| low | u16::from(high) << 8)),
            2 => {
                let (Some(low), Some(high)) = (octet(), octet()) else { break };
                units.push(low | high << 8);
            }
            _ => {
                let Some(length) = octet() else { break };
                let (add, own) =
                    if length & 0x80 != 0 { (octet().unwrap_or_default(), true) } else { (0, false) };
                for _ in 0..(length & 0x7f) + 2 {
                    let low = u16::from(plain.get(units.len()).copied().unwrap_or_default());
                    units.push(if own { (low + add) & 0xff | u16::from(high) << 8 } else { low });
                }
            }
        }
    }
    // Of a long name the beginning and the end, which is where the extension stands.
    if units.len() > KEPT_UNITS {
        units.drain(KEPT_UNITS / 2..units.len() - KEPT_UNITS / 2);
    }
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// RAR 5 (technote of that version).
fn five(octets: &[u8], most: usize) -> Listing {
    let (mut listing, mut place) = (Listing::default(), MAGIC.len() + 2);
    while place + 7 <= octets.len() {
        let Some(block) = Block::read(octets, place) else {
            listing.marks.add(Mark::Damaged);
            break;
        };
        let end = block.data.end;
        match block.kind {
            2 => {
                let Some(file) = block.file() else {
                    listing.marks.add(Mark::Damaged);
                    break;
                };
                if let Some(entry) = file
                    && !listing.add(entry, most)
                {
                    break;
                }
            }
            // Everything behind it is encrypted, names too.
            4 => {
                listing.marks.add(Mark::Encrypted);
                break;
            }
            5 => break,
            _ => {}
        }
        place = end;
    }
    listing
}

struct Block<'o> {
    kind: u64,
    /// The fields of its kind.
    fields: &'o [u8],
    extra: &'o [u8],
    data: Range<usize>,
}

impl<'o> Block<'o> {
    fn read(octets: &'o [u8], place: usize) -> Option<Self> {
        let mut rest = octets.get(place + 4..)?;
        let before = rest.len();
        let size = usize::try_from(number(&mut rest)?).ok()?;
        let start = place + 4 + (before - rest.len());
        let mut fields = rest.get(..size)?;
        let (kind, flags) = (number(&mut fields)?, number(&mut fields)?);
        let extra = if flags & 1 != 0 { usize::try_from(number(&mut fields)?).ok()? } else { 0 };
        let data = if flags & 2 != 0 { usize::try_from(number(&mut fields)?).ok()? } else { 0 };
        let (fields, extra) = fields.split_at_checked(fields.len().checked_sub(extra)?)?;
        let end = start.checked_add(size)?;
        Some(Self { kind, fields, extra, data: end..end.checked_add(data)? })
    }

    /// The member; within it `None` for a folder.
    fn file(&self) -> Option<Option<Entry>> {
        let mut rest = self.fields;
        let (flags, size, _) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
        let skipped = if flags & 2 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
        rest = rest.get(skipped..)?;
        let (packing, _) = (number(&mut rest)?, number(&mut rest)?);
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let names = vec![name(rest.get(..length)?)];
        if flags & 1 != 0 {
            return Some(None);
        }
        let stored = packing >> 7 & 7 == 0;
        Some(Some(entry(names, size, self.is_encrypted(), stored.then(|| self.data.clone()))))
    }

    /// Whether a record of the extra area says so.
    fn is_encrypted(&self) -> bool {
        let mut rest = self.extra;
        while let Some(size) = number(&mut rest).and_then(|size| usize::try_from(size).ok()) {
            let Some((mut record, after)) = rest.split_at_checked(size) else { return false };
            if number(&mut record) == Some(1) {
                return true;
            }
            rest = after;
        }
        false
    }
}

/// A number of seven bits an octet, the lowest first.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (first, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(first & 0x7f).checked_shl(7 * place).unwrap_or_default();
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A RAR 4 file of stored members.
    pub(crate) fn rar4(members: &[(&str, &[u8], u16)]) -> Vec<u8> {
        let mut out = b"Rar!\x1a\x07\0".to_vec();
        out.extend([0, 0, 0x73, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0]);
        for (name, octets, flags) in members {
            let length = u32::try_from(octets.len()).unwrap().to_le_bytes();
            out.extend([0, 0, 0x74]);
            out.extend((0x8000 | flags).to_le_bytes());
            out.extend(u16::try_from(32 + name.len()).unwrap().to_le_bytes());
            out.extend(length);
            out.extend(length);
            out.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 20, STORED]);
            out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            out.extend([0; 4]);
            out.extend(name.as_bytes());
            out.extend(*octets);
        }
        out
    }

    fn rar5(name: &str, octets: &[u8], extra: &[u8]) -> Vec<u8> {
        let mut out = b"Rar!\x1a\x07\x01\0".to_vec();
        // Main header, then the file.
        out.extend([0, 0, 0, 0, 3, 1, 0, 0]);
        let mut fields = vec![2, 3, u8::try_from(extra.len()).unwrap(), u8::try_from(octets.len()).unwrap()];
        fields.extend([0, u8::try_from(octets.len()).unwrap(), 0, 0, 0, u8::try_from(name.len()).unwrap()]);
        fields.extend(name.as_bytes());
        fields.extend(extra);
        out.extend([0; 4]);
        out.push(u8::try_from(fields.len()).unwrap());
        out.extend(fields);
        out.extend(octets);
        out
    }

    #[test]
    fn a_long_name_keeps_its_end_and_is_bounded() {
        // Pieces of the plain name that are longer than it, and then ".exe" as it stands.
        let mut wide = vec![0, 0xff, 0x7f, 0x7f, 0x7f, 0x7f];
        (0..4).for_each(|_| wide.extend([0xff, 0x7f, 0x7f, 0x7f, 0x7f]));
        wide.extend([0, b'.', b'e', b'x', b'e']);
        let name = four_name(b"a", &wide);
        assert!(name.starts_with('a') && name.ends_with(".exe"), "{name:?}");
        assert_eq!(name.chars().count(), KEPT_UNITS);
    }

    #[test]
    fn names_of_both_versions() {
        let four = rar4(&[("a.exe", b"MZ", 0), ("b.txt", b"x", 4)]);
        let listing = list(&four, 10);
        let names: Vec<_> = listing.entries.iter().map(|entry| (&*entry.names[0], entry.marks)).collect();
        assert_eq!(names, [("a.exe", Marks::NONE), ("b.txt", Marks::of(Mark::Encrypted))]);
        assert!(matches!(&listing.entries[0].packed, Packed::Plain(range) if &four[range.clone()] == b"MZ"));
        let five = rar5("c.js", b"hello", &[]);
        let listing = list(&five, 10);
        assert_eq!((&*listing.entries[0].names[0], listing.entries[0].marks), ("c.js", Marks::NONE));
        assert!(
            matches!(&listing.entries[0].packed, Packed::Plain(range) if &five[range.clone()] == b"hello")
        );
        let five = rar5("c.js", b"hello", &[2, 1, 0]);
        assert!(list(&five, 10).entries[0].marks.has(Mark::Encrypted));
        let hidden = b"Rar!\x1a\x07\x01\0\0\0\0\0\x03\x04\0\0";
        assert!(list(hidden, 10).marks.has(Mark::Encrypted));
        assert!(list(b"Rar!\x1a\x07\0\0\0\x73\x80\0\x0d\0\0\0\0\0\0\0", 10).marks.has(Mark::Encrypted));
    }
}
