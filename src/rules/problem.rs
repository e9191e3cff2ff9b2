//! What is wrong in a rule file, and where: `gateway.toml:12:8: error: …`.

use std::fmt;

/// Longest message, in characters.
const MESSAGE_CHARS: usize = 800;

/// How bad it is. `check` and `run` refuse a policy with errors; warnings are told and the policy is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// Probably not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A place in a text: line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters (not octets), from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a file; also used for what concerns a file as a whole.
    pub const START: Self = Self { line: 1, column: 1 };

    /// Position of an octet offset in a text. An offset beyond the end is the end.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let end = offset.min(text.len());
        let before = text.as_bytes().get(..end).unwrap_or_default();
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let lines = before.iter().filter(|&&b| b == b'\n').count();
        // Continuation octets of UTF-8 begin no character.
        let columns = before.iter().skip(line_start).filter(|&&b| b & 0xc0 != 0x80).count();
        Self { line: count(lines), column: count(columns) }
    }
}

fn count(before: usize) -> u32 {
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// One mistake in a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file: relative to the rules directory where it lies in it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Error or warning.
    pub severity: Severity,
    /// What was found, what was expected, and what to do; one line for people.
    pub message: String,
}

impl Problem {
    /// An error.
    #[must_use]
    pub fn error(file: &str, at: Position, message: impl Into<String>) -> Self {
        Self::new(file, at, Severity::Error, message.into())
    }

    /// A warning.
    #[must_use]
    pub fn warning(file: &str, at: Position, message: impl Into<String>) -> Self {
        Self::new(file, at, Severity::Warning, message.into())
    }

    fn new(file: &str, at: Position, severity: Severity, message: String) -> Self {
        let message = if is_plain(&message) { message } else { in_one_line(&message) };
        Self { file: file.to_owned(), line: at.line, column: at.column, severity, message }
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn is_plain(message: &str) -> bool {
    message.len() <= MESSAGE_CHARS && !message.contains(char::is_control)
}

/// What stands in a file is quoted: it must neither steer a terminal nor fill the screen.
fn in_one_line(message: &str) -> String {
    let mut out = String::new();
    for c in message.chars().take(MESSAGE_CHARS) {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if message.chars().nth(MESSAGE_CHARS).is_some() {
        out.push('…');
    }
    out
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, message } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let text = "äb = 1\n\nx = \"ü\" y";
        for (part, want) in [("äb", (1, 1)), ("b =", (1, 2)), ("x =", (3, 1)), ("y", (3, 9))] {
            let at = Position::of(text, text.find(part).unwrap());
            assert_eq!((at.line, at.column), want, "{part}");
        }
        assert_eq!(Position::of(text, 10_000).line, 3);
        assert_eq!(Position::of("", 0), Position::START);
    }

    #[test]
    fn what_it_quotes_is_one_line_of_bounded_length() {
        let of = |text: String| Problem::error("a", Position::START, text).message;
        assert_eq!(of("found \"\0\u{1b}[1mü\n\"".into()), "found \"\\u{0}\\u{1b}[1mü\\n\"");
        let long = of("ü".repeat(MESSAGE_CHARS + 1));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MESSAGE_CHARS + 1, true));
        assert_eq!(of("ü".repeat(MESSAGE_CHARS)), "ü".repeat(MESSAGE_CHARS));
    }

    #[test]
    fn a_problem_is_shown_as_editors_read_it() {
        let at = Position { line: 3, column: 7 };
        assert_eq!(Problem::error("a.toml", at, "no").to_string(), "a.toml:3:7: error: no");
        assert_eq!(Problem::warning("a.toml", at, "hm").to_string(), "a.toml:3:7: warning: hm");
    }
}
