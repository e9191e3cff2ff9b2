//! What commands print: text, with colour on a terminal only, and JSON.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// Prints to standard output. A reader that is gone (`| head`) is nobody's mistake.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as JSON, one object.
pub(super) fn json(value: &impl serde::Serialize) {
    // Our own structures always serialise.
    if let Ok(text) = serde_json::to_string_pretty(value) {
        print(&(text + "\n"));
    }
}

/// Prints a value as JSON on one line.
pub(super) fn json_line(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        print(&(text + "\n"));
    }
}

/// How words stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// All is well.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Of less weight.
    Faint,
    /// A title.
    Title,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// Colours where standard output is a terminal and NO_COLOR is not set.
    pub(super) fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self(wanted && std::io::stdout().is_terminal())
    }

    /// No colours.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(false)
    }

    /// The words in their colour.
    pub(super) fn ink(self, ink: Ink, words: &str) -> String {
        if !self.0 {
            return words.to_owned();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "1;31",
            Ink::Faint => "2",
            Ink::Title => "1",
        };
        format!("\x1b[{code}m{words}\x1b[0m")
    }
}

/// `1 error`, `2 errors`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `512 octets`, `1.5 MiB`.
pub(super) fn octets(n: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in UNITS {
        if n >= size {
            return format!("{}.{} {unit}", n / size, (n % size) * 10 / size);
        }
    }
    format!("{n} octets")
}

/// `3 d 4 h`, `12 min 5 s`, `0 s`: the two largest parts.
pub(super) fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(parts.len() - 1);
    let mut text = String::new();
    for (n, unit) in parts.iter().skip(first).take(2).filter(|(n, _)| *n > 0) {
        let _ = write!(text, "{}{n} {unit}", if text.is_empty() { "" } else { " " });
    }
    if text.is_empty() { "0 s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        for (seconds, want) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (3601, "1 h"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), want);
        }
        for (n, want) in [(0, "0 octets"), (1023, "1023 octets"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(octets(n), want);
        }
        assert_eq!((count(1, "error"), count(0, "error")), ("1 error".into(), "0 errors".into()));
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        assert_eq!(Paint(false).ink(Ink::Bad, "x"), "x");
        assert_eq!(Paint(true).ink(Ink::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }
}
