//! The fields of a part's header block that say what it is, and where some programs think that the block ends.

use super::odd::Odd;
use memchr::memchr;

/// Most octets of one field that counts.
const FIELD_OCTETS_MAX: usize = 32 * 1024;
/// Most fields of one name that are read; the last one of more always is.
const FIELDS_MAX: usize = 6;

/// Fields that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Type,
    Encoding,
    Disposition,
    /// Where a part came from, or what it is: some programs take a name from it where there is none.
    Named,
}

impl Which {
    fn of(name: &[u8]) -> Option<Self> {
        [
            (&b"content-type"[..], Self::Type),
            (b"content-transfer-encoding", Self::Encoding),
            (b"content-disposition", Self::Disposition),
            (b"content-location", Self::Named),
            (b"content-description", Self::Named),
        ]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, which)| which)
    }
}

/// One of them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) which: Which,
    pub(super) body: Vec<u8>,
    /// Some programs do not see it.
    pub(super) doubtful: bool,
}

/// A header block on its way.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) fields: Vec<Found>,
    /// Whether lines that follow continue the last of `fields`.
    open: bool,
    /// Other beginnings of the body.
    pub(super) others: Vec<(usize, &'static str)>,
    any: bool,
    pub(super) odd: Vec<Odd>,
}

pub(super) const AT_BAD_LINE: &str = "header-ends-at-bad-line";
const AT_BLANKS: &str = "header-ends-at-blanks";

impl Block {
    /// A line that is not empty, from one place to another.
    pub(super) fn line(&mut self, line: &[u8], at: usize, end: usize) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if line.trim_ascii().is_empty() {
                self.other(end, AT_BLANKS, Odd::BlankHeaderLine);
            } else if !self.any {
                self.other(at, AT_BAD_LINE, Odd::BadHeaderLine);
            } else if self.open {
                self.continued(line);
            }
            return;
        }
        if matches!(line.first(), Some(b'\x0b' | b'\x0c')) && self.open {
            // A blank to some, and so more of the field.
            self.other(at, AT_BAD_LINE, Odd::BadHeaderLine);
            return self.continued([b" ", line.trim_ascii()].concat().as_slice());
        }
        self.open = false;
        let first = !std::mem::replace(&mut self.any, true);
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if first => {
                self.other(at, AT_BAD_LINE, Odd::BadHeaderLine);
                rest
            }
            Some(_) | None => line,
        };
        let Some((name, body)) = memchr(b':', line).and_then(|at| line.split_at_checked(at)) else {
            // The line that begins a message in a mailbox file.
            if !(first && (line.starts_with(b"From ") || line.starts_with(b">From "))) {
                self.other(at, AT_BAD_LINE, Odd::BadHeaderLine);
            }
            return;
        };
        let trimmed = name.trim_ascii_end();
        if trimmed.is_empty() || !trimmed.iter().all(u8::is_ascii_graphic) {
            if !(first && (line.starts_with(b"From ") || line.starts_with(b">From "))) {
                self.other(at, AT_BAD_LINE, Odd::BadHeaderLine);
            }
            return;
        }
        let Some(which) = Which::of(trimmed) else { return };
        let blanks = trimmed.len() < name.len();
        if blanks {
            self.odd.push(Odd::BlankBeforeColon);
        }
        let doubtful = blanks || !self.others.is_empty();
        let body = body.get(1..).unwrap_or_default();
        if self.fields.iter().filter(|field| field.which == which).count() >= FIELDS_MAX
            && let Some(last) = self.fields.iter().rposition(|field| field.which == which)
        {
            self.odd.push(Odd::LongField);
            self.fields.remove(last);
        }
        self.fields.push(Found { which, body: Vec::new(), doubtful });
        self.open = true;
        self.continued(body);
    }

    fn continued(&mut self, line: &[u8]) {
        let Some(field) = self.fields.last_mut() else { return };
        let room = FIELD_OCTETS_MAX.saturating_sub(field.body.len());
        if line.len() > room {
            self.odd.push(Odd::LongField);
        }
        field.body.extend_from_slice(line.get(..room).unwrap_or(line));
    }

    /// The first place of its sort where the body may begin.
    fn other(&mut self, at: usize, name: &'static str, odd: Odd) {
        if !self.others.iter().any(|(_, n)| *n == name) {
            self.others.push((at, name));
            self.odd.push(odd);
        }
    }
}

/// Fields with comments in them (RFC 5322 section 3.2.2) once without these, and behind that as they stand.
pub(super) fn with_comments_taken_out(fields: Vec<Found>) -> Vec<Found> {
    let mut out = Vec::with_capacity(fields.len());
    for field in fields {
        match without_comments(&field.body).filter(|_| field.which != Which::Named) {
            Some(body) => {
                out.push(Found { body, ..field });
                out.push(Found { doubtful: true, ..field });
            }
            None => out.push(field),
        }
    }
    out
}

/// `None` where there are none. Only what stands behind a blank is taken for one: boundaries have parentheses too.
fn without_comments(body: &[u8]) -> Option<Vec<u8>> {
    memchr(b'(', body)?;
    let (mut out, mut depth, mut quoted, mut before) = (Vec::with_capacity(body.len()), 0u32, false, b' ');
    let mut octets = body.iter().copied();
    while let Some(octet) = octets.next() {
        let escaped = (octet == b'\\' && (quoted || depth > 0)).then(|| octets.next()).flatten();
        match octet {
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted && (depth > 0 || matches!(before, b' ' | b'\t' | b';' | b'=' | b')')) => {
                depth += 1
            }
            _ => {}
        }
        if depth == 0 {
            out.push(octet);
            out.extend(escaped);
        }
        if octet == b')' && !quoted {
            depth = depth.saturating_sub(1);
        }
        before = octet;
    }
    (out.len() < body.len()).then_some(out)
}
