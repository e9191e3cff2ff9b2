//! 7z, by a reader of others behind a guard of ours.
//!
//! The reader unpacks a compressed header before anything can be asked of it, with a dictionary as large as the header
//! claims. So the claims of that header are read here first (7zFormat.txt); what is over our bounds is not handed on.
//! It is given one thread, and a panic of its own would be caught by whoever analyses messages.

use super::bytes::{name, piece, u32_le, u64_le};
use super::entry::Entry;
use super::expand::Room;
use super::file::{Mark, Marks};
use crate::message::large::append;
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, Error, Password};
use std::io::{Cursor, Read};

const HEADER_OCTETS: usize = 32;
/// Largest header, unpacked: some hundred thousand names.
const LIST_OCTETS_MAX: u64 = 8 << 20;
/// Largest dictionary, in octets: that of 7-Zip at its strongest setting.
const DICTIONARY_MAX: u32 = 64 << 20;
/// The coder of encryption (AES-256 with SHA-256).
const AES: &[u8] = &[0x06, 0xf1, 0x07, 0x01];
const LZMA: &[u8] = &[0x03, 0x01, 0x01];
const LZMA2: &[u8] = &[0x21];
/// Octets by which the output grows.
const STEP: usize = 64 << 10;

/// Reads a 7z file: `each` gets every member in order, and its octets as far as they are to be had. What is returned is
/// said of the archive.
pub(super) fn read(
    octets: &[u8],
    room: Room,
    most: usize,
    each: &mut dyn FnMut(Entry, Option<Vec<u8>>) -> Room,
) -> Marks {
    if let Err(mark) = guard(octets) {
        return Marks::of(mark);
    }
    let password = Password::empty();
    let mut source = Cursor::new(octets);
    let archive = match Archive::read(&mut source, &password) {
        Ok(archive) => archive,
        Err(error) => return Marks::of(mark_of(&error)),
    };
    let blocks = archive.blocks.iter().map(block_mark).collect::<Vec<_>>();
    let mut told = Told { room, left: most, each, marks: Marks::NONE };
    told.unreadable(&archive, &blocks);
    let packed = archive.pack_sizes().iter().fold(0u64, |sum, size| sum.saturating_add(*size));
    let packed = usize::try_from(packed).unwrap_or(usize::MAX);
    for (block, _) in blocks.iter().enumerate().filter(|(_, mark)| mark.is_none()) {
        told.block(&archive, block, &mut source, packed);
    }
    told.marks
}

/// What was told so far.
struct Told<'t> {
    room: Room,
    left: usize,
    each: &'t mut dyn FnMut(Entry, Option<Vec<u8>>) -> Room,
    marks: Marks,
}

impl Told<'_> {
    fn tell(&mut self, file: &ArchiveEntry, mark: Option<Mark>, octets: Option<Vec<u8>>) {
        if file.is_directory() {
            return;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.marks.add(Mark::TooMany);
            return;
        };
        self.left = left;
        let entry = Entry {
            names: vec![name(file.name().as_bytes())],
            octets: file.size(),
            marks: mark.into_iter().collect(),
            ..Entry::default()
        };
        self.room = (self.each)(entry, octets);
    }

    /// Empty members, and those whose block cannot be unpacked.
    fn unreadable(&mut self, archive: &Archive, blocks: &[Option<Mark>]) {
        for (file, block) in archive.files.iter().zip(&archive.stream_map.file_block_index) {
            let mark = block.and_then(|block| blocks.get(block).copied().flatten());
            self.marks.add_if(mark == Some(Mark::Encrypted), Mark::Encrypted);
            if mark.is_some() || is_empty(file) {
                self.tell(file, mark, mark.is_none().then(Vec::new));
            }
        }
    }

    /// The members of one block; after one that is over the bounds the others are only named, for they lie behind it in
    /// the same stream.
    fn block(&mut self, archive: &Archive, block: usize, source: &mut Cursor<&[u8]>, packed: usize) {
        let password = Password::empty();
        let (mut seen, mut stopped) = (0, None);
        let decoder = BlockDecoder::new(1, block, archive, &password, source);
        let done = decoder.for_each_entries(&mut |file: &ArchiveEntry, reader: &mut dyn Read| {
            seen += 1;
            if is_empty(file) {
                return Ok(true);
            }
            let (content, ended) = take(reader, self.room, packed);
            self.tell(file, ended, Some(content));
            stopped = ended;
            Ok(ended.is_none() && self.left > 0)
        });
        self.marks.add_if(done.is_err(), Mark::Damaged);
        let first = archive.stream_map.block_first_file_index.get(block).copied().unwrap_or_default();
        let files = archive.files.iter().zip(&archive.stream_map.file_block_index);
        let rest = files.skip(first + seen).filter(|(file, of)| **of == Some(block) && !is_empty(file));
        let mark = stopped.unwrap_or(Mark::Damaged);
        rest.for_each(|(file, _)| self.tell(file, Some(mark), None));
    }
}

fn is_empty(file: &ArchiveEntry) -> bool {
    !file.has_stream() || file.size() == 0
}

/// Reads a member up to the bound.
fn take(reader: &mut dyn Read, room: Room, packed: usize) -> (Vec<u8>, Option<Mark>) {
    let mut out = Vec::new();
    let mut buffer = vec![0; STEP];
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return (out, None),
            Ok(length) => length,
            Err(_) => return (out, Some(Mark::Damaged)),
        };
        append(&mut out, buffer.get(..length).unwrap_or_default());
        if let Some(mark) = room.ended(out.len(), packed) {
            out.truncate(usize::try_from(room.octets).unwrap_or(usize::MAX));
            return (out, Some(mark));
        }
    }
}

fn mark_of(error: &Error) -> Mark {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => Mark::Encrypted,
        Error::UnsupportedCompressionMethod(_)
        | Error::UnsupportedVersion { .. }
        | Error::Unsupported(_)
        | Error::ExternalUnsupported
        | Error::MaxMemLimited { .. } => Mark::Unread,
        _ => Mark::Damaged,
    }
}

/// Why a block cannot be unpacked.
fn block_mark(block: &sevenz_rust2::Block) -> Option<Mark> {
    let coders = || block.ordered_coder_iter().map(|(_, coder)| coder);
    if coders().any(|coder| coder.encoder_method_id() == AES) {
        return Some(Mark::Encrypted);
    }
    let large =
        coders().any(|coder| dictionary(coder.encoder_method_id(), coder.properties()) > DICTIONARY_MAX);
    large.then_some(Mark::Unread)
}

/// Octets of the dictionary that a coder asks for.
fn dictionary(method: &[u8], properties: &[u8]) -> u32 {
    if method == LZMA {
        u32_le(properties, 1).unwrap_or(u32::MAX)
    } else if method == LZMA2 {
        let bits = properties.first().copied().unwrap_or(u8::MAX);
        if bits < 40 {
            (2 | u32::from(bits & 1)).checked_shl(u32::from(bits / 2 + 11)).unwrap_or(u32::MAX)
        } else {
            u32::MAX
        }
    } else {
        0
    }
}

/// Whether the header can be handed to the reader: a compressed one must be small, and not encrypted.
fn guard(octets: &[u8]) -> Result<(), Mark> {
    let found = || Some((u64_le(octets, 12)?, u64_le(octets, 20)?));
    let (offset, size) = found().ok_or(Mark::Damaged)?;
    if size > LIST_OCTETS_MAX {
        return Err(Mark::TooLarge);
    }
    // An archive whose writer did not come to the end has none; the reader would look for it octet by octet.
    if offset == 0 && size == 0 && u32_le(octets, 8) == Some(0) {
        return Err(Mark::Damaged);
    }
    let place = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(HEADER_OCTETS));
    let header = place.zip(usize::try_from(size).ok()).and_then(|(place, size)| piece(octets, place, size));
    let header = header.ok_or(Mark::Damaged)?;
    match header.split_first() {
        Some((0x17, rest)) => packed_header(rest).unwrap_or(Err(Mark::Unread)),
        // An empty archive, or a plain header.
        Some(_) | None => Ok(()),
    }
}

/// The streams of a compressed header. `None` where they are not as 7-Zip and others write them.
fn packed_header(header: &[u8]) -> Option<Result<(), Mark>> {
    let mut rest = header;
    (take_octet(&mut rest)? == 0x06).then_some(())?;
    take_number(&mut rest)?;
    let streams = take_number(&mut rest)?;
    (streams == 1 && take_octet(&mut rest)? == 0x09).then_some(())?;
    take_number(&mut rest)?;
    let mut next = take_octet(&mut rest)?;
    if next == 0x0a {
        rest = rest.get(5..)?;
        next = take_octet(&mut rest)?;
    }
    (next == 0 && take_octet(&mut rest)? == 0x07 && take_octet(&mut rest)? == 0x0b).then_some(())?;
    (take_number(&mut rest)? == 1 && take_octet(&mut rest)? == 0).then_some(())?;
    let coders = take_number(&mut rest)?;
    (1..=4).contains(&coders).then_some(())?;
    for _ in 0..coders {
        let flags = take_octet(&mut rest)?;
        // One stream in, one out.
        (flags & 0xd0 == 0).then_some(())?;
        let method = take_piece(&mut rest, usize::from(flags & 0x0f))?;
        let properties = if flags & 0x20 == 0 {
            &[]
        } else {
            let length = usize::try_from(take_number(&mut rest)?).ok()?;
            take_piece(&mut rest, length)?
        };
        if method == AES {
            return Some(Err(Mark::Encrypted));
        }
        if dictionary(method, properties) > DICTIONARY_MAX {
            return Some(Err(Mark::Unread));
        }
    }
    for _ in 1..coders {
        take_number(&mut rest)?;
        take_number(&mut rest)?;
    }
    (take_octet(&mut rest)? == 0x0c).then_some(())?;
    for _ in 0..coders {
        if take_number(&mut rest)? > LIST_OCTETS_MAX {
            return Some(Err(Mark::TooLarge));
        }
    }
    Some(Ok(()))
}

fn take_octet(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn take_piece<'r>(rest: &mut &'r [u8], length: usize) -> Option<&'r [u8]> {
    let (piece, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(piece)
}

/// A number: the ones in front of the first octet say how many follow, the rest of it is the highest part.
fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let first = take_octet(rest)?;
    let (mut value, mut mask) = (0u64, 0x80u8);
    for place in 0..8 {
        if first & mask == 0 {
            let high = u64::from(first & (mask - 1));
            return Some(value | high << (8 * place));
        }
        value |= u64::from(take_octet(rest)?) << (8 * place);
        mask >>= 1;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_seven_zip() {
        for (octets, want) in [
            (&[0x05][..], Some(5)),
            (&[0x80, 0x90], Some(0x90)),
            (&[0x81, 0x90], Some(0x190)),
            (&[0xc0, 1, 2], Some(0x201)),
            (&[0xff, 1, 0, 0, 0, 0, 0, 0, 1], Some(1 << 56 | 1)),
            (&[0xff, 1], None),
        ] {
            assert_eq!(take_number(&mut &*octets), want, "{octets:x?}");
        }
    }

    #[test]
    fn a_header_that_claims_too_much_is_not_unpacked() {
        // Position, one stream, its size; one folder of LZMA; unpacked size.
        let header = |dictionary: [u8; 4], size: &[u8]| {
            let mut header = vec![0x06, 0, 1, 0x09, 0x20, 0, 0x07, 0x0b, 1, 0, 1, 0x23, 3, 1, 1, 5, 0x5d];
            header.extend(dictionary);
            header.push(0x0c);
            header.extend(size);
            header
        };
        assert_eq!(packed_header(&header([0, 0, 1, 0], &[0x20])), Some(Ok(())));
        assert_eq!(packed_header(&header([0, 0, 0, 0xff], &[0x20])), Some(Err(Mark::Unread)));
        assert_eq!(packed_header(&header([0, 0, 1, 0], &[0xf0, 0, 0, 0, 0x40])), Some(Err(Mark::TooLarge)));
        let encrypted = [0x06, 0, 1, 0x09, 0x20, 0, 0x07, 0x0b, 1, 0, 1, 0x24, 6, 0xf1, 7, 1, 0];
        assert_eq!(packed_header(&encrypted), Some(Err(Mark::Encrypted)));
        assert_eq!(packed_header(&[0x06, 0]), None);
    }
}
