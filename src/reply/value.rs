//! The value: what is written on the wire, and what a log shows of it.

use super::class::Class;
use super::entry::{Enhanced, Entry};
use crate::mail::{Id, escape, escaped};
use std::borrow::Cow;

/// Octets of a relayed reply that are kept for the audit line.
const KEPT_OCTETS_MAX: usize = 512;

/// One complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Ours {
        enhanced: Option<Enhanced>,
        text: Cow<'static, str>,
        reference: Option<Id>,
    },
    /// Whole lines with CRLF, written as they came; or made by us line by line (EHLO).
    Lines(Box<[u8]>),
}

impl Reply {
    pub(super) fn ours(entry: Entry) -> Self {
        let body = Body::Ours { enhanced: entry.enhanced, text: Cow::Borrowed(entry.text), reference: None };
        Self { code: entry.code, body }
    }

    /// A refusal with its reference.
    #[must_use]
    pub fn refusal(entry: Entry, reference: Id) -> Self {
        let body = Body::Ours {
            enhanced: entry.enhanced,
            text: Cow::Borrowed(entry.text),
            reference: Some(reference),
        };
        Self { code: entry.code, body }
    }

    /// The same reply with a reference, where it is one of ours.
    #[must_use]
    pub fn with_reference(mut self, id: Id) -> Self {
        if let Body::Ours { reference, .. } = &mut self.body {
            *reference = Some(id);
        }
        self
    }

    /// The same reply with another text behind the enhanced code: an admin's own words, or a host name.
    /// Line ends and octets outside printable ASCII become blanks, and it is cut at 400 octets, so that it
    /// cannot break the reply.
    #[must_use]
    pub fn with_text(mut self, words: &str) -> Self {
        if let Body::Ours { text, .. } = &mut self.body {
            let clean = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
            *text = Cow::Owned(words.chars().take(400).map(clean).collect());
        }
        self
    }

    /// The same reply with another code of the same class and the same enhanced code; a code of another class is not
    /// taken.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        if Class::of(code) == Some(self.class()) {
            self.code = code;
        }
        self
    }

    /// A reply of several lines made by us, each without an enhanced code: the answer to EHLO.
    #[must_use]
    pub fn multi(code: u16, lines: &[impl AsRef<[u8]>]) -> Self {
        let mut out = Vec::with_capacity(lines.len() * 32);
        for (at, line) in lines.iter().enumerate() {
            out.extend_from_slice(&digits(code));
            out.push(if at + 1 == lines.len() { b' ' } else { b'-' });
            out.extend_from_slice(line.as_ref());
            out.extend_from_slice(b"\r\n");
        }
        Self { code, body: Body::Lines(out.into()) }
    }

    /// A downstream's reply: `lines` are its complete lines with CRLF, already checked for form.
    #[must_use]
    pub fn relayed(code: u16, lines: &[u8]) -> Self {
        Self { code, body: Body::Lines(lines.into()) }
    }

    /// The raw lines with CRLF of a relayed reply, or of one made line by line; `None` for one of the catalogue.
    #[must_use]
    pub fn relayed_lines(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Lines(lines) => Some(lines),
            Body::Ours { .. } => None,
        }
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Its class. A code that we never make counts as temporary: nothing is lost by trying again.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::of(self.code).unwrap_or(Class::Temporary)
    }

    /// A copy to be kept: a downstream's reply without what is beyond 512 octets.
    #[must_use]
    pub fn to_keep(&self) -> Self {
        match &self.body {
            Body::Lines(lines) if lines.len() > KEPT_OCTETS_MAX => {
                let lines = lines.get(..KEPT_OCTETS_MAX).unwrap_or_default();
                Self { code: self.code, body: Body::Lines(lines.into()) }
            }
            Body::Lines(_) | Body::Ours { .. } => self.clone(),
        }
    }

    /// Whether it is 2yz.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.class() == Class::Success
    }

    /// Whether it is 4yz or 5yz.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.class(), Class::Temporary | Class::Permanent)
    }

    /// Appends the reply as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match &self.body {
            Body::Lines(lines) => out.extend_from_slice(lines),
            Body::Ours { .. } => {
                self.write_line(out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn write_line(&self, out: &mut Vec<u8>) {
        let Body::Ours { enhanced, text, reference } = &self.body else { return };
        out.extend_from_slice(&digits(self.code));
        out.push(b' ');
        if let Some(Enhanced(class, subject, detail)) = enhanced {
            number(out, u16::from(*class));
            out.push(b'.');
            number(out, *subject);
            out.push(b'.');
            number(out, *detail);
            out.push(b' ');
        }
        out.extend_from_slice(text.as_bytes());
        if let Some(id) = reference {
            out.extend_from_slice(format!(" [ref {id}]").as_bytes());
        }
    }

    /// The reply as a log shows it: one line, escaped, cut.
    #[must_use]
    pub fn to_log(&self) -> String {
        self.logged().into_owned()
    }

    /// [`Reply::to_log`], without a copy of a downstream's plain line.
    #[must_use]
    pub fn logged(&self) -> Cow<'_, str> {
        let mut out = Vec::new();
        match &self.body {
            Body::Lines(lines) => {
                let (line, more) =
                    match memchr::memchr(b'\n', lines).and_then(|end| lines.split_at_checked(end)) {
                        Some((line, end)) => (line, end.iter().skip(1).any(|&b| b == b'\n')),
                        None => (&**lines, false),
                    };
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if !more {
                    return escaped(line);
                }
                out.extend_from_slice(line);
                out.extend_from_slice(b" (and more lines)");
            }
            Body::Ours { .. } => {
                out.reserve(80);
                self.write_line(&mut out);
            }
        }
        Cow::Owned(escape(&out))
    }
}

/// A part of an enhanced code, without leading zeros.
fn number(out: &mut Vec<u8>, n: u16) {
    if n >= 10 {
        number(out, n / 10);
    }
    out.push(b'0' + (n % 10) as u8);
}

impl Entry {
    /// The reply, without a reference.
    #[must_use]
    pub fn reply(self) -> Reply {
        Reply::ours(self)
    }

    /// The reply as a refusal that `portcullis explain` can find: its text ends in `[ref ID]`.
    #[must_use]
    pub fn refusal(self, reference: Id) -> Reply {
        Reply::refusal(self, reference)
    }
}

fn digits(code: u16) -> [u8; 3] {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    [digit(code / 100), digit(code / 10), digit(code)]
}

#[cfg(test)]
mod tests {
    use super::super::catalogue;
    use super::*;
    use crate::mail::Scramble;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_refusal_ends_in_its_reference_behind_any_text() {
        let id = Scramble::new(1).id(1);
        let reply = catalogue::RELAY_DENIED.refusal(id);
        assert_eq!(wire(&reply), format!("550 5.7.1 relay access denied [ref {id}]\r\n"));
        let reply = reply.with_text("no\r\n250 yes \u{1b}[2J");
        assert_eq!(wire(&reply), format!("550 5.7.1 no  250 yes  [2J [ref {id}]\r\n"));
    }

    #[test]
    fn another_code_is_of_the_same_class() {
        assert_eq!(
            wire(&catalogue::RELAY_DENIED.reply().with_code(554)),
            "554 5.7.1 relay access denied\r\n"
        );
        for code in [450, 250, 999, 0] {
            assert_eq!(catalogue::RELAY_DENIED.reply().with_code(code).code(), 550);
        }
    }

    #[test]
    fn lines_are_joined_as_rfc_5321_says() {
        assert_eq!(
            wire(&Reply::multi(250, &["mx.example", "SIZE 1", "HELP"])),
            "250-mx.example\r\n250-SIZE 1\r\n250 HELP\r\n"
        );
        assert_eq!(
            wire(&Reply::relayed(550, b"550-5.1.1 no\r\n550 5.1.1 way\r\n")),
            "550-5.1.1 no\r\n550 5.1.1 way\r\n"
        );
    }

    #[test]
    fn the_log_shows_one_line() {
        assert_eq!(Reply::relayed(550, b"550-a\r\n550 b\r\n").to_log(), "550-a (and more lines)");
        assert_eq!(catalogue::OK.reply().to_log(), "250 2.0.0 Ok");
    }
}
