//! Files in the text of a part: uuencode, yEnc, and BinHex, which is only known.

use super::base64::{Rules, base64};
use super::odd::Odd;
use crate::message::large::{append, buffer};
use memchr::{memchr, memchr2, memmem};

/// Most files of one text.
const FILES_MAX: usize = 100;

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
    /// There is one that is not opened.
    pub(super) binhex: bool,
}

/// The files in a text.
pub(super) fn files(text: &[u8]) -> Files {
    let mut files = Vec::new();
    if memmem::find(text, b"begin").is_some() || memmem::find(text, b"=ybegin ").is_some() {
        let mut rest = text;
        while files.len() < FILES_MAX {
            let Some((line, after)) = next_line(rest) else { break };
            rest = after;
            if let Some(name) = uu_begin(line) {
                let (octets, after) = uu(rest);
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
    Files { cut: files.len() >= FILES_MAX, files, binhex }
}

/// The whole of a body that says that it is uuencode.
pub(super) fn uu_all(text: &[u8]) -> Vec<u8> {
    let found = files(text).files;
    let mut all: Vec<u8> = Vec::new();
    found.iter().for_each(|file| all.extend_from_slice(&file.octets));
    if found.is_empty() { uu(text).0 } else { all }
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

/// Up to `end`: the octets, and what is behind.
fn uu(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((line, after)) = next_line(rest) {
        if line.trim_ascii_end() == b"end" {
            return (out, after);
        }
        if uu_begin(line).is_some() {
            return (out, rest);
        }
        rest = after;
        uu_line(line, &mut out);
    }
    (out, rest)
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
        assert_eq!(uu_all(b"%:&5L;&\\\n`\n"), b"hello");
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
}
