//! What a file is by its content.
//!
//! Programs look at the content more than at the name, and so do we: but for text, where nothing in the octets says what
//! an interpreter would make of it. What is an archive and a document in one (OOXML, Java archives, OLE) is told apart by
//! whoever opens it.

use super::bytes::{at, begins, piece, piece_up_to, u16_le, u32_le};
use super::types::Type;

/// Octets that text is looked for in.
const TEXT_OCTETS: usize = 4096;
/// Octets that a PDF or an archive may have in front: readers take them.
const JUNK_OCTETS: usize = 1024;
/// Where the first descriptor of a CD lies.
const ISO_AT: usize = 0x8000;

/// Octets at a place, and what they say. The longest and surest first.
const MAGIC: &[(usize, &[u8], Type)] = &[
    (0, b"PK\x03\x04", Type::Zip),
    (0, b"PK\x05\x06", Type::Zip),
    (0, b"PK\x07\x08PK\x03\x04", Type::Zip),
    (0, b"PK00PK\x03\x04", Type::Zip),
    (0, b"Rar!\x1a\x07", Type::Rar),
    (0, b"RE~^", Type::Rar),
    (0, b"7z\xbc\xaf\x27\x1c", Type::SevenZ),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Type::Ole),
    (0, b"\x0e\x11\xfc\x0d\xd0\xcf\x11\xe0", Type::Ole),
    (0, b"\x1f\x8b", Type::Gzip),
    (0, b"BZh", Type::Bzip2),
    (0, b"\xfd7zXZ\0", Type::Xz),
    (0, b"\x5d\0\0", Type::Lzma),
    (0, b"LZIP", Type::Lzip),
    (0, b"\x28\xb5\x2f\xfd", Type::Zstd),
    (0, b"\x04\x22\x4d\x18", Type::Lz4),
    (0, b"\x1f\x9d", Type::Compress),
    (0, b"\x1f\xa0", Type::Compress),
    (257, b"ustar", Type::Tar),
    (0, b"070701", Type::Cpio),
    (0, b"070702", Type::Cpio),
    (0, b"070707", Type::Cpio),
    (0, b"!<arch>\ndebian", Type::Deb),
    (0, b"!<arch>\n", Type::Ar),
    (0, b"\xed\xab\xee\xdb", Type::Rpm),
    (0, b"MSCF\0\0\0\0", Type::Cab),
    (0, b"ISc(", Type::Cab),
    (0, b"\x60\xea", Type::Arj),
    (2, b"-lh", Type::Lha),
    (2, b"-lz", Type::Lha),
    (7, b"**ACE**", Type::Ace),
    (0, b"xar!", Type::Xar),
    (0, b"MSWIM\0\0\0", Type::Wim),
    (0, b"vhdxfile", Type::Vhdx),
    (0, b"conectix", Type::Vhd),
    (0, b"KDMV", Type::Vmdk),
    (0, b"# Disk Descriptor", Type::Vmdk),
    (0, b"\x7fELF", Type::Elf),
    (0, b"\xfe\xed\xfa\xce", Type::Macho),
    (0, b"\xfe\xed\xfa\xcf", Type::Macho),
    (0, b"\xce\xfa\xed\xfe", Type::Macho),
    (0, b"\xcf\xfa\xed\xfe", Type::Macho),
    (0, b"dex\n03", Type::Dex),
    (0, b"\0asm", Type::Wasm),
    (0, b"L\0\0\0\x01\x14\x02\0", Type::Lnk),
    (0, b"ITSF", Type::Chm),
    (0, b"?_\x03\0", Type::Hlp),
    (0, b"#@~^", Type::Jse),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", Type::One),
    (0, b"{\\rt", Type::Rtf),
    (0, b"%!PS", Type::Ps),
    (0, b"\xc5\xd0\xd3\xc6", Type::Ps),
    (0, b"\0\x01\0\0Standard ", Type::Access),
    (0, b"\x78\x9f\x3e\x22", Type::Tnef),
    (0, b"!BDN", Type::Pst),
    (0, b"SQLite format 3\0", Type::Sqlite),
    (0, b"\x89PNG\r\n\x1a\n", Type::Png),
    (0, b"\xff\xd8\xff", Type::Jpeg),
    (0, b"GIF87a", Type::Gif),
    (0, b"GIF89a", Type::Gif),
    (0, b"II*\0", Type::Tiff),
    (0, b"MM\0*", Type::Tiff),
    (0, b"8BPS", Type::Psd),
    (0, b"\xd7\xcd\xc6\x9a", Type::Wmf),
    (40, b" EMF", Type::Wmf),
    (4, b"ftypheic", Type::Heif),
    (4, b"ftypmif1", Type::Heif),
    (4, b"ftypavif", Type::Heif),
    (4, b"ftyp", Type::Mp4),
    (4, b"moov", Type::Mp4),
    (0, b"ID3", Type::Mp3),
    (0, b"OggS", Type::Ogg),
    (0, b"fLaC", Type::Flac),
    (0, b"\x1a\x45\xdf\xa3", Type::Mkv),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Type::Asf),
    (0, b"MThd", Type::Mpeg),
    (0, b"#!AMR", Type::Mpeg),
    (0, b"\0\0\x01\xba", Type::Mpeg),
    (0, b"\0\0\x01\xb3", Type::Mpeg),
    (0, b"FWS", Type::Swf),
    (0, b"CWS", Type::Swf),
    (0, b"ZWS", Type::Swf),
    (0, b"\0\x01\0\0\0", Type::Font),
    (0, b"OTTO", Type::Font),
    (0, b"wOFF", Type::Font),
    (0, b"wOF2", Type::Font),
    (0, b"-----BEGIN PGP ", Type::Pgp),
];

/// The type of a file by its content; work is bounded whatever its size.
#[must_use]
pub fn type_of(octets: &[u8]) -> Type {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if let Some(kind) = program(octets).or_else(|| riff(octets)) {
        return kind;
    }
    let known = MAGIC.iter().find(|(place, want, _)| at(octets, *place, want)).map(|(_, _, kind)| *kind);
    if let Some(kind) = known.filter(|kind| is_sure(*kind, octets)) {
        return kind;
    }
    disk(octets)
        .or_else(|| within(octets))
        .or_else(|| old_table(octets))
        .or_else(|| written(octets))
        .unwrap_or_default()
}

/// Short magic that also begins texts or numbers needs more.
fn is_sure(kind: Type, octets: &[u8]) -> bool {
    match kind {
        Type::Gzip => octets.get(2) == Some(&8),
        Type::Bzip2 => octets.get(3).is_some_and(u8::is_ascii_digit) && at(octets, 4, b"1AY&SY"),
        Type::Lzma => {
            octets.get(5..13).is_some_and(|size| size == [0xff; 8] || size.get(5..) == Some(&[0, 0, 0][..]))
        }
        Type::Lha => octets.get(6) == Some(&b'-'),
        Type::Swf => octets.get(3).is_some_and(|version| *version < 64),
        Type::Arj => u16_le(octets, 2).is_some_and(|size| (20..=2600).contains(&size)),
        Type::Mp3 => octets.get(3).is_some_and(|version| *version < 10),
        Type::Lz4 | Type::Compress | Type::Font => octets.len() > 12,
        _ => true,
    }
}

/// Programs: PE and DOS behind `MZ`, Java classes, fat programs of macOS.
fn program(octets: &[u8]) -> Option<Type> {
    if at(octets, 0, b"\xca\xfe\xba\xbe") {
        // A fat program counts its architectures where a class has its version.
        let count = octets.get(4..8).and_then(|n| n.try_into().ok()).map(u32::from_be_bytes)?;
        return Some(if count < 40 { Type::Macho } else { Type::Class });
    }
    if !(at(octets, 0, b"MZ") || at(octets, 0, b"ZM")) {
        return None;
    }
    let header = u32_le(octets, 0x3c).and_then(|place| usize::try_from(place).ok());
    let new = header.is_some_and(|place| {
        [&b"PE\0\0"[..], b"NE", b"LE", b"LX"].iter().any(|want| at(octets, place, want))
    });
    // A letter may begin so; a header of DOS has numbers that no text has.
    let dos = || piece_up_to(octets, 2, 62).iter().any(|b| *b < b'\t');
    (new || dos()).then_some(Type::Exe)
}

fn riff(octets: &[u8]) -> Option<Type> {
    let form = at(octets, 0, b"RIFF").then(|| piece(octets, 8, 4)).flatten()?;
    Some(if form == b"WEBP" { Type::Webp } else { Type::Riff })
}

fn disk(octets: &[u8]) -> Option<Type> {
    if [b"CD001", b"NSR02", b"NSR03", b"BEA01"].iter().any(|want| at(octets, ISO_AT + 1, *want)) {
        return Some(Type::Iso);
    }
    let end = |length: usize| octets.len().checked_sub(length).map(|place| piece_up_to(octets, place, 8));
    if end(512).is_some_and(|trailer| trailer.starts_with(b"koly")) {
        return Some(Type::Dmg);
    }
    if end(512).or(end(511)).is_some_and(|trailer| trailer == b"conectix") {
        return Some(Type::Vhd);
    }
    let boots = at(octets, 510, b"\x55\xaa");
    let jump = matches!(octets.first(), Some(0xeb | 0xe9));
    let fat = at(octets, 54, b"FAT")
        || at(octets, 82, b"FAT32")
        || at(octets, 3, b"NTFS")
        || at(octets, 3, b"EXFAT");
    let parts = boots && at(octets, 512, b"EFI PART");
    (boots && jump && fat || parts).then_some(Type::Fat)
}

/// What readers also find behind junk.
fn within(octets: &[u8]) -> Option<Type> {
    let start = piece_up_to(octets, 0, JUNK_OCTETS);
    if memchr::memmem::find(start, b"%PDF-").is_some() {
        return Some(Type::Pdf);
    }
    if memchr::memmem::find(start, b"**ACE**").is_some_and(|place| place >= 7) && start.contains(&0) {
        return Some(Type::Ace);
    }
    if at(octets, 0, b"BM")
        && u32_le(octets, 6) == Some(0)
        && u32_le(octets, 14).is_some_and(|size| size <= 200)
    {
        return Some(Type::Bmp);
    }
    if at(octets, 0, b"\0\0\x01\0") || at(octets, 0, b"\0\0\x02\0") {
        return u16_le(octets, 4).is_some_and(|count| (1..100).contains(&count)).then_some(Type::Ico);
    }
    if let Some([0xff, second, ..]) = octets.get(..4)
        && second & 0xe0 == 0xe0
        && second & 0x06 != 0
        && second & 0x18 != 0x08
        && *second != 0xfe
        && *second != 0xff
    {
        return Some(Type::Mp3);
    }
    if old_tar(octets) {
        return Some(Type::Tar);
    }
    // An archive may stand behind a stub; its directory is at the end.
    let tail = octets.get(octets.len().saturating_sub(66_000)..).unwrap_or_default();
    let zip = memchr::memmem::rfind(tail, b"PK\x05\x06").is_some_and(|place| tail.len() - place >= 22);
    (zip && memchr::memmem::find(octets, b"PK\x01\x02").is_some()).then_some(Type::Zip)
}

/// A tar file of before 1988: the checksum of its first header.
fn old_tar(octets: &[u8]) -> bool {
    let Some(header) = octets.get(..512) else { return false };
    let field = header.get(148..156).unwrap_or_default();
    let digits = field.trim_ascii_start().iter().take_while(|b| (b'0'..=b'7').contains(b));
    let told = digits.fold(0u32, |sum, b| sum.saturating_mul(8).saturating_add(u32::from(b - b'0')));
    let octet = |(place, b): (usize, &u8)| u32::from(if (148..156).contains(&place) { b' ' } else { *b });
    told > 0
        && header.first().is_some_and(|b| *b > b' ')
        && header.iter().enumerate().map(octet).sum::<u32>() == told
}

/// Excel 2 to 4, that Excel still opens: a BOF record.
fn old_table(octets: &[u8]) -> Option<Type> {
    let (record, length, kind) = (u16_le(octets, 0)?, u16_le(octets, 2)?, u16_le(octets, 6)?);
    let bof = matches!((record, length), (0x0009, 4) | (0x0209 | 0x0409, 6) | (0x0809, 8 | 16));
    (bof && matches!(kind, 0x0010 | 0x0020 | 0x0040 | 0x0100 | 0x0005)).then_some(Type::Xls)
}

/// Text: what its first words say.
fn written(octets: &[u8]) -> Option<Type> {
    let start = piece_up_to(octets, 0, TEXT_OCTETS);
    let wide = wide(start);
    let start = wide.as_deref().unwrap_or(start);
    if start.is_empty() || start.iter().any(|b| matches!(b, 0..=8 | 14..=26 | 28..=31)) {
        return None;
    }
    let text = start.trim_ascii_start();
    if text.starts_with(b"#!") && !text.starts_with(b"#!rnews") {
        return Some(Type::Shebang);
    }
    if begins(text, b"BEGIN:VCALENDAR") {
        return Some(Type::Ics);
    }
    if begins(text, b"BEGIN:VCARD") {
        return Some(Type::Vcf);
    }
    if begins(text, b"REGEDIT4") || begins(text, b"Windows Registry Editor") {
        return Some(Type::Reg);
    }
    if begins(text, b"[InternetShortcut]") || begins(text, b"[Shell]") || begins(text, b"[{000214A0") {
        return Some(Type::Batch);
    }
    if text.starts_with(b"<") {
        return Some(markup(text));
    }
    if is_mail(text) {
        return Some(Type::Eml);
    }
    let html = [&b"<html"[..], b"<!doctype html", b"<script"].iter().any(|tag| has_word(text, tag));
    Some(if html { Type::Html } else { Type::Plain })
}

/// The octets of text in UTF-16, those beyond ASCII as `?`.
fn wide(start: &[u8]) -> Option<Vec<u8>> {
    let (high, rest) = match start {
        [0xff, 0xfe, rest @ ..] => (1, rest),
        [0xfe, 0xff, rest @ ..] => (0, rest),
        _ => return None,
    };
    let narrow = |pair: &[u8]| match pair {
        [0, low] if high == 0 => *low,
        [low, 0] if high == 1 => *low,
        _ => b'?',
    };
    Some(rest.chunks_exact(2).map(narrow).collect())
}

fn markup(text: &[u8]) -> Type {
    let has = |word: &[u8]| has_word(text, word);
    if has(b"<hta:application") {
        Type::Hta
    } else if begins(text, b"<html") || begins(text, b"<!doctype html") {
        Type::Html
    } else if (has(b"<job") || has(b"<package") || has(b"<scriptlet") || has(b"<component"))
        && has(b"<script")
    {
        Type::Wsf
    } else if has(b"<svg") {
        Type::Svg
    } else if begins(text, b"<?xml") && !has(b"<html") {
        Type::Xml
    } else {
        let html: [&[u8]; 9] =
            [b"<html", b"<head", b"<body", b"<script", b"<div", b"<table", b"<p>", b"<meta", b"<a "];
        if html.iter().any(|tag| has(tag)) { Type::Html } else { Type::Xml }
    }
}

/// Whether some word stands in the text, in any case.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    memchr::memchr_iter(*first, text).any(|place| text.get(place..).is_some_and(|rest| begins(rest, word)))
}

/// A header block as messages begin.
fn is_mail(text: &[u8]) -> bool {
    const FIELDS: [&[u8]; 8] = [
        b"Received:",
        b"Return-Path:",
        b"From:",
        b"Date:",
        b"Message-ID:",
        b"MIME-Version:",
        b"Delivered-To:",
        b"DKIM-Signature:",
    ];
    if text.starts_with(b"From ") && memchr::memmem::find(text, b"\nReceived:").is_some() {
        return true;
    }
    let lines = text.split(|&b| b == b'\n').take(40).take_while(|line| !line.trim_ascii().is_empty());
    let found = lines.filter(|line| FIELDS.iter().any(|field| begins(line, field))).count();
    found >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        let pe = {
            let mut pe = vec![0; 0x90];
            pe[..2].copy_from_slice(b"MZ");
            pe[0x3c] = 0x80;
            pe[0x80..0x84].copy_from_slice(b"PE\0\0");
            pe
        };
        let mut iso = vec![0; ISO_AT + 8];
        iso[ISO_AT + 1..ISO_AT + 6].copy_from_slice(b"CD001");
        let mut fat = vec![0; 512];
        fat[..3].copy_from_slice(b"\xeb\x3c\x90");
        fat[54..57].copy_from_slice(b"FAT");
        fat[510..].copy_from_slice(b"\x55\xaa");
        for (octets, want) in [
            (&pe[..], Type::Exe),
            (b"MZ is where we meet, at noon, and then we go to the lake and swim a little bit.", Type::Plain),
            (b"MZ\x90\0\x03\0\0\0", Type::Exe),
            (&iso, Type::Iso),
            (&fat, Type::Fat),
            (b"PK\x03\x04\x14\0", Type::Zip),
            (b"\r\n\r\njunk %PDF-1.7\n", Type::Pdf),
            (b"{\\rt1{}", Type::Rtf),
            (b"#!/bin/sh\nrm", Type::Shebang),
            (b"\xef\xbb\xbf#!/bin/sh\nrm", Type::Shebang),
            (b"<html><hta:application id=x>", Type::Hta),
            (b"<?xml version='1.0'?><job><script language='JScript'>", Type::Wsf),
            (b"<?xml version='1.0'?>\n<svg xmlns=''>", Type::Svg),
            (b"\xff\xfe<\0h\0t\0m\0l\0>\0", Type::Html),
            (b"<!DOCTYPE HTML>\n<title>", Type::Html),
            (b"BEGIN:VCALENDAR\r\n", Type::Ics),
            (b"From: a@x.example\r\nDate: today\r\nSubject: x\r\n\r\nhi", Type::Eml),
            (b"RIFF\0\0\0\0WEBPVP8 ", Type::Webp),
            (b"\x09\x08\x10\0\0\x06\x05\0", Type::Xls),
            (b"Dear all,\r\nI come late.\r\n", Type::Plain),
            (b"\0\x01\x02\x03\x04\x05\x06\x07", Type::Unknown),
            (b"\xca\xfe\xba\xbe\0\0\0\x37", Type::Class),
            (b"", Type::Unknown),
            (b"\x78\x9f\x3e\x22\0\0", Type::Tnef),
            (b"L\0\0\0\x01\x14\x02\0\0\0\0\0", Type::Lnk),
        ] {
            assert_eq!(
                type_of(octets),
                want,
                "{:?}",
                String::from_utf8_lossy(&octets[..octets.len().min(40)])
            );
        }
    }
}
