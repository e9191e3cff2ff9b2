//! What compound files hold: macros, embedded files, attachments of Outlook messages, and whether they are encrypted.
//!
//! Sources: MS-DOC, MS-XLS, MS-PPT, MS-OVBA, MS-OXMSG, MS-OLEDS.

use super::bytes::{at, name, size_le, u16_le, u32_le, until_nul, utf16};
use super::compound::{Compound, Node, is_whole};
use super::entry::{Entry, Listing, Packed};
use super::expand::{Room, inflate};
use super::file::{Mark, Marks};
use super::types::Type;

/// Octets of a stream that are read for its own header.
const START_OCTETS: usize = 64 << 10;
/// Records of a workbook that are looked at: its globals are in front.
const RECORDS_MAX: usize = 20_000;
/// Classes of installers: package, patch, transform.
const INSTALLERS: [&[u8]; 3] = [b"\x84\x10\x0c\0", b"\x86\x10\x0c\0", b"\x82\x10\x0c\0"];
const CLASS_END: &[u8] = b"\0\0\0\0\xc0\0\0\0\0\0\0\x46";
/// The header of a presentation whose user must know a password.
const PPT_ENCRYPTED: &[u8] = b"\xdf\xc4\xd1\xf3";
const ATTACHMENT: &str = "__attach_version1.0_#";

/// Lists what is in a compound file.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    if !is_whole(octets) {
        listing.marks.add(Mark::Damaged);
        return listing;
    }
    let Some(compound) = Compound::open(octets, &mut listing) else { return listing };
    listing.kind = Some(kind_of(&compound));
    let mut left = octets.len();
    for (place, node) in compound.nodes.iter().enumerate() {
        listing.marks.join(marks_of(&compound, node));
        let entry = if node.is_stream {
            embedded(&compound, node, left)
        } else if node.name.starts_with(ATTACHMENT) {
            attachment(&compound, place, left)
        } else {
            None
        };
        let Some(entry) = entry else { continue };
        if let Packed::Ready(octets) = &entry.packed {
            left = left.saturating_sub(octets.len());
        }
        if !listing.add(entry, most) {
            break;
        }
    }
    listing.marks.add_if(compound.is_spent(), Mark::Bomb);
    if let Some(slides) = compound.nodes.iter().find(|node| node.name == "PowerPoint Document") {
        objects(&compound.stream(slides, usize::MAX), &mut listing, most, left);
    }
    listing
}

fn kind_of(compound: &Compound<'_>) -> Type {
    let has = |name: &str| compound.nodes.iter().any(|node| node.name.eq_ignore_ascii_case(name));
    let root = compound.nodes.first().map(|node| node.class).unwrap_or_default();
    if INSTALLERS.iter().any(|class| root.starts_with(class)) && root.ends_with(CLASS_END) {
        Type::Msi
    } else if has("__properties_version1.0") {
        Type::Msg
    } else if has("EncryptedPackage") {
        Type::Ooxml
    } else {
        // In a document there may be objects of the other kinds; what is in the root counts.
        let in_root =
            |name: &str| compound.nodes.iter().any(|node| node.parent.is_none() && node.name == name);
        let kinds = [
            ("WordDocument", Type::Doc),
            ("Workbook", Type::Xls),
            ("Book", Type::Xls),
            ("PowerPoint Document", Type::Ppt),
        ];
        kinds.into_iter().find(|(name, _)| in_root(name)).map_or(Type::Ole, |(_, kind)| kind)
    }
}

/// What a stream or storage says of the document.
fn marks_of(compound: &Compound<'_>, node: &Node) -> Marks {
    let mut marks = Marks::NONE;
    let lower = node.name.to_ascii_lowercase();
    match lower.as_str() {
        "_vba_project" | "_vba_project_cur" | "vba" | "macros" => marks.add(Mark::Macro),
        "encryptedpackage" | "encryptedsummary" => marks.add(Mark::Encrypted),
        "objectpool" | "\u{1}ole10native" | "package" => marks.add(Mark::Embedded),
        "equation native" => {
            marks.add(Mark::Embedded);
            marks.add(Mark::Active);
        }
        "worddocument" if node.is_stream => {
            let start = compound.stream(node, START_OCTETS);
            marks.add_if(u16_le(&start, 10).is_some_and(|flags| flags & 0x0100 != 0), Mark::Encrypted);
        }
        "workbook" | "book" if node.is_stream => marks.join(workbook(&compound.stream(node, usize::MAX))),
        "current user" => {
            marks.add_if(at(&compound.stream(node, START_OCTETS), 12, PPT_ENCRYPTED), Mark::Encrypted);
        }
        _ => marks.add_if(!node.is_stream && lower.starts_with("mbd") && lower.len() > 8, Mark::Embedded),
    }
    // A storage of another name may hold anything.
    if lower == "macros" && node.is_stream {
        marks = Marks::NONE;
    }
    marks
}

/// Records of BIFF: macro sheets (MS-XLS 2.4.28), a password (2.4.117).
pub(super) fn workbook(stream: &[u8]) -> Marks {
    let (mut marks, mut place) = (Marks::NONE, 0usize);
    for _ in 0..RECORDS_MAX {
        let (Some(kind), Some(length)) = (u16_le(stream, place), u16_le(stream, place + 2)) else { break };
        match kind {
            0x002f => marks.add(Mark::Encrypted),
            0x0085 => marks.add_if(stream.get(place + 9) == Some(&1), Mark::Macro),
            // Globals of a macro sheet, in files of before 1995.
            0x0009 | 0x0209 | 0x0409 => {
                marks.add_if(matches!(u16_le(stream, place + 6), Some(0x0040)), Mark::Macro);
            }
            // Supporting link to another program: DDE.
            0x01ae => marks.add_if(length > 4 && u16_le(stream, place + 4) == Some(0), Mark::External),
            0x000a => break,
            _ => {}
        }
        place += 4 + usize::from(length);
    }
    marks
}

/// A file in a stream.
fn embedded(compound: &Compound<'_>, node: &Node, left: usize) -> Option<Entry> {
    let lower = node.name.to_ascii_lowercase();
    match lower.as_str() {
        "\u{1}ole10native" => Some(native(&compound.stream(node, left), true)),
        "package" => {
            let octets = compound.stream(node, left);
            Some(ready(vec!["package".into()], octets))
        }
        _ => None,
    }
}

/// The native data of a packaged file (MS-OLEDS 2.3.6 and the packager of Windows): label, path, octets. `sized`: with its
/// length in front.
pub(super) fn native(data: &[u8], sized: bool) -> Entry {
    packaged(data.get(if sized { 4 } else { 0 }..).unwrap_or_default())
        .unwrap_or_else(|| ready(Vec::new(), data.get(4..).unwrap_or_default().to_vec()))
}

fn packaged(data: &[u8]) -> Option<Entry> {
    let mut rest = data.get(2..)?;
    let mut names = Vec::new();
    for _ in 0..2 {
        let text = until_nul(rest);
        rest = rest.get(text.len() + 1..)?;
        names.push(name(text));
    }
    let path = size_le(rest, 4)?;
    rest = rest.get(8..)?.get(path..)?;
    let length = size_le(rest, 0)?;
    let octets = rest.get(4..)?;
    let octets = octets.get(..length).unwrap_or(octets);
    names.dedup();
    Some(ready(names, octets.to_vec()))
}

fn ready(names: Vec<Box<str>>, octets: Vec<u8>) -> Entry {
    Entry { names, octets: octets.len() as u64, marks: Marks::NONE, packed: Packed::Ready(octets) }
}

/// An attachment of an Outlook message (MS-OXMSG 2.2.2): name, short name, octets.
fn attachment(compound: &Compound<'_>, place: usize, left: usize) -> Option<Entry> {
    let stream =
        |name: &str, most: usize| compound.property(place, name).map(|node| compound.stream(node, most));
    let mut names = Vec::new();
    for property in ["3707", "3704", "3001"] {
        let wide = stream(&format!("__substg1.0_{property}001F"), START_OCTETS);
        let wide = wide.map(|octets| name(utf16(&octets).as_bytes()));
        let narrow =
            || stream(&format!("__substg1.0_{property}001E"), START_OCTETS).map(|octets| name(&octets));
        names.extend(wide.or_else(narrow));
    }
    names.dedup();
    let octets = stream("__substg1.0_37010102", left);
    if octets.is_none() && names.is_empty() {
        return None;
    }
    Some(match octets {
        Some(octets) => ready(names, octets),
        // A message in the message: its storages are in the same directory.
        None => Entry { names, ..Entry::default() },
    })
}

/// Objects in a presentation (MS-PPT 2.10.34): compound files of their own, most of them compressed; VBA among them.
fn objects(slides: &[u8], listing: &mut Listing, most: usize, left: usize) {
    let mut room = Room { octets: left.max(START_OCTETS) as u64 * 4, ratio: 200 };
    let mut place = 0usize;
    for _ in 0..RECORDS_MAX {
        let (Some(version), Some(kind), Some(length)) =
            (u16_le(slides, place), u16_le(slides, place + 2), u32_le(slides, place + 4))
        else {
            return;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let is_object = kind == 0x1011;
        if is_object {
            listing.marks.add(Mark::Embedded);
            let data = slides.get(place + 8..).unwrap_or_default();
            let data = data.get(..length).unwrap_or(data);
            let Some(octets) = object(version, data, room, &mut listing.marks) else { return };
            room.octets = room.octets.saturating_sub(octets.len() as u64);
            if !listing.add(ready(vec!["object".into()], octets), most) {
                return;
            }
        }
        // Containers are entered, what they contain follows. An object is none, whatever its version says: octets that are
        // taken out twice are copied twice.
        let entered = version & 0x000f == 0x000f && !is_object;
        place = place.saturating_add(8).saturating_add(if entered { 0 } else { length });
    }
}

/// The octets of one object; `None` where there is no room for them.
fn object(version: u16, data: &[u8], room: Room, marks: &mut Marks) -> Option<Vec<u8>> {
    if version >> 4 == 1 {
        let (unpacked, _) = inflate(data.get(4..).unwrap_or_default(), true, room);
        marks.add_if(unpacked.ended.is_some(), Mark::Damaged);
        return Some(unpacked.octets.into_owned());
    }
    let fits = data.len() as u64 <= room.octets;
    marks.add_if(!fits, Mark::Bomb);
    fits.then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    fn record(version: u16, data: &[u8], claimed: usize) -> Vec<u8> {
        let length = u32::try_from(claimed).unwrap().to_le_bytes();
        [&version.to_le_bytes()[..], &0x1011u16.to_le_bytes(), &length, data].concat()
    }

    /// Octets of each object.
    fn taken(slides: &[u8], left: usize) -> (Vec<usize>, Marks) {
        let mut listing = Listing::default();
        objects(slides, &mut listing, 10_000, left);
        let lengths = listing.entries.iter().map(|entry| match &entry.packed {
            Packed::Ready(octets) => octets.len(),
            _ => 0,
        });
        (lengths.collect(), listing.marks)
    }

    #[test]
    fn objects_of_a_presentation_do_not_overlap() {
        for version in [0x000f, 0x001f] {
            let slides: Vec<u8> = (0..5000).flat_map(|_| record(version, &[], 1 << 30)).collect();
            let (lengths, _) = taken(&slides, slides.len());
            let octets: usize = lengths.iter().sum();
            assert!(lengths.len() == 1 && octets <= slides.len(), "{version} {}: {octets}", lengths.len());
        }
        let mut encoder = ZlibEncoder::new(vec![5, 0, 0, 0], Compression::default());
        encoder.write_all(b"hello").unwrap();
        let packed = encoder.finish().unwrap();
        let slides = [
            vec![0x0f, 0, 0xe8, 3, 0, 0, 0, 0],
            record(0x0000, b"plain data", 10),
            record(0x0010, &packed, packed.len()),
            record(0x0000, b"more", 4),
        ];
        assert_eq!(taken(&slides.concat(), 1000), (vec![10, 5, 4], Marks::of(Mark::Embedded)));
    }

    #[test]
    fn plain_objects_count_as_compressed_ones_do() {
        let one = record(0, &[7; 100_000], 100_000);
        let (lengths, marks) = taken(&one.repeat(5), 0);
        assert_eq!(lengths, [100_000; 2]);
        assert!(marks.has(Mark::Bomb));
    }
}
