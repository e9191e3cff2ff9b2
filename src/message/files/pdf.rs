//! PDF (ISO 32000): scripts, actions, attached files, encryption.
//!
//! Not a reader of PDF: the names that matter are looked for where they can stand, in the file and in its compressed object
//! streams, with `#41` for letters taken as readers take it.

use super::bytes::piece_up_to;
use super::entry::{Entry, Listing, Packed};
use super::expand::{Room, inflate};
use super::file::{Mark, Marks};
use memchr::memmem;
use std::ops::Range;

/// Octets in front of `stream` that its dictionary is looked for in.
const DICTIONARY_OCTETS: usize = 2048;
/// Octets of all object streams together, unpacked.
const OBJECTS_OCTETS: u64 = 16 << 20;
/// Longest name that matters.
const NAME_OCTETS: usize = 32;

/// Lists what a PDF file holds.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing { marks: names(octets), ..Listing::default() };
    let mut room = Room { octets: OBJECTS_OCTETS, ratio: 1000 };
    let mut place = 0;
    while let Some(stream) = octets.get(place..).and_then(|rest| memmem::find(rest, b"stream")) {
        let word = place + stream;
        let (range, next) = extent(octets, word);
        let dictionary = dictionary(octets, place, word);
        place = next;
        let has = |name: &[u8]| memmem::find(dictionary, name).is_some();
        let deflated = has(b"/FlateDecode") || has(b"/Fl ") || has(b"/Fl/");
        if has(b"ObjStm") && deflated && room.octets > 0 {
            let (unpacked, _) = inflate(octets.get(range).unwrap_or_default(), true, room);
            room.octets = room.octets.saturating_sub(unpacked.octets.len() as u64);
            listing.marks.join(names(&unpacked.octets));
        } else if has(b"EmbeddedFile") {
            listing.marks.add(Mark::Embedded);
            let plain = !has(b"/Filter");
            let written = if has(b"/ASCIIHexDecode") || has(b"/AHx") {
                Some(hexadecimal(octets.get(range.clone()).unwrap_or_default()))
            } else if has(b"/ASCII85Decode") || has(b"/A85") {
                Some(base85(octets.get(range.clone()).unwrap_or_default()))
            } else {
                None
            };
            let packed = match (written, deflated, plain) {
                (Some(written), true, _) => {
                    let (unpacked, _) = inflate(&written, true, room);
                    room.octets = room.octets.saturating_sub(unpacked.octets.len() as u64);
                    Packed::Ready(unpacked.octets.into_owned())
                }
                (Some(written), false, _) => Packed::Ready(written),
                (None, true, _) => Packed::Zlib(range),
                (None, false, true) => Packed::Plain(range),
                (None, false, false) => Packed::Nowhere,
            };
            let marks = Marks::NONE;
            if !listing.add(Entry { names: Vec::new(), octets: 0, marks, packed }, most) {
                return listing;
            }
        }
    }
    listing.marks.add_if(room.octets == 0, Mark::TooLarge);
    if listing.marks.has(Mark::Encrypted) {
        // What is attached is encrypted with it.
        for entry in &mut listing.entries {
            (entry.packed, entry.marks) = (Packed::Nowhere, Marks::of(Mark::Encrypted));
        }
    }
    listing
}

/// `ASCIIHexDecode` (ISO 32000 section 7.4.2).
fn hexadecimal(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().take_while(|b| **b != b'>').filter_map(|b| char::from(*b).to_digit(16));
    let digits: Vec<u8> = digits.filter_map(|digit| u8::try_from(digit).ok()).collect();
    digits.chunks(2).map(|two| two.first().unwrap_or(&0) << 4 | two.get(1).unwrap_or(&0)).collect()
}

/// `ASCII85Decode` (ISO 32000 section 7.4.3).
fn base85(text: &[u8]) -> Vec<u8> {
    let (mut out, mut group, mut count) = (Vec::with_capacity(text.len() / 5 * 4), 0u32, 0usize);
    for &octet in text.iter().take_while(|b| **b != b'~') {
        match octet {
            b'z' if count == 0 => out.extend([0; 4]),
            b'!'..=b'u' => {
                group = group.wrapping_mul(85).wrapping_add(u32::from(octet - b'!'));
                count += 1;
                if count == 5 {
                    out.extend(group.to_be_bytes());
                    (group, count) = (0, 0);
                }
            }
            _ => {}
        }
    }
    if count > 1 {
        let filled = (count..5).fold(group, |group, _| group.wrapping_mul(85).wrapping_add(84));
        out.extend(filled.to_be_bytes().iter().take(count - 1));
    }
    out
}

/// The octets behind `stream`, and where to look on.
fn extent(octets: &[u8], word: usize) -> (Range<usize>, usize) {
    let mut start = word + b"stream".len();
    start += match octets.get(start..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\r' | b'\n', ..]) => 1,
        _ => return (start..start, start),
    };
    let rest = octets.get(start..).unwrap_or_default();
    let end = memmem::find(rest, b"endstream").map_or(octets.len(), |end| start + end);
    let next = (end + b"endstream".len()).min(octets.len());
    (start..end, next)
}

fn dictionary(octets: &[u8], from: usize, word: usize) -> &[u8] {
    let start = from.max(word.saturating_sub(DICTIONARY_OCTETS));
    let text = octets.get(start..word).unwrap_or_default();
    let object = memmem::rfind(text, b" obj").unwrap_or_default();
    text.get(object..).unwrap_or_default()
}

/// What the names in some octets say.
fn names(octets: &[u8]) -> Marks {
    let mut marks = Marks::NONE;
    for place in memchr::memchr_iter(b'/', octets) {
        let text = piece_up_to(octets, place + 1, NAME_OCTETS);
        let name = name(text);
        match name.as_slice() {
            b"JavaScript" | b"JS" | b"Launch" | b"SubmitForm" | b"ImportData" | b"RichMedia" | b"XFA" => {
                marks.add(Mark::Active);
            }
            b"GoToR" | b"GoToE" => marks.add(Mark::External),
            b"EmbeddedFile" | b"EmbeddedFiles" => marks.add(Mark::Embedded),
            b"Encrypt" => marks.add(Mark::Encrypted),
            _ => {}
        }
    }
    marks
}

/// A name up to a delimiter, its escapes undone (ISO 32000 section 7.3.5).
fn name(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    let mut place = 0;
    while let Some(&octet) = text.get(place) {
        place += 1;
        match octet {
            b'#' => {
                let digits = text.get(place..place + 2).and_then(|two| std::str::from_utf8(two).ok());
                let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
                place += if value.is_some() { 2 } else { 0 };
                out.push(value.unwrap_or(octet));
            }
            b'/' | b'<' | b'>' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'%' => break,
            octet if octet <= b' ' => break,
            octet => out.push(octet),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    fn zlib(octets: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn scripts_are_found_behind_every_disguise() {
        let mut packed = b"%PDF-1.5\n1 0 obj\n<</Type/ObjStm/Filter/FlateDecode>>stream\r\n".to_vec();
        packed.extend(zlib(b"2 0 <</S/JavaScript/JS(app.alert(1))>>"));
        packed.extend(b"\r\nendstream");
        for (octets, want) in [
            (&b"%PDF-1.4 <</S /JavaScript>>"[..], Mark::Active),
            (b"%PDF-1.4 <</S /J#61vaScr#69pt>>", Mark::Active),
            (b"%PDF-1.4 <</S/Launch/F(cmd.exe)>>", Mark::Active),
            (b"%PDF-1.4 trailer<</Encrypt 5 0 R>>", Mark::Encrypted),
            (&packed, Mark::Active),
        ] {
            assert!(list(octets, 10).marks.has(want), "{want:?}");
        }
        assert!(list(b"%PDF-1.4 <</Type/Page/Subtype/Link/S/URI>>", 10).marks.is_empty());
    }

    #[test]
    fn files_in_letters_are_read() {
        for (filter, text) in [("/ASCIIHexDecode", &b"4D 5a90\n7>"[..]), ("[/A85]", b" 9j3V\nY~>")] {
            let start = format!("%PDF-1.5\n1 0 obj<</EmbeddedFile/Filter{filter}>>stream\n");
            let listing = list(&[start.as_bytes(), text, b"\nendstream"].concat(), 10);
            let Packed::Ready(octets) = &listing.entries[0].packed else { panic!("{filter}") };
            assert!(octets.starts_with(b"MZ\x90"), "{filter}: {octets:?}");
        }
        assert_eq!(base85(b"87cURD]j7BEbo80~>"), b"Hello world!");
        assert_eq!(base85(b"z!!~"), [0; 5]);
    }

    #[test]
    fn attached_files_are_members() {
        let mut octets = b"%PDF-1.5\n1 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode>>\nstream\n".to_vec();
        octets.extend(zlib(b"MZ"));
        octets.extend(b"\nendstream 2 0 obj<</Type /EmbeddedFile>>stream\nplain\nendstream");
        let listing = list(&octets, 10);
        assert_eq!(listing.entries.len(), 2);
        assert!(
            matches!(&listing.entries[1].packed, Packed::Plain(range) if octets[range.clone()].starts_with(b"plain"))
        );
    }
}
