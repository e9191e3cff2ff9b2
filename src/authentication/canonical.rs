//! The canonical forms of header and body (RFC 6376 section 3.4), and digests of a body in them. Pure; linear: a body
//! is gone through once for each form, whatever number of signatures and lengths (`l=`) ask for it.

use super::fields::Field;
use ring::digest::{Context, SHA256};

/// `simple` or `relaxed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Simple,
    /// Blanks and the case of names do not count.
    Relaxed,
}

/// `c=`: the forms of header and body. `None` is a value that makes no sense.
pub fn forms(text: &str) -> Option<(Form, Form)> {
    let form = |text: &str| match text.trim_ascii() {
        "simple" => Some(Form::Simple),
        "relaxed" => Some(Form::Relaxed),
        _ => None,
    };
    match text.split_once('/') {
        Some((header, body)) => Some((form(header)?, form(body)?)),
        None => Some((form(text)?, Form::Simple)),
    }
}

/// Adds a field in its form, with the line end.
pub fn push_field(out: &mut Vec<u8>, field: Field<'_>, form: Form) {
    push_pieces(out, field, &[field.value], form);
    out.extend_from_slice(b"\r\n");
}

/// Adds a field whose value is in pieces, without the line end.
pub fn push_pieces(out: &mut Vec<u8>, field: Field<'_>, value: &[&[u8]], form: Form) {
    match form {
        Form::Simple => {
            let before = field.raw.len() - field.value.len();
            out.extend_from_slice(field.raw.get(..before).unwrap_or_default());
            value.iter().for_each(|piece| out.extend_from_slice(piece));
        }
        Form::Relaxed => {
            out.extend(field.name.iter().map(u8::to_ascii_lowercase));
            out.push(b':');
            let mut blank = false;
            let start = out.len();
            for byte in value.iter().copied().flatten() {
                match byte {
                    b' ' | b'\t' => blank = true,
                    b'\r' | b'\n' => {}
                    byte => {
                        if blank && out.len() > start {
                            out.push(b' ');
                        }
                        blank = false;
                        out.push(*byte);
                    }
                }
            }
        }
    }
}

/// Gives the body in its form, in pieces.
pub fn body(body: &[u8], form: Form, out: &mut impl FnMut(&[u8])) {
    let mut rest = body;
    let mut empty = 0;
    let mut said = false;
    while !rest.is_empty() {
        let (line, after) = line(rest);
        // Blanks at the end of a line are those before CRLF. The last octets may have none behind them.
        let ended = rest.len() > line.len();
        rest = after;
        let line = match form {
            Form::Relaxed if ended => trim_end(line),
            Form::Simple | Form::Relaxed => line,
        };
        if line.is_empty() {
            empty += 1;
            continue;
        }
        line_ends(empty, out);
        empty = 0;
        said = true;
        match form {
            Form::Simple => out(line),
            Form::Relaxed => relaxed_line(line, out),
        }
        out(b"\r\n");
    }
    if form == Form::Simple && !said {
        out(b"\r\n");
    }
}

/// The first line without its end, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let at = from + found;
        if let Some(line) = text.get(..at).and_then(|line| line.strip_suffix(b"\r")) {
            return (line, text.get(at + 1..).unwrap_or_default());
        }
        from = at + 1;
    }
    (text, &[])
}

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |at| at + 1);
    line.get(..end).unwrap_or_default()
}

fn line_ends(mut count: usize, out: &mut impl FnMut(&[u8])) {
    const MANY: &[u8] = b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    while count > 0 {
        let now = count.min(MANY.len() / 2);
        out(MANY.get(..now * 2).unwrap_or_default());
        count -= now;
    }
}

/// A line without blanks at its end: each run of blanks becomes one.
fn relaxed_line(line: &[u8], out: &mut impl FnMut(&[u8])) {
    let mut rest = line;
    while let Some(at) = blanks(rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let length = from.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(from.len());
        out(before);
        out(b" ");
        rest = from.get(length..).unwrap_or_default();
    }
    out(rest);
}

/// Where blanks are that are not one blank.
fn blanks(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| memchr::memchr2(b' ', b'\t', rest)) {
        let at = from + found;
        let single = text.get(at) == Some(&b' ') && !matches!(text.get(at + 1), Some(b' ' | b'\t'));
        if !single {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Digests of a body in one form.
#[derive(Debug)]
pub struct BodyDigest {
    whole: Vec<u8>,
    octets: u64,
    parts: Vec<(u64, Vec<u8>)>,
}

impl BodyDigest {
    /// Of the whole body, and of its first octets for each of `lengths`.
    pub fn of(octets: &[u8], form: Form, lengths: &[u64]) -> Self {
        let mut lengths = lengths.to_vec();
        lengths.sort_unstable();
        lengths.dedup();
        let mut next = lengths.into_iter().peekable();
        let mut context = Context::new(&SHA256);
        let (mut done, mut parts) = (0_u64, Vec::new());
        body(octets, form, &mut |piece: &[u8]| {
            let mut piece = piece;
            while let Some(length) = next.peek().copied() {
                let missing = usize::try_from(length.saturating_sub(done)).unwrap_or(usize::MAX);
                let Some((head, tail)) = piece.split_at_checked(missing) else { break };
                context.update(head);
                done += head.len() as u64;
                piece = tail;
                parts.push((length, context.clone().finish().as_ref().to_vec()));
                next.next();
            }
            context.update(piece);
            done += piece.len() as u64;
        });
        Self { whole: context.finish().as_ref().to_vec(), octets: done, parts }
    }

    /// Whether this is the digest, and whether something of the body is not covered by it. A length beyond the end
    /// matches nothing.
    pub fn matches(&self, digest: &[u8], length: Option<u64>) -> Option<bool> {
        match length {
            None => (self.whole == digest).then_some(false),
            Some(length) => {
                let part = self.parts.iter().find(|(known, _)| *known == length)?;
                (part.1 == digest).then_some(length < self.octets)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::fields::Header;

    fn form_of(octets: &[u8], form: Form) -> String {
        let mut out = Vec::new();
        body(octets, form, &mut |piece: &[u8]| out.extend_from_slice(piece));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies_have_two_forms() {
        for (octets, simple, relaxed) in [
            ("", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            (" \t\r\n \r\n", " \t\r\n \r\n", ""),
            ("abc", "abc\r\n", "abc\r\n"),
            (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"),
            ("a\r\n \t\r\n\r\nb\r\n \r\n", "a\r\n \t\r\n\r\nb\r\n \r\n", "a\r\n\r\n\r\nb\r\n"),
            ("a\r\n \t", "a\r\n \t\r\n", "a\r\n \r\n"),
            ("a\tb  c\r\nbare\rcr", "a\tb  c\r\nbare\rcr\r\n", "a b c\r\nbare\rcr\r\n"),
        ] {
            assert_eq!(form_of(octets.as_bytes(), Form::Simple), simple, "{octets:?}");
            assert_eq!(form_of(octets.as_bytes(), Form::Relaxed), relaxed, "{octets:?}");
        }
    }

    #[test]
    fn fields_have_two_forms() {
        let header = Header::of(b"SUBject \t: \t a  b\r\n\tc \t\r\nX:\r\n\r\n");
        let mut out = Vec::new();
        header.fields.iter().for_each(|field| push_field(&mut out, *field, Form::Relaxed));
        assert_eq!(out, b"subject:a b c\r\nx:\r\n");
        out.clear();
        header.fields.iter().for_each(|field| push_field(&mut out, *field, Form::Simple));
        assert_eq!(out, b"SUBject \t: \t a  b\r\n\tc \t\r\nX:\r\n");
    }

    #[test]
    fn parts_of_a_body_have_digests_too() {
        let text = b"one  two\r\nthree\r\n";
        let digest = |octets: &[u8]| ring::digest::digest(&SHA256, octets).as_ref().to_vec();
        let digests = BodyDigest::of(text, Form::Relaxed, &[3, 0, 16, 15, 17, 3]);
        assert_eq!(digests.matches(&digest(b"one two\r\nthree\r\n"), None), Some(false));
        assert_eq!(digests.matches(&digest(b"one"), Some(3)), Some(true));
        assert_eq!(digests.matches(&digest(b""), Some(0)), Some(true));
        assert_eq!(digests.matches(&digest(b"one two\r\nthree\r\n"), Some(16)), Some(false));
        assert_eq!(digests.matches(&digest(b"one two\r\nthree\r\n"), Some(17)), None);
        assert_eq!(digests.matches(b"", None), None);
    }
}
