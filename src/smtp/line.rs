//! Framing of command lines: a line ends at CRLF and nowhere else (RFC 5321 section 2.3.8).
//!
//! Purpose: cut a stream into lines before anybody looks at a verb, so that no parser ever sees half a
//! line or two. State: the framer's owner keeps the unconsumed octets; the framer only remembers how far
//! it has looked and whether it is in the middle of a line that is being thrown away. Nothing fails:
//! what is wrong with a line is said in [`Framed`].

use memchr::{memchr, memchr2};

/// Longest command line in octets with its CRLF (RFC 5321 section 4.5.3.1.4 asks for 512 and more with
/// extensions; the parameters of DSN and SMTPUTF8 alone can take 1,500).
pub const COMMAND_OCTETS_MAX: usize = 2048;
/// Longest line of an AUTH dialogue in octets with its CRLF (RFC 4954 section 4).
pub const AUTH_OCTETS_MAX: usize = 12_288;

/// What stands at the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<'a> {
    /// No complete line yet.
    Incomplete,
    /// One line without its CRLF; no CR, LF or NUL inside.
    Line(&'a [u8]),
    /// A line over the bound was thrown away, to its CRLF; the next line can be trusted.
    TooLong,
    /// A line that ended in CRLF has a bare CR or a NUL inside; the next line can be trusted.
    BareCrOrNul,
    /// A LF without a CR before it: peer and we disagree on where lines end, the stream cannot be trusted.
    BareLf,
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct LineFramer {
    /// Octets of the caller's buffer, from its start, that hold no LF.
    scanned: usize,
    /// The line was over the bound: its octets are consumed as they come, to its CRLF.
    skipping: bool,
    /// While skipping: the last octet that was consumed is a CR.
    skipped_cr: bool,
}

impl LineFramer {
    /// Looks for one line at the start of `input`, which is always everything not consumed so far, and
    /// says how many octets of it are done with. `octets_max` counts the CRLF. While a line is incomplete
    /// nothing is consumed, unless it is over the bound already. Fed octet by octet, each is looked at a
    /// constant number of times.
    pub fn next<'a>(&mut self, input: &'a [u8], octets_max: usize) -> (usize, Framed<'a>) {
        if self.skipping {
            return self.skip(input);
        }
        let from = if self.scanned <= input.len() { self.scanned } else { 0 };
        let Some(at) = input.get(from..).and_then(|rest| memchr(b'\n', rest)) else {
            return self.no_line_end(input, octets_max);
        };
        self.scanned = 0;
        let end = from + at;
        let over = end >= octets_max;
        let Some(line) = input.get(..end).and_then(|line| line.strip_suffix(b"\r")) else {
            // The rest of an over-long line stays a rest, whatever its line ends.
            self.skipping = over;
            self.skipped_cr = false;
            return (end + 1, Framed::BareLf);
        };
        let framed = if over {
            Framed::TooLong
        } else if memchr2(b'\r', 0, line).is_some() {
            Framed::BareCrOrNul
        } else {
            Framed::Line(line)
        };
        (end + 1, framed)
    }

    /// Whether the next octets belong to a line that is being thrown away: they are not the start of one.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Forgets the line in progress: for an owner who threw his buffer away (STARTTLS) or read from it
    /// otherwise (DATA, BDAT).
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn no_line_end<'a>(&mut self, input: &[u8], octets_max: usize) -> (usize, Framed<'a>) {
        if input.len() < octets_max {
            self.scanned = input.len();
            return (0, Framed::Incomplete);
        }
        *self = Self { scanned: 0, skipping: true, skipped_cr: input.ends_with(b"\r") };
        (input.len(), Framed::Incomplete)
    }

    fn skip<'a>(&mut self, input: &[u8]) -> (usize, Framed<'a>) {
        let Some(end) = memchr(b'\n', input) else {
            if !input.is_empty() {
                self.skipped_cr = input.ends_with(b"\r");
            }
            return (input.len(), Framed::Incomplete);
        };
        let true_end = match end.checked_sub(1) {
            None => self.skipped_cr,
            Some(before) => input.get(before) == Some(&b'\r'),
        };
        self.skipped_cr = false;
        self.skipping = !true_end;
        (end + 1, if true_end { Framed::TooLong } else { Framed::BareLf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every event of `input`, handed over in pieces of the given lengths (the last is the rest).
    fn events(input: &[u8], cuts: &[usize], max: usize) -> Vec<String> {
        let (mut framer, mut buffer, mut out) = (LineFramer::default(), Vec::new(), Vec::new());
        let mut rest = input;
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            buffer.extend_from_slice(now);
            loop {
                let (used, framed) = framer.next(&buffer, max);
                let text = match framed {
                    Framed::Incomplete => None,
                    Framed::Line(line) => Some(format!("={}", line.escape_ascii())),
                    other => Some(format!("{other:?}")),
                };
                buffer.drain(..used);
                assert!(buffer.len() < max || text.is_some(), "unbounded buffer");
                match text {
                    None => break,
                    Some(text) => out.push(text),
                }
            }
        }
        out
    }

    #[test]
    fn lines_end_at_crlf_and_nowhere_else() {
        let long = |n: usize| "x".repeat(n) + "\r\n";
        for (input, want) in [
            ("NOOP\r\n".to_owned(), vec!["=NOOP"]),
            ("a\r\nb\r\nc".to_owned(), vec!["=a", "=b"]),
            ("\r\n".to_owned(), vec!["="]),
            ("a\rb\r\nc\r\n".to_owned(), vec!["BareCrOrNul", "=c"]),
            ("a\r\r\nc\r\n".to_owned(), vec!["BareCrOrNul", "=c"]),
            ("a\0b\r\nc\r\n".to_owned(), vec!["BareCrOrNul", "=c"]),
            ("a\nb\r\n".to_owned(), vec!["BareLf", "=b"]),
            ("\n".to_owned(), vec!["BareLf"]),
            (long(18), vec!["=xxxxxxxxxxxxxxxxxx"]),
            (long(19) + "b\r\n", vec!["TooLong", "=b"]),
            (long(2000) + "b\r\n", vec!["TooLong", "=b"]),
            ("y".repeat(50) + "\rMAIL\r\nb\r\n", vec!["TooLong", "=b"]),
            ("y".repeat(50) + "\nMAIL\r\nb\r\n", vec!["BareLf", "TooLong", "=b"]),
        ] {
            assert_eq!(events(input.as_bytes(), &[], 20), want, "{input:?}");
            for cut in 0..input.len() {
                assert_eq!(events(input.as_bytes(), &[cut], 20), want, "{input:?} at {cut}");
            }
            assert_eq!(events(input.as_bytes(), &vec![1; input.len()], 20), want, "{input:?} by octet");
        }
    }

    #[test]
    fn a_line_of_many_small_pieces_is_not_looked_at_again_and_again() {
        let mut framer = LineFramer::default();
        let line = vec![b'a'; AUTH_OCTETS_MAX - 1];
        for n in 0..line.len() {
            assert_eq!(framer.next(&line[..n], AUTH_OCTETS_MAX), (0, Framed::Incomplete));
            assert_eq!(framer.scanned, n);
        }
    }

    #[test]
    fn after_reset_nothing_of_the_old_line_is_left() {
        let mut framer = LineFramer::default();
        assert_eq!(framer.next(&[b'a'; 30], 20).0, 30);
        framer.reset();
        assert_eq!(framer.next(b"QUIT\r\n", 20), (6, Framed::Line(b"QUIT")));
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(
            input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0), Just(b'a')], 0..80),
            cuts in proptest::collection::vec(0usize..9, 0..20),
        ) {
            prop_assert_eq!(events(&input, &cuts, 12), events(&input, &[], 12));
        }
    }
}
