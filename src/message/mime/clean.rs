//! Texts of strangers on their way to a terminal or a file system.

/// Longest file name, in octets; common file systems take 255.
const FILE_NAME_OCTETS_MAX: usize = 150;

/// The text without anything that drives a terminal or hides what stands there: control characters and the marks that
/// turn the direction of text are shown as `\x1b` and `\u{202e}`; invisible characters that only fill are left out. Line
/// ends are `\n`, tabs stay.
#[must_use]
pub fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '\n' if before == '\r' => {}
            '\r' | '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            c if c.is_ascii_control() => push_octet(&mut out, c),
            c if is_filler(c) => {}
            c if c.is_control() || is_direction(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        before = c;
    }
    out
}

fn push_octet(out: &mut String, c: char) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{:02x}", u32::from(c));
}

/// Soft hyphen, joiners, zero-width blanks, variation selectors, tags.
fn is_filler(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Marks and overrides of direction, line and paragraph separators.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// A file name that can be shown and used in any folder: its last path component, letters, digits and `-_+=@,()[]` and
/// blanks and dots inside; everything else is `_`. Never empty, never hidden, at most 150 octets.
#[must_use]
pub fn file_name(claimed: &str) -> String {
    let last = claimed.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut out = String::new();
    for c in neutral(last).chars() {
        if out.len() + c.len_utf8() > FILE_NAME_OCTETS_MAX {
            break;
        }
        let harmless = c.is_alphanumeric() || "-_+=@,()[]. ".contains(c);
        out.push(if harmless { c } else { '_' });
    }
    let trimmed = out.trim_matches([' ', '.', '-']);
    if trimmed.is_empty() { "unnamed".into() } else { trimmed.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_driven() {
        assert_eq!(neutral("a\x1b[2J\u{9b}b\r\nc\rd\te"), "a\\x1b[2J\\u{9b}b\nc\nd\te");
        assert_eq!(neutral("pay\u{202e}fdp.exe \u{200b}x\u{2028}"), "pay\\u{202e}fdp.exe x\\u{2028}");
        assert_eq!(neutral("größe 漢字 ✓"), "größe 漢字 ✓");
    }

    #[test]
    fn file_names_are_harmless() {
        for (claimed, want) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\größe (1).exe", "größe (1).exe"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("a\0b\x1b[2J;$(x)\n", "a_x00b_x1b[2J__(x)_"),
            ("x\u{202e}fdp.exe", "x_u_202e_fdp.exe"),
        ] {
            assert_eq!(file_name(claimed), want, "{claimed:?}");
        }
        assert!(file_name(&"ü".repeat(500)).len() <= FILE_NAME_OCTETS_MAX);
    }
}
