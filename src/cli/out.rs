//! What commands print: text, with colour on a terminal only, and JSON.
//!
//! Whatever is printed passes here, and nothing in it drives a terminal but our own colours: names, replies and errors may
//! be words of strangers, wherever they were kept. Pure but for the two streams.

use crate::message::mime::neutral;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// Says a line on standard error.
macro_rules! complain {
    ($($words:tt)*) => { $crate::cli::out::complain(&format!($($words)*)) };
}

/// Codes of our colours, and the end of one, without the escape.
const COLOURS: [&str; 6] = ["[32m", "[33m", "[1;31m", "[2m", "[1m", "[0m"];

/// Prints to standard output. A reader that is gone (`| head`) is nobody's mistake.
pub(super) fn print(text: &str) {
    let Paint(colours) = Paint::of_stdout();
    exactly(&harmless(text, colours));
}

/// Prints what is ours to the last octet: scripts, and what moves the cursor.
pub(super) fn exactly(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says a line on standard error; what [`complain!`] stands for.
pub(super) fn complain(words: &str) {
    eprintln!("{}", harmless(words, false));
}

/// The text without anything that drives a terminal, but for our colours where they are meant.
pub(super) fn harmless(text: &str, colours: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\x1b') {
        out.push_str(&neutral(before));
        let ours = COLOURS.iter().filter(|_| colours).find_map(|c| Some((c, behind.strip_prefix(*c)?)));
        rest = match ours {
            Some((colour, behind)) => {
                out.push('\x1b');
                out.push_str(colour);
                behind
            }
            None => {
                out.push_str("\\x1b");
                behind
            }
        };
    }
    out.push_str(&neutral(rest));
    out
}

/// JSON that means the same, without anything that drives a terminal: such characters stand in strings only, where they
/// can be written as numbers.
fn harmless_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        // Those below a blank are numbers already, but for the line ends between values.
        let drives = c == '\x7f' || (!c.is_ascii() && neutral(c.encode_utf8(&mut [0; 4])) != c.to_string());
        if drives {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Prints a value as JSON, one object.
pub(super) fn json(value: &impl serde::Serialize) {
    // Our own structures always serialise.
    if let Ok(text) = serde_json::to_string_pretty(value) {
        exactly(&(harmless_json(&text) + "\n"));
    }
}

/// Prints a value as JSON on one line.
pub(super) fn json_line(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        exactly(&(harmless_json(&text) + "\n"));
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
    fn nothing_drives_a_terminal_but_our_colours() {
        for (text, colours, want) in [
            ("a\x1b[2J\tb\n", true, "a\\x1b[2J\tb\n"),
            ("\x1b[32mgood\x1b[0m", true, "\x1b[32mgood\x1b[0m"),
            ("\x1b[32mgood\x1b[0m", false, "\\x1b[32mgood\\x1b[0m"),
            ("\x1b]0;title\x07\u{9b}2J\r\u{202e}", true, "\\x1b]0;title\\x07\\u{9b}2J\n\\u{202e}"),
            ("\x1b", true, "\\x1b"),
            ("größe\u{1f600}", true, "größe\u{1f600}"),
        ] {
            assert_eq!(harmless(text, colours), want, "{text:?}");
        }
        for colour in [Ink::Good, Ink::Warn, Ink::Bad, Ink::Faint, Ink::Title] {
            let painted = Paint(true).ink(colour, "x");
            assert_eq!(harmless(&painted, true), painted);
        }
        let value = serde_json::json!({ "x": "\x1b[2J\u{9b}2J\u{7f}\u{202e}\u{e0041}größe" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let printed = harmless_json(&text);
        assert!(printed.lines().all(|l| neutral(l) == l) && printed.contains("größe"), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        assert_eq!(Paint(false).ink(Ink::Bad, "x"), "x");
        assert_eq!(Paint(true).ink(Ink::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }
}
