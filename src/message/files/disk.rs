//! Images of CDs (ISO 9660, with the names of Joliet) and cabinets: files of Windows that are opened by a double click.

use super::bytes::{at, name, piece, size_le, u16_le, u32_le, until_nul};
use super::entry::{Entry, Listing, Packed};
use super::file::{Mark, Marks};
use std::collections::HashSet;

const SECTOR: usize = 2048;
const DESCRIPTORS_MAX: usize = 64;

/// Lists a CD image: every tree that it has.
pub(super) fn list_iso(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    for sector in 16..16 + DESCRIPTORS_MAX {
        let Some(descriptor) = piece(octets, sector * SECTOR, SECTOR).filter(|d| at(d, 1, b"CD001")) else {
            break;
        };
        let wide = match descriptor.first() {
            Some(1) => false,
            Some(2) => at(descriptor, 88, b"%/"),
            Some(255) => break,
            _ => continue,
        };
        tree(octets, descriptor.get(156..190).unwrap_or_default(), wide, &mut seen, &mut listing, most);
    }
    // UDF alone has no such descriptors.
    listing.marks.add_if(listing.entries.is_empty() && seen.is_empty(), Mark::Unread);
    listing
}

/// Files below a folder. A folder is looked at once, so that trees in a circle end.
fn tree(
    octets: &[u8],
    root: &[u8],
    wide: bool,
    seen: &mut HashSet<(usize, bool)>,
    listing: &mut Listing,
    most: usize,
) {
    let extent = |record: &[u8]| Some((size_le(record, 2)?.checked_mul(SECTOR)?, size_le(record, 10)?));
    let mut open: Vec<(usize, usize)> = extent(root).into_iter().collect();
    // Folders may overlap: together they are not longer than the image, or it is none of those that are written.
    let mut left = octets.len();
    while let Some((start, length)) = open.pop() {
        if !seen.insert((start, wide)) {
            continue;
        }
        let folder = octets.get(start..).unwrap_or_default();
        let folder = folder.get(..length.min(left)).unwrap_or(folder);
        left = left.saturating_sub(folder.len());
        let mut place = 0;
        while let Some(&size) = folder.get(place) {
            if size == 0 {
                // Records do not cross sectors.
                place = (place / SECTOR + 1) * SECTOR;
                continue;
            }
            let record = piece(folder, place, usize::from(size)).unwrap_or_default();
            place += usize::from(size);
            let Some((data, length)) = extent(record) else { continue };
            let text = record.get(32).and_then(|n| piece(record, 33, usize::from(*n))).unwrap_or_default();
            if record.get(25).is_some_and(|flags| flags & 2 != 0) {
                // The first two are the folder itself and the one above it.
                if !matches!(text, [0 | 1]) {
                    open.push((data, length));
                }
                continue;
            }
            let range = data..data.saturating_add(length);
            let mut marks = Marks::NONE;
            marks.add_if(range.end > octets.len(), Mark::Damaged);
            let packed = Packed::Plain(range);
            if !listing
                .add(Entry { names: vec![file_name(text, wide)], octets: length as u64, marks, packed }, most)
            {
                return;
            }
        }
    }
}

fn file_name(text: &[u8], wide: bool) -> Box<str> {
    let whole = if wide {
        let units = text.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        name(text).into_string()
    };
    whole.rsplit_once(';').map_or(whole.as_str(), |(name, _version)| name).into()
}

/// Lists a cabinet (MS-CAB): names. What is in it is not unpacked.
pub(super) fn list_cab(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let (Some(mut place), Some(count)) = (size_le(octets, 16), u16_le(octets, 28)) else {
        return Listing::marked(Mark::Damaged);
    };
    for _ in 0..count {
        let text = piece(octets, place, 16).and_then(|_| octets.get(place + 16..)).map(until_nul);
        let (Some(text), Some(size)) = (text, u32_le(octets, place)) else {
            listing.marks.add(Mark::Damaged);
            break;
        };
        place += 16 + text.len() + 1;
        let marks = Marks::of(Mark::Unread);
        let entry =
            Entry { names: vec![name(text)], octets: u64::from(size), marks, packed: Packed::Nowhere };
        if !listing.add(entry, most) {
            break;
        }
    }
    listing
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A CD image with one file.
    pub(crate) fn iso(file: &str, content: &[u8]) -> Vec<u8> {
        let record = |sector: u32, length: usize, flags: u8, name: &[u8]| {
            let mut record = vec![0; 33];
            record[0] = u8::try_from(33 + name.len()).unwrap();
            record[2..6].copy_from_slice(&sector.to_le_bytes());
            record[10..14].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            record[25] = flags;
            record[32] = u8::try_from(name.len()).unwrap();
            record.extend(name);
            record
        };
        let mut out = vec![0; 18 * SECTOR];
        out[16 * SECTOR] = 1;
        out[16 * SECTOR + 1..][..5].copy_from_slice(b"CD001");
        out[16 * SECTOR + 156..][..34].copy_from_slice(&record(18, SECTOR, 2, &[0]));
        out[17 * SECTOR] = 255;
        out[17 * SECTOR + 1..][..5].copy_from_slice(b"CD001");
        let mut folder = record(18, SECTOR, 2, &[0]);
        folder.extend(record(18, SECTOR, 2, &[1]));
        folder.extend(record(19, content.len(), 0, format!("{file};1").as_bytes()));
        folder.resize(SECTOR, 0);
        out.extend(folder);
        out.extend(content);
        out.resize(out.len().next_multiple_of(SECTOR), 0);
        out
    }

    #[test]
    fn files_of_a_cd() {
        let image = iso("BILL.EXE", b"MZ");
        let listing = list_iso(&image, 10);
        let [entry] = &listing.entries[..] else { panic!("{listing:?}") };
        assert_eq!(*entry.names[0], *"BILL.EXE");
        assert!(matches!(&entry.packed, Packed::Plain(range) if &image[range.clone()] == b"MZ"));
    }

    #[test]
    fn names_of_a_cabinet() {
        let mut cab =
            b"MSCF\0\0\0\0\0\0\0\0\0\0\0\0\x24\0\0\0\0\0\0\0\x03\x01\x01\0\x01\0\0\0\0\0\0\0".to_vec();
        cab.extend(b"\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0evil.exe\0");
        let listing = list_cab(&cab, 10);
        assert_eq!((&*listing.entries[0].names[0], listing.entries[0].octets), ("evil.exe", 5));
        assert!(list_cab(&cab[..50], 10).marks.has(Mark::Damaged));
    }
}
