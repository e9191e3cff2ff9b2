//! Patterns with `*` (any characters, also none) and `?` (one character).

use std::fmt;

/// A compiled glob. Matching is linear in the text, for a pattern is short ([`super::pattern`] bounds it):
/// between two `*` the leftmost place of a piece is as good as any other, so nothing is tried twice.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: Box<str>,
}

impl Glob {
    /// A pattern in the comparable form of its subject (lower case, A-labels). One with several `*` in a row is the
    /// one with one.
    pub fn new(text: &str) -> Self {
        let mut short = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '*' || !short.ends_with('*') {
                short.push(c);
            }
        }
        Self { text: short.into() }
    }

    /// Whether a text has wildcards.
    pub fn is_glob(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some((head, rest)) = self.text.split_once('*') else {
            return strip(text, &self.text).is_some_and(str::is_empty);
        };
        let Some(mut text) = strip(text, head) else { return false };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
            let Some(after) = find(text, piece) else { return false };
            text = after;
        }
        ends_with(text, tail)
    }
}

/// What follows `piece` at the start of the text.
fn strip<'t>(text: &'t str, piece: &str) -> Option<&'t str> {
    let mut chars = text.chars();
    for want in piece.chars() {
        let got = chars.next()?;
        if want != '?' && want != got {
            return None;
        }
    }
    Some(chars.as_str())
}

/// What follows the leftmost `piece`.
fn find<'t>(text: &'t str, piece: &str) -> Option<&'t str> {
    if !piece.contains('?') {
        return text.split_once(piece).map(|(_, after)| after);
    }
    let mut chars = text.chars();
    loop {
        if let Some(after) = strip(chars.as_str(), piece) {
            return Some(after);
        }
        chars.next()?;
    }
}

fn ends_with(text: &str, piece: &str) -> bool {
    let mut chars = text.chars().rev();
    piece.chars().rev().all(|want| chars.next().is_some_and(|got| want == '?' || want == got))
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the definition says, in exponential time.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('*', rest)), _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            (Some(_), None) => false,
            (Some((p, rest)), Some((t, after))) => (*p == '?' || p == t) && slow(rest, after),
        }
    }

    #[test]
    fn every_short_pattern_matches_as_defined() {
        let words = |letters: &[char], most: usize| {
            let mut all = vec![Vec::new()];
            let mut last = all.clone();
            for _ in 0..most {
                last = last
                    .iter()
                    .flat_map(|w: &Vec<char>| letters.iter().map(|c| [w.as_slice(), &[*c]].concat()))
                    .collect();
                all.extend(last.iter().cloned());
            }
            all
        };
        let texts = words(&['a', 'ü'], 5);
        for pattern in words(&['a', 'ü', '*', '?'], 5) {
            let glob = Glob::new(&pattern.iter().collect::<String>());
            for text in &texts {
                let word: String = text.iter().collect();
                assert_eq!(glob.matches(&word), slow(&pattern, text), "{glob:?} {word}");
            }
        }
    }

    #[test]
    fn many_stars_on_a_long_text_are_quick() {
        let glob = Glob::new(&("a*".repeat(100) + "b"));
        assert!(!glob.matches(&"a".repeat(100_000)));
    }
}
