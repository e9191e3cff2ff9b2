//! How text of a peer is shown in a log, on a terminal or in our own output: escaped and cut, so that
//! it can neither start a new line, drive a terminal, nor fill a disk.

use std::borrow::Cow;

/// Longest peer text that is shown, in characters.
pub const PEER_TEXT_CHARS: usize = 100;

/// Peer text for people: printable ASCII and valid non-ASCII letters as they are, everything else as
/// `\xNN`, at most [`PEER_TEXT_CHARS`] characters and then `…`.
#[must_use]
pub fn escape(text: &[u8]) -> String {
    escaped(text).into_owned()
}

/// [`escape`], without a copy of what is short and plain.
#[must_use]
pub fn escaped(text: &[u8]) -> Cow<'_, str> {
    escaped_at_most(text, PEER_TEXT_CHARS)
}

/// [`escape`] with another bound, in characters.
#[must_use]
pub fn escape_at_most(text: &[u8], chars: usize) -> String {
    escaped_at_most(text, chars).into_owned()
}

fn escaped_at_most(text: &[u8], chars: usize) -> Cow<'_, str> {
    // Nearly all of it is short and plain. Folded over all octets, for that is done many at a time.
    let plain = |yes: bool, &b: &u8| yes & (b' '..0x7f).contains(&b) & (b != b'\\');
    let short = text.len() <= chars && text.iter().fold(true, plain);
    match short.then(|| std::str::from_utf8(text)) {
        Some(Ok(text)) => Cow::Borrowed(text),
        Some(Err(_)) | None => Cow::Owned(escape_slowly(text, chars)),
    }
}

fn escape_slowly(text: &[u8], chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars));
    let mut shown = 0;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if shown == chars {
                out.push('…');
                return out;
            }
            shown += 1;
            push(&mut out, c);
        }
        for byte in chunk.invalid() {
            if shown == chars {
                out.push('…');
                return out;
            }
            shown += 1;
            push_byte(&mut out, *byte);
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    if c == '\\' {
        out.push_str("\\\\");
    } else if c.is_ascii() && !c.is_ascii_control() || (!c.is_ascii() && c.is_alphanumeric()) {
        out.push(c);
    } else if c.is_ascii() {
        push_byte(out, c as u8);
    } else {
        out.extend(c.escape_unicode());
    }
}

fn push_byte(out: &mut String, byte: u8) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_text_cannot_drive_a_terminal_or_a_log() {
        assert_eq!(escape(b"a\x1b[2J\r\nb\x00\\"), "a\\x1b[2J\\x0d\\x0ab\\x00\\\\");
        assert_eq!(escape("größe \u{202e}x".as_bytes()), "größe \\u{202e}x");
        assert_eq!(escape(b"\xff\xfe"), "\\xff\\xfe");
    }

    #[test]
    fn peer_text_is_cut() {
        let long = vec![b'a'; 5000];
        assert_eq!(escape(&long).chars().count(), PEER_TEXT_CHARS + 1);
        let bad = vec![0xff; 5000];
        assert!(escape(&bad).len() <= PEER_TEXT_CHARS * 4 + 3);
    }
}
