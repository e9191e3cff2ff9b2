//! One form for letters that differ in case only.

use std::borrow::Cow;

/// The text in small letters, character by character. Nothing is copied where there is nothing to change.
#[must_use]
pub fn folded(text: &str) -> Cow<'_, str> {
    // The automaton compares ASCII letters without their case by itself.
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(fold(text))
}

/// The same, always copied, ASCII too.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            // Letters that an expression without case takes for others, and that are small already.
            '\u{17f}' => out.push('s'),
            '\u{3c2}' => out.push('\u{3c3}'),
            '\u{b5}' => out.push('\u{3bc}'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_one_form() {
        assert_eq!(fold("GRÖSSE \u{212a}elvin \u{17f}o ΣΑΣ"), "grösse kelvin so σασ");
        assert!(matches!(folded("Plain"), Cow::Borrowed("Plain")));
        assert_eq!(folded("ÄA"), "äa");
    }
}
