//! One expression: a phrase, or a `/regex/`.

use super::fold::fold;
use super::literal::required;
use memchr::memmem;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use std::sync::OnceLock;

/// Longest expression, in octets.
const OCTETS_MAX: usize = 2048;
/// Deepest nesting.
const NEST_MAX: u32 = 50;
/// Octets that a compiled expression may take, and its cache while it runs.
const COMPILED_MAX: usize = 8 << 20;
const CACHE_MAX: usize = 2 << 20;
/// Beyond this weight it is tried at once whether an expression compiles; one that weighs less always does.
const HEAVY: usize = 10_000;

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// A phrase or an expression; both without regard to case.
#[derive(Debug)]
pub struct Expression {
    written: Box<str>,
    form: Form,
    literals: Vec<String>,
    foreign: bool,
}

#[derive(Debug)]
enum Form {
    /// In small letters, blanks single.
    Phrase(Box<str>),
    Regex {
        pattern: Box<str>,
        compiled: OnceLock<Option<Box<Regex>>>,
    },
}

impl Expression {
    /// Reads `/regex/`, or a phrase: whole words, any blanks between them. Neither regards case. In an expression `\b` is
    /// about ASCII letters, and `.` takes line ends too.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let error = |message: String| Err(ExpressionError(message));
        if text.len() > OCTETS_MAX {
            return error(format!("longer than {OCTETS_MAX} octets"));
        }
        if let Some(rest) = text.strip_prefix('/') {
            return match rest.strip_suffix('/') {
                Some("") => error("the expression is empty".to_owned()),
                Some(pattern) => Self::regex(text, pattern),
                None => error("an expression ends with \"/\", as in \"/no.?reply/\"".to_owned()),
            };
        }
        let phrase = fold(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        if phrase.is_empty() {
            return error("expected a phrase or a \"/regex/\", found nothing".to_owned());
        }
        let literals = vec![phrase.clone()];
        Ok(Self { written: text.into(), form: Form::Phrase(phrase.into()), literals, foreign: false })
    }

    fn regex(written: &str, pattern: &str) -> Result<Self, ExpressionError> {
        let parse = |caseless| {
            let mut parser = regex_syntax::ParserBuilder::new()
                .case_insensitive(caseless)
                .dot_matches_new_line(true)
                .nest_limit(NEST_MAX)
                .build();
            parser.parse(pattern).map_err(|error| ExpressionError(reason(&error)))
        };
        let (plain, caseless) = (parse(false)?, parse(true)?);
        if caseless.properties().minimum_len().is_none_or(|least| least == 0) {
            return Err(ExpressionError(
                "the expression matches the empty text, so it always matches".to_owned(),
            ));
        }
        let heavy = weight(&caseless) > HEAVY;
        let pattern = with_ascii_words(&caseless).to_string();
        let compiled = OnceLock::new();
        if heavy {
            let regex =
                compile(&pattern).map_err(|_| ExpressionError("the expression is too large".to_owned()))?;
            let _ = compiled.set(Some(Box::new(regex)));
        }
        let form = Form::Regex { pattern: pattern.into(), compiled };
        let foreign = is_foreign(&caseless);
        Ok(Self { written: written.into(), form, literals: required(&plain), foreign })
    }

    /// As it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Literals of which one stands in whatever it matches, in small letters; none where that is not known.
    #[must_use]
    pub fn literals(&self) -> &[String] {
        &self.literals
    }

    /// Whether whatever it matches has a character beyond ASCII.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Whether it is found in a text. `folded` is the same text through [`super::fold`].
    #[must_use]
    pub fn is_in(&self, text: &str, folded: &str) -> bool {
        match &self.form {
            Form::Phrase(phrase) => phrase_in(phrase, folded),
            Form::Regex { pattern, compiled } => {
                let regex = compiled.get_or_init(|| compile(pattern).ok().map(Box::new));
                regex.as_ref().is_some_and(|regex| regex.is_match(text))
            }
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(COMPILED_MAX).dfa_size_limit(CACHE_MAX).nest_limit(200).build()
}

fn reason(error: &regex_syntax::Error) -> String {
    let what = match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it does not parse".to_owned(),
    };
    format!("the expression is no good: {what}")
}

/// Whole words: where the phrase begins or ends with a letter or digit, none stands beside it.
fn phrase_in(phrase: &str, folded: &str) -> bool {
    let first = phrase.chars().next().is_some_and(char::is_alphanumeric);
    let last = phrase.chars().next_back().is_some_and(char::is_alphanumeric);
    let good = |at: usize, length: usize| {
        let before = folded.get(..at).and_then(|text| text.chars().next_back());
        let behind = folded.get(at + length..).and_then(|text| text.chars().next());
        let joined = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !((first && joined(before)) || (last && joined(behind)))
    };
    memmem::find_iter(folded.as_bytes(), phrase).any(|at| good(at, phrase.len()))
}

/// About how much a compiled expression takes: characters, ranges of classes, times repetitions.
fn weight(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => 1 + class.ranges().len() * 3,
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len(),
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            weight(&repetition.sub).saturating_mul(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(weight).fold(1, usize::saturating_add)
        }
    }
}

/// Whether no text of ASCII alone is matched.
fn is_foreign(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => !literal.0.is_ascii(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().iter().all(|range| !range.start().is_ascii()),
        HirKind::Class(Class::Bytes(class)) => class.ranges().iter().all(|range| !range.start().is_ascii()),
        HirKind::Capture(capture) => is_foreign(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_foreign(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().any(is_foreign),
        HirKind::Alternation(parts) => parts.iter().all(is_foreign),
    }
}

/// The same with word boundaries about ASCII: those about all letters have no fast way through a text that is not ASCII.
fn with_ascii_words(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Capture(capture) => with_ascii_words(&capture.sub),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(with_ascii_words(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(with_ascii_words).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(with_ascii_words).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(expression: &str, text: &str) -> bool {
        Expression::parse(expression).unwrap().is_in(text, &fold(text))
    }

    #[test]
    fn phrases_are_whole_words() {
        for (phrase, text, want) in [
            ("Act  now", "you must ACT NOW!", true),
            ("act now", "fact nowhere", false),
            ("act now", "fact nowhere, act now", true),
            ("100% free", "it is 100% free.", true),
            ("$$$", "a$$$b", true),
            ("größe", "DIE GRÖSSE", false),
            ("größe", "die GRÖßE x", true),
            ("größe", "xgröße", false),
            ("срочно", "СРОЧНО!", true),
        ] {
            assert_eq!(found(phrase, text), want, "{phrase} in {text}");
        }
    }

    #[test]
    fn expressions_regard_no_case() {
        assert!(found(r"/\bverif(y|ied)\b.{0,20}account/", "Please VERIFY\nyour Account"));
        assert!(found(r"/\bgrün\b/", "so GRÜN ist es"));
        assert!(!found(r"/\bact\b/", "fact"));
        assert!(found(r"/(?-i)NOW/", "NOW") && !found(r"/(?-i:NOW)/", "now"));
        assert!(found(r"/^\S+\.html?$/", "a.HTM"));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, want) in [
            ("", "expected a phrase or a \"/regex/\", found nothing"),
            ("/abc", "an expression ends with \"/\", as in \"/no.?reply/\""),
            ("//", "the expression is empty"),
            ("/a*/", "the expression matches the empty text, so it always matches"),
            ("/(a/", "the expression is no good: unclosed group"),
            (r"/(\w{1000}){1000}/", "the expression is too large"),
            (
                r"/(?<=a)b/",
                "the expression is no good: look-around, including look-ahead and look-behind, is not supported",
            ),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err().0, want, "{text}");
        }
        assert!(Expression::parse(&"x".repeat(OCTETS_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_not_heavy_compiles() {
        for pattern in [r"\w{1,4}", r"[^a]{500}", r"(?:\p{Lu}|x){3}", r"(.{3}){100}"] {
            let text = format!("/{pattern}/");
            let Ok(expression) = Expression::parse(&text) else { continue };
            let Form::Regex { pattern, .. } = &expression.form else { panic!() };
            assert!(compile(pattern).is_ok(), "{pattern}");
        }
    }
}
