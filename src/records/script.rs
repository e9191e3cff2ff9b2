//! The transcript of one session while it goes on: bounded, its middle left out.

use std::fmt::Write as _;

/// Longest transcript in octets.
pub(super) const OCTETS_MAX: usize = 16 * 1024;
/// Of these, from its beginning.
const HEAD_OCTETS: usize = 6 * 1024;
/// Of these, from its end; the rest is for the mark between.
const TAIL_OCTETS: usize = OCTETS_MAX - HEAD_OCTETS - 128;

/// Lines as they are said: `C: EHLO x`, `S: 250 y`, escaped and without secrets by whoever adds them. Nothing is
/// allocated before the first line.
#[derive(Debug, Default)]
pub struct Script {
    head: String,
    tail: String,
    head_is_full: bool,
    left_out: u64,
}

impl Script {
    /// Adds a line, with how far into the session it was said, in milliseconds. A line end in it is a blank.
    pub fn line(&mut self, ms: u64, who: char, text: &str) {
        let mut line = String::with_capacity(text.len() + 16);
        // Writing to a String cannot fail.
        let _ = write!(line, "{:>3}.{:03} {who}: ", ms / 1000, ms % 1000);
        line.extend(text.chars().take(HEAD_OCTETS / 8).map(|c| if c.is_control() { ' ' } else { c }));
        line.push('\n');
        self.head_is_full |= self.head.len() + line.len() > HEAD_OCTETS;
        if !self.head_is_full {
            self.head.push_str(&line);
            return;
        }
        self.tail.push_str(&line);
        if self.tail.len() > 2 * TAIL_OCTETS {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let least = self.tail.len().saturating_sub(TAIL_OCTETS);
        let mut cut = 0;
        for line in self.tail.split_inclusive('\n') {
            if cut >= least {
                break;
            }
            cut += line.len();
            self.left_out += 1;
        }
        self.tail.drain(..cut);
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// The whole, at most 16 KiB.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.shorten();
        let mut text = self.head;
        if self.left_out > 0 {
            let _ = writeln!(text, "    ... {} lines left out ...", self.left_out);
        }
        text.push_str(&self.tail);
        text
    }
}

/// At most [`OCTETS_MAX`] octets of a text that was not gathered by [`Script`], its middle left out.
pub(super) fn bounded(text: &str) -> String {
    if text.len() <= OCTETS_MAX {
        return text.to_owned();
    }
    let mut head_end = HEAD_OCTETS;
    while !text.is_char_boundary(head_end) {
        head_end -= 1;
    }
    let mut tail_start = text.len() - TAIL_OCTETS;
    while !text.is_char_boundary(tail_start) {
        tail_start += 1;
    }
    let head = text.get(..head_end).unwrap_or_default();
    let head = head.rfind('\n').and_then(|at| head.get(..=at)).unwrap_or(head);
    let tail = text.get(tail_start..).unwrap_or_default();
    let tail = tail.find('\n').and_then(|at| tail.get(at + 1..)).unwrap_or(tail);
    let octets = text.len() - head.len() - tail.len();
    format!("{head}    ... {octets} octets left out ...\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_any_length_keeps_its_beginning_and_its_end() {
        let mut script = Script::default();
        assert!(script.is_empty());
        for n in 0..100_000u64 {
            script.line(n * 10, 'C', &format!("RCPT TO:<user{n}@example.net>"));
            assert!(script.head.len() + script.tail.len() <= 3 * OCTETS_MAX);
        }
        let text = script.finish();
        assert!(text.len() <= OCTETS_MAX, "{}", text.len());
        assert!(text.starts_with("  0.000 C: RCPT TO:<user0@example.net>\n"), "{text}");
        assert!(text.ends_with("999.990 C: RCPT TO:<user99999@example.net>\n"), "{text}");
        assert!(text.contains("lines left out"), "{text}");
        let shown = text.lines().filter(|l| l.contains("RCPT")).count() as u64;
        let left_out: u64 = text.split("... ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(shown + left_out, 100_000);
    }

    #[test]
    fn a_short_one_is_whole_and_a_line_is_one_line() {
        let mut script = Script::default();
        script.line(1234, 'S', "220 mx\r\nC: forged");
        assert_eq!(script.finish(), "  1.234 S: 220 mx  C: forged\n");
    }

    #[test]
    fn foreign_texts_are_bounded_on_letters() {
        let text = bounded(&"ä".repeat(20_000));
        assert!(text.len() <= OCTETS_MAX && text.contains("octets left out"), "{}", text.len());
        let lines = bounded(&"C: NOOP\n".repeat(20_000));
        assert!(lines.lines().all(|l| l == "C: NOOP" || l.contains("left out")));
    }
}
