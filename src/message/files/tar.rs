//! tar: POSIX 1988 and 2001 (ustar, pax), GNU long names, and older ones.

use super::bytes::{at, name, piece, until_nul};
use super::entry::{Entry, Listing, Packed};
use super::file::{Mark, Marks};

const BLOCK: usize = 512;
/// Longest long name that is read.
const NAME_OCTETS_MAX: usize = 4096;

/// Lists a tar file: at most `most` members.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let (mut place, mut long) = (0, Vec::new());
    loop {
        let Some(header) = piece(octets, place, BLOCK) else {
            // Many end without the two empty blocks.
            listing.marks.add_if(place < octets.len() && place == 0, Mark::Damaged);
            return listing;
        };
        if header.iter().all(|b| *b == 0) {
            return listing;
        }
        let Some(size) = header.get(124..136).and_then(number) else {
            listing.marks.add(Mark::Damaged);
            return listing;
        };
        let data = place + BLOCK;
        let range = data..data.saturating_add(size);
        let content = || octets.get(data..range.end.min(octets.len())).unwrap_or_default();
        let kind = header.get(156).copied().unwrap_or_default();
        match kind {
            b'L' => long.push(name(until_nul(content().get(..NAME_OCTETS_MAX).unwrap_or(content())))),
            b'x' => long.extend(pax_path(content())),
            b'K' | b'g' => {}
            // Links, devices, folders.
            b'1'..=b'6' => long.clear(),
            _ => {
                let mut names = std::mem::take(&mut long);
                names.push(own_name(header));
                let mut marks = Marks::NONE;
                marks.add_if(range.end > octets.len(), Mark::Damaged);
                let folder = names.iter().any(|name| name.ends_with('/')) && size == 0;
                let entry = Entry { names, octets: size as u64, marks, packed: Packed::Plain(range.clone()) };
                if !folder && !listing.add(entry, most) {
                    return listing;
                }
            }
        }
        let Some(next) = range.end.checked_next_multiple_of(BLOCK) else { return listing };
        place = next;
    }
}

/// Name and, in ustar, what stands in front of it.
fn own_name(header: &[u8]) -> Box<str> {
    let own = until_nul(header.get(..100).unwrap_or_default());
    let front = until_nul(header.get(345..500).unwrap_or_default());
    if !at(header, 257, b"ustar\0") || front.is_empty() {
        return name(own);
    }
    name(&[front, b"/", own].concat())
}

/// Octal digits, or a binary number where the first bit is set (GNU).
fn number(field: &[u8]) -> Option<usize> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let low = rest.get(rest.len().checked_sub(8)?..)?;
        return usize::try_from(u64::from_be_bytes(low.try_into().ok()?)).ok();
    }
    let text = until_nul(field).trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    usize::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()
}

/// `path` of the records `LENGTH KEY=VALUE\n`.
fn pax_path(records: &[u8]) -> Option<Box<str>> {
    let key = b" path=";
    let start = memchr::memmem::find(records, key)? + key.len();
    let rest = records.get(start..)?;
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len()).min(NAME_OCTETS_MAX);
    rest.get(..end).map(name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tar file of these members.
    pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, octets) in members {
            let mut header = vec![0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", octets.len()).as_bytes());
            header[156] = b'0';
            header[257..263].copy_from_slice(b"ustar\0");
            out.extend(header);
            out.extend(*octets);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }

    #[test]
    fn members_and_long_names() {
        let long = format!("{}.exe", "d/".repeat(80));
        let mut whole = tar(&[("././@LongLink", long.as_bytes()), ("short", b"MZ"), ("b.txt", b"")]);
        whole[156] = b'L';
        let listing = list(&whole, 10);
        let names: Vec<_> = listing.entries.iter().map(|entry| entry.names.clone()).collect();
        assert_eq!(names, [vec![Box::from(long), "short".into()], vec!["b.txt".into()]]);
        assert!(listing.marks.is_empty());
        assert_eq!(listing.entries[0].packed, Packed::Plain(1536..1538));
    }

    #[test]
    fn one_cut_off_is_damaged() {
        let whole = tar(&[("a", &[1; 2000])]);
        assert!(list(&whole[..1000], 10).entries[0].marks.has(Mark::Damaged));
        assert!(list(&whole[..100], 10).marks.has(Mark::Damaged));
        assert!(list(&tar(&[("a", b""), ("b", b"")]), 1).marks.has(Mark::TooMany));
    }
}
