//! One line of a list: `!ehlo:*.example; until=2026-12-31  # why`.

use super::attributes::Attributes;
use super::kind::Kind;
use super::nearest::nearest;
use super::pattern::{Mistake, Pattern};

/// A line that has an entry, cut up; nothing is judged yet but where things end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'l> {
    /// It begins with `!`.
    pub exception: bool,
    /// Kind prefix and pattern as they are written.
    pub entry: &'l str,
    /// Offset of `entry` in the line.
    pub at: usize,
    /// What follows the entry: blanks, `;` and attributes, a comment.
    pub rest: &'l str,
}

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub exception: bool,
    /// The kind that its prefix or its form forces; none for what is used as the field that asks.
    pub kind: Option<Kind>,
    pub pattern: Pattern,
    pub attributes: Attributes,
}

/// Mistakes of one line with their offsets in it, errors and warnings.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub errors: Vec<(usize, Mistake)>,
    pub warnings: Vec<(usize, Mistake)>,
}

impl<'l> Line<'l> {
    /// Cuts a line up. `None` for blank ones and comments.
    pub fn cut(line: &'l str) -> Option<Self> {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            return None;
        }
        let exception = start.starts_with('!');
        let text = start.strip_prefix('!').unwrap_or(start).trim_start();
        let at = line.len() - text.len();
        let (entry, rest) = text.split_at_checked(entry_end(text))?;
        Some(Self { exception, entry, at, rest })
    }

    /// Reads it.
    pub fn read(&self) -> (Option<Entry>, Told) {
        let mut told = Told::default();
        let (kind, pattern, warning) = match read_entry(self.entry) {
            Ok(read) => read,
            Err(mistake) => {
                told.errors.push((self.at, mistake));
                return (None, told);
            }
        };
        told.warnings.extend(warning.map(|mistake| (self.at, mistake)));
        let attributes = self.attributes(&mut told);
        (Some(Entry { exception: self.exception, kind, pattern, attributes }), told)
    }

    fn attributes(&self, told: &mut Told) -> Attributes {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            return Attributes::default();
        }
        let at = self.at + self.entry.len() + (self.rest.len() - rest.len());
        if let Some(text) = rest.strip_prefix(';') {
            let (attributes, mistakes) = Attributes::parse(text);
            told.errors.extend(mistakes.into_iter().map(|(offset, mistake)| (at + 1 + offset, mistake)));
            return attributes;
        }
        if !rest.starts_with('#') {
            let message = "one entry a line; attributes stand behind a ; and comments behind a blank and #";
            told.errors.push((at, Mistake::new("surplus", message)));
        }
        Attributes::default()
    }
}

/// Kind prefix and pattern, with a warning.
pub(super) fn read_entry(text: &str) -> Result<(Option<Kind>, Pattern, Option<Mistake>), Mistake> {
    let (kind, text) = prefixed(text)?;
    let (pattern, warning) = Pattern::parse(kind, text)?;
    let kind = if matches!(pattern, Pattern::Net(_)) { Some(Kind::Address) } else { kind };
    Ok((kind, pattern, warning))
}

/// A kind prefix that somebody wrote where none goes, and what follows it.
pub(super) fn known_prefix(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(word, _)| Kind::of_prefix(word).is_some())
}

fn prefixed(text: &str) -> Result<(Option<Kind>, &str), Mistake> {
    let Some((word, pattern)) = text.split_once(':') else { return Ok((None, text)) };
    // Addresses have colons too, and so have expressions and quoted local parts.
    if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')) {
        return Ok((None, text));
    }
    let Some(kind) = Kind::of_prefix(word) else {
        if word.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok((None, text));
        }
        return Err(unknown_prefix(word));
    };
    if pattern.is_empty() {
        return Err(Mistake::new(
            "prefix",
            format!("nothing stands behind \"{word}:\" (no blank goes there)"),
        ));
    }
    Ok((Some(kind), pattern))
}

fn unknown_prefix(word: &str) -> Mistake {
    let words = Kind::PREFIXES.map(|(word, _)| word);
    let message = match nearest(word, words) {
        Some(near) => format!("unknown prefix \"{word}:\"; did you mean \"{near}:\"?"),
        None => format!("unknown prefix \"{word}:\"; there are {}:", words.join(":, ")),
    };
    Mistake::new("prefix", message)
}

/// Where the entry at the start of the text ends: at a blank or `;`, but not within a `/regex/` or a quoted local part.
fn entry_end(text: &str) -> usize {
    let pattern = prefixed(text).map_or(text, |(_, pattern)| pattern);
    let from = text.len() - pattern.len();
    let within = match pattern.as_bytes().first() {
        Some(&quote @ (b'/' | b'"')) => closing(pattern, quote),
        _ => 0,
    };
    let tail = pattern.get(within..).unwrap_or_default();
    let end = tail.find(|c: char| c == ';' || c.is_whitespace()).unwrap_or(tail.len());
    from + within + end
}

/// Length of a quoted piece with both its quotes; 0 where it does not end.
fn closing(text: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    0
}
