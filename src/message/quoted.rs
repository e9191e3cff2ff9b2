//! Text inside messages of ours: quoted-printable (RFC 2045 section 6.7), and what may stand in a header.

/// Longest line of quoted-printable, without CRLF.
const LINE_MAX: usize = 76;

/// Text with `\n` as line end, encoded; lines end with CRLF. Control characters other than tab are replaced.
#[must_use]
pub fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        let mut column = 0;
        let mut octets = line.bytes().peekable();
        while let Some(octet) = octets.next() {
            let octet = if octet.is_ascii_control() && octet != b'\t' { b'?' } else { octet };
            let last = octets.peek().is_none();
            let plain =
                (octet.is_ascii_graphic() && octet != b'=') || (matches!(octet, b' ' | b'\t') && !last);
            // A line that begins with a dot or with "From " is changed by some servers.
            let plain = plain && !(column == 0 && matches!(octet, b'.' | b'F'));
            let width = if plain { 1 } else { 3 };
            if column + width > LINE_MAX - 1 {
                out.push_str("=\r\n");
                column = 0;
            }
            if plain {
                out.push(char::from(octet));
            } else {
                out.push_str(&format!("={octet:02X}"));
            }
            column += width;
        }
        out.push_str("\r\n");
    }
    out
}

/// Octets as printable ASCII; everything else becomes `?`, a tab stays.
#[must_use]
pub fn ascii(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|&b| if b == b'\t' || (b' '..=b'~').contains(&b) { char::from(b) } else { '?' })
        .collect()
}

/// Text for the value of a header field: printable ASCII, at most 900 characters.
#[must_use]
pub fn header_text(text: &str) -> String {
    text.chars().take(900).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_nothing_gets_out() {
        assert_eq!(quoted_printable("a=b \nFrom x\n.\n"), "a=3Db=20\r\n=46rom x\r\n=2E\r\n");
        assert_eq!(quoted_printable("ö"), "=C3=B6\r\n");
        let long = quoted_printable(&"ö".repeat(500));
        assert!(long.lines().all(|l| l.len() <= LINE_MAX) && long.lines().count() > 30);
        assert_eq!(header_text("a\r\nBcc: x"), "a??Bcc: x");
        assert_eq!(ascii(b"a\xff\x1b\t"), "a??\t");
    }
}
