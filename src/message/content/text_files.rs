//! Files in the text of a part: uuencode, yEnc, and BinHex, which is only known.

use super::base64::{Rules, base64};
use super::odd::Odd;
use crate::message::large::{append, buffer};
use memchr::{memchr, memchr2, memmem};

/// Most files of one text.
const FILES_MAX: usize = 100;
/// What uuencode may come to: so many times its text, and these octets. Lines need not have the length that they claim, and
/// one of two octets claims 63.
const UU_GROWTH: usize = 2;
const UU_OCTETS: usize = 64 << 10;

/// A file in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
    pub(super) how: Odd,
}

/// What is in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// In order.
    pub(super) files: Vec<File>,
    /// There may be more.
    pub(super) cut: bool,
    /// One goes on, and comes to more than is decoded; what is behind it is not looked at.
    pub(super) over: bool,
    /// There is one that is not opened.
    pub(super) binhex: bool,
}

/// The files in a text.
pub(super) fn files(text: &[u8]) -> Files {
    let (mut files, mut over) = (Vec::new(), false);
    let mut room = uu_room(text);
    if memmem::find(text, b"begin").is_some() || memmem::find(text, b"=ybegin ").is_some() {
        let mut rest = text;
        while files.len() < FILES_MAX && !over {
            let Some((line, after)) = next_line(rest) else { break };
            rest = after;
            if let Some(name) = uu_begin(line) {
                let (octets, after);
                (octets, after, over) = uu(rest, room);
                room = room.saturating_sub(octets.len());
                files.push(File { name, octets, how: Odd::Uuencode });
                rest = after;
            } else if let Some(name) = base64_begin(line) {
                let end = memmem::find(rest, b"====").unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                let octets = base64(text, Rules::default()).0;
                files.push(File { name, octets, how: Odd::Uuencode });
                rest = after;
            } else if line.starts_with(b"=ybegin ") {
                let name = memmem::find(line, b"name=").and_then(|at| line.get(at + 5..)).unwrap_or_default();
                let (octets, after) = yenc(rest);
                files.push(File { name: String::from_utf8_lossy(name).into_owned(), octets, how: Odd::Yenc });
                rest = after;
            }
        }
    }
    let binhex = memmem::find(text, b"(This file must be converted with BinHex").is_some();
    Files { cut: files.len() >= FILES_MAX, over, files, binhex }
}

/// The whole of a body that says that it is uuencode, and whether there is more than is decoded.
pub(super) fn uu_all(text: &[u8]) -> (Vec<u8>, bool) {
    let Files { files: found, over, cut, .. } = files(text);
    if found.is_empty() {
        let (octets, _, over) = uu(text, uu_room(text));
        return (octets, over);
    }
    let mut all: Vec<u8> = Vec::new();
    found.iter().for_each(|file| append(&mut all, &file.octets));
    (all, over || cut)
}

/// Octets that the uuencode in a text may come to.
fn uu_room(text: &[u8]) -> usize {
    text.len().saturating_mul(UU_GROWTH).saturating_add(UU_OCTETS)
}

fn next_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = memchr2(b'\n', b'\r', text).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    Some((line, rest.strip_prefix(b"\n").unwrap_or(rest)))
}

/// `begin 644 name`, with blanks as loosely as programs take it.
fn uu_begin(line: &[u8]) -> Option<String> {
    let rest = line.strip_prefix(b"begin ")?.trim_ascii_start();
    let digits = rest.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    let name = rest.get(digits..)?;
    ((3..=7).contains(&digits) && matches!(name.first(), Some(b' ' | b'\t')))
        .then(|| String::from_utf8_lossy(name.trim_ascii()).into_owned())
}

fn base64_begin(line: &[u8]) -> Option<String> {
    let rest = line.strip_prefix(b"begin-base64 ")?;
    let at = memchr(b' ', rest)?;
    rest.get(at..).map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned())
}

/// Up to `end`: the octets, what is behind, and whether there was no room for more.
fn uu(text: &[u8], room: usize) -> (Vec<u8>, &[u8], bool) {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((line, after)) = next_line(rest) {
        if line.trim_ascii_end() == b"end" {
            return (out, after, false);
        }
        if uu_begin(line).is_some() {
            return (out, rest, false);
        }
        rest = after;
        uu_line(line, &mut out);
        if out.len() > room {
            return (out, rest, true);
        }
    }
    (out, rest, false)
}

fn uu_line(line: &[u8], out: &mut Vec<u8>) {
    let value = |octet: u8| octet.wrapping_sub(b' ') & 63;
    let Some((&first, data)) = line.split_first() else { return };
    let length = usize::from(value(first));
    let needed = length.div_ceil(3) * 4;
    // Blanks at the end of lines get lost on the way, and some programs write a sum behind: shorter and longer lines count.
    if !(b' '..=b'`').contains(&first) || length == 0 {
        return;
    }
    let mut decoded = Vec::with_capacity(needed);
    let mut padded = data.to_vec();
    padded.resize(needed, b' ');
    for &[a, b, c, d] in padded.as_chunks::<4>().0 {
        let [a, b, c, d] = [a, b, c, d].map(value);
        decoded.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    append(out, decoded.get(..length).unwrap_or(&decoded));
}

fn yenc(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut out, mut rest) = (buffer(text.len()), text);
    while let Some((line, after)) = next_line(rest) {
        rest = after;
        if line.starts_with(b"=yend") {
            break;
        }
        if line.starts_with(b"=ypart ") {
            continue;
        }
        let mut octets = line.iter().copied();
        while let Some(octet) = octets.next() {
            let value = match octet {
                b'=' => octets.next().map(|next| next.wrapping_sub(64)),
                other => Some(other),
            };
            out.extend(value.map(|value| value.wrapping_sub(42)));
        }
    }
    (out, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_text_are_found() {
        let text = b"hello\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nthen\nbegin-base64 644 b.txt\naGVsbG8=\n====\n";
        let Files { files: found, binhex, .. } = files(text);
        let names: Vec<(&str, &[u8])> =
            found.iter().map(|f| (f.name.as_str(), f.octets.as_slice())).collect();
        assert_eq!(names, [("a.txt", &b"hello"[..]), ("b.txt", b"hello")]);
        assert!(!binhex);
        let many = b"begin 644 a\n%:&5L;&\\\n`\nend\n".repeat(FILES_MAX + 1);
        assert_eq!(uu_all(&many), (b"hello".repeat(FILES_MAX), true));
        assert_eq!(uu_all(b"%:&5L;&\\\n`\n"), (b"hello".to_vec(), false));
        assert_eq!(files(b"begin the day, 644 times\nbegin 9 x\n"), Files::default());
    }

    #[test]
    fn yenc_is_decoded() {
        let Files { files: found, .. } =
            files(b"=ybegin line=128 size=5 name=a b.bin\r\n\x92\x8f\x96\x96\x99=j\r\n=yend size=6\r\n");
        let file = found.first().unwrap();
        assert_eq!(
            (file.name.as_str(), file.octets.as_slice(), file.how),
            ("a b.bin", &b"hello\0"[..], Odd::Yenc)
        );
    }

    /// Lines of one digit that claim 63 octets each.
    #[test]
    fn uuencode_grows_to_a_bound() {
        let lines = "_\n".repeat(200_000);
        for text in
            [lines.clone(), format!("begin 644 a\n{lines}"), format!("begin 644 a\n{lines}end\n").repeat(3)]
        {
            let found = files(text.as_bytes());
            let octets: usize = found.files.iter().map(|file| file.octets.len()).sum();
            assert!(octets <= uu_room(text.as_bytes()) + 63, "{octets}");
            assert_eq!(found.over, text.starts_with('b'));
            let (all, over) = uu_all(text.as_bytes());
            assert!(over && all.len() <= uu_room(text.as_bytes()) + 63, "{}", all.len());
        }
        // What lost the blanks at the end of its lines is no longer than what was encoded.
        let honest = format!("begin 644 a\n{}`\nend\n", "M\n".repeat(300)).repeat(2);
        let found = files(honest.as_bytes());
        assert_eq!((found.files.len(), found.over), (2, false));
        assert_eq!(uu_all(honest.as_bytes()), (vec![0; 2 * 45 * 300], false));
    }
}
