//! As much of HTTP/1.1 as one answer takes (RFC 9112). Pure.

use memchr::memmem;

/// Longest status line and header fields together.
const HEAD_MAX: usize = 16 * 1024;
/// Longest answer: one with a thousand symbols has 200 KiB.
pub(super) const ANSWER_MAX: usize = 2 << 20;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Where an answer ends.
enum End {
    /// After so many octets.
    Length(usize),
    /// With the chunk of no octets.
    Chunks,
    /// With the connection.
    Close,
}

struct Head {
    status: u16,
    end: End,
    /// Octets of it, the empty line included.
    octets: usize,
}

/// Whether nothing more is to come. What is no HTTP is complete at once.
pub(super) fn complete(octets: &[u8]) -> bool {
    match head(octets) {
        Ok(None) => false,
        Err(_) => true,
        Ok(Some(head)) => {
            let body = octets.get(head.octets..).unwrap_or_default();
            match head.end {
                End::Length(length) => body.len() >= length,
                End::Chunks => !matches!(chunks(body), Ok(None)),
                End::Close => false,
            }
        }
    }
}

/// Reads a whole answer.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(octets: &[u8]) -> Result<Answer, &'static str> {
    let cut = "its answer was cut";
    if octets.is_empty() {
        return Err("it closed without an answer");
    }
    let head = head(octets)?.ok_or(cut)?;
    let body = octets.get(head.octets..).unwrap_or_default();
    let body = match head.end {
        End::Length(length) if body.len() > length => return Err("it said more than it announced"),
        End::Length(length) => body.get(..length).ok_or(cut)?.to_vec(),
        End::Chunks => chunks(body)?.ok_or(cut)?,
        End::Close => body.to_vec(),
    };
    Ok(Answer { status: head.status, body })
}

/// Status line and header fields; `None` where they are not complete.
fn head(octets: &[u8]) -> Result<Option<Head>, &'static str> {
    let none = "it does not speak HTTP";
    let begins = octets.iter().zip(b"HTTP/1.").all(|(a, b)| a == b);
    if !begins {
        return Err(none);
    }
    let Some(end) = memmem::find(octets, b"\r\n\r\n") else {
        return if octets.len() > HEAD_MAX { Err("the header of its answer is too long") } else { Ok(None) };
    };
    let text = octets.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or(none)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).filter(|s| s.len() == 3);
    let status = status.and_then(|s| s.parse().ok()).ok_or(none)?;
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(none)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let octets: usize = value.parse().map_err(|_| none)?;
            if length.is_some_and(|before| before != octets) {
                return Err("it announces two lengths");
            }
            length = Some(octets);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err("its answer is encoded in a way that was not asked for");
            }
            chunked = true;
        }
    }
    let end_of_body = match (chunked, length) {
        (true, Some(_)) => return Err("it announces two lengths"),
        (true, None) => End::Chunks,
        (false, Some(length)) if length > ANSWER_MAX => return Err("it announces too long an answer"),
        (false, Some(length)) => End::Length(length),
        (false, None) => End::Close,
    };
    Ok(Some(Head { status, end: end_of_body, octets: end + 4 }))
}

/// The octets of all chunks; `None` where they are not complete. Trailers are left alone.
fn chunks(mut octets: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let wrong = "the pieces of its answer have no length";
    let mut out = Vec::new();
    loop {
        let Some(end) = memmem::find(octets, b"\r\n") else {
            return if octets.len() > 100 { Err(wrong) } else { Ok(None) };
        };
        let line = octets.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or(wrong)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        let length = usize::from_str_radix(digits, 16).map_err(|_| wrong)?;
        if length == 0 {
            return Ok(Some(out));
        }
        if length > ANSWER_MAX {
            return Err("it announces too long an answer");
        }
        let Some(piece) = octets.get(end + 2..end + 2 + length) else { return Ok(None) };
        let Some(after) = octets.get(end + 2 + length..end + 4 + length) else { return Ok(None) };
        if after != b"\r\n" {
            return Err(wrong);
        }
        out.extend_from_slice(piece);
        octets = octets.get(end + 4 + length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_say() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(Answer { status: 200, body: b"hello".to_vec() }));
            assert!(complete(text.as_bytes()));
            for cut in 1..text.len() - 4 {
                let cut = &text.as_bytes()[..cut];
                assert!(!complete(cut), "{}", cut.escape_ascii());
                assert_eq!(read(cut), Err("its answer was cut"));
            }
        }
        let open = b"HTTP/1.0 404 Not Found\r\n\r\nno";
        assert!(!complete(open));
        assert_eq!(read(open), Ok(Answer { status: 404, body: b"no".to_vec() }));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (text, want) in [
            ("", "closed"),
            ("220 mx ESMTP\r\n", "HTTP"),
            ("HTTP/1.1 2x0 OK\r\n\r\n", "HTTP"),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more than"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "too long"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "encoded"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no length"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "no length"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "no length"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{text:?}: {error}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX));
        assert!(complete(endless.as_bytes()) && read(endless.as_bytes()).is_err());
    }
}
