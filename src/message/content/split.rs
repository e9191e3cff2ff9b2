//! A multipart cut at its delimiters (RFC 2046 section 5.1.1), and where programs differ on what is one.

use memchr::{memchr, memmem};
use std::ops::Range;

/// Most lines of [`Split::near`]; a reading that takes them for delimiters searches anew.
const NEAR_MAX: usize = 64;

/// What is between the delimiters. Places count in the octets that were cut.
#[derive(Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(super) struct Split {
    /// Parts, in order; those behind the last delimiter too.
    pub(super) parts: Vec<Range<usize>>,
    /// Text that is in no part.
    pub(super) preamble: Range<usize>,
    /// The same behind the last delimiter.
    pub(super) epilogue: Range<usize>,
    /// There are more parts than were asked for.
    pub(super) cut: bool,
    /// Blanks behind a delimiter.
    pub(super) padded: bool,
    /// A delimiter behind the last one.
    pub(super) after_end: bool,
    /// The last one was there.
    pub(super) closed: bool,
    /// Lines that begin as a delimiter and go on, without their two dashes and blanks at their end; each text once.
    pub(super) near: Vec<Range<usize>>,
    /// There are more of them than are kept.
    pub(super) near_cut: bool,
}

/// What a line is.
enum Line {
    Delimiter { last: bool, padded: bool },
    Near,
}

/// Whether a line that nearly is a delimiter belongs to another multipart.
pub(super) type Others<'o> = &'o dyn Fn(&[u8]) -> bool;

/// Cuts `octets` in `within` at a boundary (never empty), in `most` parts at most. `loose`: a line that begins as a
/// delimiter is one, unless this says that it belongs to another multipart; and nothing is the last one.
pub(super) fn split(
    octets: &[u8],
    within: Range<usize>,
    boundary: &[u8],
    most: usize,
    loose: Option<Others<'_>>,
) -> Split {
    let mut split = Split::default();
    let text = octets.get(within.clone()).unwrap_or_default();
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(boundary);
    let finder = memmem::Finder::new(&delimiter);
    let mut from = 0;
    // Where the open part, the preamble or the epilogue begins.
    let mut open = Open::Preamble;
    let mut began = 0;
    while let Some(found) = text.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        from = at + 1;
        if !begins_line(text, at) {
            continue;
        }
        let rest = text.get(at + delimiter.len()..).unwrap_or_default();
        let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line_end = at + delimiter.len() + length;
        let tail = rest.get(..length).unwrap_or_default();
        let (last, padded) = match (Line::of(tail), loose) {
            (Line::Delimiter { last, padded }, _) => (last, padded),
            (Line::Near, loose) => {
                let name = at + 2..line_end - (tail.len() - tail.trim_ascii_end().len());
                if loose.is_none_or(|others| others(text.get(name.clone()).unwrap_or_default())) {
                    split.add_near(octets, within.start + name.start..within.start + name.end);
                    continue;
                }
                (false, false)
            }
        };
        split.padded |= padded;
        let end = line_end_before(text, at).max(began);
        split.close(open, within.start + began..within.start + end);
        if split.parts.len() >= most && !(last && loose.is_none()) {
            split.cut = true;
            return split;
        }
        split.after_end |= open == Open::Epilogue;
        split.closed |= last;
        open = if last && loose.is_none() { Open::Epilogue } else { Open::Part };
        began = line_end;
        from = line_end;
    }
    split.close(open, within.start + began..within.end.max(within.start + began));
    split
}

/// What is between two delimiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Preamble,
    Part,
    Epilogue,
}

impl Split {
    fn close(&mut self, open: Open, range: Range<usize>) {
        match open {
            Open::Preamble => self.preamble = range,
            Open::Part => self.parts.push(range),
            // Of several the longest.
            Open::Epilogue if range.len() >= self.epilogue.len() => self.epilogue = range,
            Open::Epilogue => {}
        }
    }

    fn add_near(&mut self, octets: &[u8], name: Range<usize>) {
        let text = octets.get(name.clone());
        if self.near_cut || self.near.iter().any(|near| octets.get(near.clone()) == text) {
            return;
        }
        self.near_cut = self.near.len() >= NEAR_MAX;
        if !self.near_cut {
            self.near.push(name);
        }
    }

    /// Whether there was no delimiter.
    pub(super) fn is_none(&self) -> bool {
        self.parts.is_empty() && !self.closed && !self.cut
    }
}

impl Line {
    /// By what stands behind the boundary.
    fn of(tail: &[u8]) -> Self {
        let text = match tail {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
            text => text,
        };
        let (last, behind) = match text {
            [b'-', b'-', behind @ ..] => (true, behind),
            behind => (false, behind),
        };
        if behind.trim_ascii().is_empty() {
            Self::Delimiter { last, padded: !behind.is_empty() }
        } else {
            Self::Near
        }
    }
}

/// At the beginning, behind LF, or behind a CR that is a line end to some.
fn begins_line(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)).is_none_or(|&b| matches!(b, b'\n' | b'\r'))
}

/// The line end before a delimiter belongs to it.
fn line_end_before(text: &[u8], at: usize) -> usize {
    match text.get(..at).unwrap_or_default() {
        [before @ .., b'\r', b'\n'] | [before @ .., b'\n' | b'\r'] => before.len(),
        before => before.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'t>(text: &'t str, boundary: &str) -> (Vec<&'t str>, Split) {
        let split = split(text.as_bytes(), 0..text.len(), boundary.as_bytes(), 100, None);
        (split.parts.iter().map(|range| text.get(range.clone()).unwrap()).collect(), split)
    }

    #[test]
    fn parts_are_between_delimiters() {
        let (parts, split) = parts("pre\r\n--B\r\none\r\n\r\n--B\r\ntwo\r\n--B--\r\nepi", "B");
        assert_eq!(parts, ["one\r\n", "two"]);
        assert!(split.closed && !split.padded && !split.after_end && split.near.is_empty());
        assert_eq!((split.preamble, split.epilogue), (0..3, 34..37));
    }

    #[test]
    fn what_programs_differ_on_is_told() {
        let (got, split) = parts("--B \t\nx\n--B--\ny\n--B\nz", "B");
        assert_eq!(got, ["x", "z"]);
        assert!(split.padded && split.after_end);
        let (got, split) = parts("--B\nx\n--Bc\ny x --B\n--B", "B");
        assert_eq!(got, ["x\n--Bc\ny x --B", ""]);
        assert_eq!((split.near.len(), split.closed), (1, false));
        assert!(parts("nothing", "B").1.is_none());
    }

    #[test]
    fn near_delimiters_are_some_unless_they_are_of_others() {
        let text = b"--B\nx\n--Bc\ny\n--Bd\nz\n--B--";
        let split = split(text, 0..text.len(), b"B", 100, Some(&|name| name == b"Bd"));
        let parts: Vec<&[u8]> = split.parts.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(parts, [&b"x"[..], b"y\n--Bd\nz", b""]);
    }
}
