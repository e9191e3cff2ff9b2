//! Conditions over texts that are no names of the net: file names, media types.
//!
//! Pure. An item is exact, a glob (`*.exe`), or an expression between slashes; `!` in front is an exception. Case never
//! matters. A look-up is linear in the text for each item.

use super::glob::Glob;
use regex::{Regex, RegexBuilder};

/// Most items of one condition.
const ITEMS_MAX: usize = 5_000;
/// Longest item, in octets.
const ITEM_OCTETS_MAX: usize = 1_000;
/// What one expression may become, in octets of memory.
const REGEX_OCTETS_MAX: usize = 1 << 20;

/// The items of one condition.
#[derive(Debug, Default)]
pub struct TextMatcher {
    wanted: Vec<Item>,
    excepted: Vec<Item>,
}

#[derive(Debug)]
enum Item {
    Glob(Glob),
    Regex(Box<Regex>),
}

impl TextMatcher {
    /// Reads the items; the error names the index of the item.
    ///
    /// # Errors
    /// An item that is none: what was expected.
    pub fn parse(items: &[String]) -> Result<Self, (usize, String)> {
        let mut matcher = Self::default();
        for (at, item) in items.iter().enumerate() {
            if at >= ITEMS_MAX {
                return Err((at, format!("more than {ITEMS_MAX} items")));
            }
            let text = item.trim();
            let (side, text) = match text.strip_prefix('!') {
                Some(text) => (&mut matcher.excepted, text.trim_start()),
                None => (&mut matcher.wanted, text),
            };
            side.push(parse(text).map_err(|message| (at, message))?);
        }
        Ok(matcher)
    }

    /// Whether the text matches an item and no exception. With only exceptions everything else matches. `text` is in
    /// lower case.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let any = |items: &[Item]| items.iter().any(|item| item.matches(text));
        (self.wanted.is_empty() && !self.excepted.is_empty() || any(&self.wanted)) && !any(&self.excepted)
    }
}

impl Item {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

fn parse(text: &str) -> Result<Item, String> {
    if text.is_empty() {
        return Err(
            "expected a text, a pattern such as \"*.exe\", or an expression between slashes".to_owned()
        );
    }
    if text.len() > ITEM_OCTETS_MAX {
        return Err(format!("longer than {ITEM_OCTETS_MAX} octets"));
    }
    let Some(rest) = text.strip_prefix('/') else { return Ok(Item::Glob(Glob::new(&text.to_lowercase()))) };
    let Some(source) = rest.strip_suffix('/').filter(|source| !source.is_empty()) else {
        return Err("the closing / of the expression is missing, or there is nothing in it".to_owned());
    };
    let built = RegexBuilder::new(source)
        .case_insensitive(true)
        .size_limit(REGEX_OCTETS_MAX)
        .dfa_size_limit(REGEX_OCTETS_MAX)
        .build();
    built.map(|regex| Item::Regex(Box::new(regex))).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("this is no expression: {}", last.trim_start_matches("error: "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(items: &[&str]) -> TextMatcher {
        TextMatcher::parse(&items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn items_and_exceptions() {
        let some = matcher(&["*.EXE", "readme", "/^inv[0-9]+\\./", "!good.exe"]);
        for (text, want) in [
            ("a.exe", true),
            ("good.exe", false),
            ("readme", true),
            ("readme.txt", false),
            ("inv7.pdf", true),
        ] {
            assert_eq!(some.matches(text), want, "{text}");
        }
        assert!(matcher(&["!*.txt"]).matches("a.exe") && !matcher(&["!*.txt"]).matches("a.txt"));
        assert!(!matcher(&[]).matches("a"));
    }

    #[test]
    fn mistakes_are_told() {
        for text in ["", "!", "/x", "//", "/(/"] {
            assert!(
                TextMatcher::parse(&["*".to_owned(), text.to_owned()]).is_err_and(|(at, _)| at == 1),
                "{text}"
            );
        }
    }
}
