//! What a scanner says.

use crate::mail::escape_at_most;

/// Characters of an engine's words that are kept.
const WORDS_MAX: usize = 160;
/// Symbols of one answer that are kept: those that count most.
pub(super) const SYMBOLS_MAX: usize = 64;
/// Characters of a symbol's name.
const NAME_MAX: usize = 64;
/// No engine's score means more than this, in thousandths of a point.
const SCORE_MOST: i32 = 1_000_000;

/// What a scanner says. Never two-valued: an error is neither clean nor infected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanVerdict {
    /// Nothing found.
    Clean,
    /// Found this.
    Infected(String),
    /// Looked at, and this many points.
    Scored(Box<Scored>),
    /// Over what it scans.
    TooLarge,
    /// It said that it failed on this message. Of others it says nothing, so its address is not left alone for it.
    Failed(String),
    /// It answered nonsense, or broke off.
    Error(String),
    /// No answer in its time.
    TimedOut,
    /// It cannot be reached, or has no place free.
    Unavailable(String),
    /// Our copy of the message cannot be read, which says nothing of the engine.
    Unread(String),
}

/// An answer in points, as the engine gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scored {
    /// The sum, in thousandths of a point.
    pub total_milli: i32,
    /// What it is made of, as far as the engine says; the heaviest first.
    pub symbols: Vec<Symbol>,
    /// What the engine would do; advice, nobody follows it.
    pub advice: Option<Box<str>>,
}

/// One rule of an engine that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name, escaped and cut.
    pub name: Box<str>,
    /// Its part of the sum, in thousandths of a point; 0 where the engine does not say.
    pub milli: i32,
}

impl ScanVerdict {
    /// Found, in the engine's words.
    #[must_use]
    pub fn infected(name: &[u8]) -> Self {
        Self::Infected(escape_at_most(name, WORDS_MAX))
    }

    /// Failed on this message, in the engine's words.
    #[must_use]
    pub fn failed(words: &[u8]) -> Self {
        Self::Failed(escape_at_most(words, WORDS_MAX))
    }

    /// Whether the message was looked at.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Clean | Self::Infected(_) | Self::Scored(_) => true,
            Self::TooLarge
            | Self::Failed(_)
            | Self::Error(_)
            | Self::TimedOut
            | Self::Unavailable(_)
            | Self::Unread(_) => false,
        }
    }

    /// Whether another address may have an answer.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Error(_) | Self::TimedOut | Self::Unavailable(_) => true,
            Self::Clean | Self::Infected(_) | Self::Scored(_) | Self::TooLarge | Self::Unread(_) => false,
        }
    }

    /// Whether the engine is alive, for it said so much.
    #[must_use]
    pub fn is_said(&self) -> bool {
        match self {
            Self::Clean | Self::Infected(_) | Self::Scored(_) | Self::TooLarge | Self::Failed(_) => true,
            Self::Error(_) | Self::TimedOut | Self::Unavailable(_) | Self::Unread(_) => false,
        }
    }

    /// In a few words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Clean => "clean".to_owned(),
            Self::Infected(name) => format!("infected: {name}"),
            Self::Scored(scored) => format!("score {}", points(scored.total_milli)),
            Self::TooLarge => "larger than the scanner takes".to_owned(),
            Self::Failed(words) | Self::Error(words) => format!("error: {words}"),
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Unavailable(words) => format!("unavailable: {words}"),
            Self::Unread(words) => format!("the message cannot be read: {words}"),
        }
    }
}

impl Symbol {
    /// A symbol by an engine's words.
    #[must_use]
    pub fn new(name: &[u8], milli: i32) -> Self {
        Self { name: escape_at_most(name, NAME_MAX).into(), milli }
    }
}

impl Scored {
    /// The heaviest first, no more than are kept.
    pub(super) fn tidy(&mut self) {
        self.symbols.sort_by(|a, b| {
            b.milli.unsigned_abs().cmp(&a.milli.unsigned_abs()).then_with(|| a.name.cmp(&b.name))
        });
        self.symbols.truncate(SYMBOLS_MAX);
    }
}

/// Points of an engine in thousandths; what is out of all bounds is cut.
pub(super) fn milli(points: f64) -> i32 {
    let most = f64::from(SCORE_MOST);
    let milli = (points * 1000.0).round().clamp(-most, most);
    // No number is no score. The cast cannot lose anything after the clamp.
    if milli.is_nan() { 0 } else { milli as i32 }
}

/// Thousandths as points: `-1.5`, `12`.
pub(super) fn points(milli: i32) -> String {
    let sign = if milli < 0 { "-" } else { "" };
    let milli = milli.unsigned_abs();
    let text = format!("{sign}{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_bounds_and_are_written_short() {
        for (given, want) in
            [(1.5, "1.5"), (-0.001, "-0.001"), (12.0, "12"), (1e300, "1000"), (f64::NAN, "0"), (0.0, "0")]
        {
            assert_eq!(points(milli(given)), want);
        }
        assert_eq!(milli(f64::NEG_INFINITY), -1_000_000);
    }

    #[test]
    fn the_heaviest_symbols_are_kept() {
        let symbols =
            (0..200).map(|n| Symbol::new(format!("S{n}").as_bytes(), if n % 2 == 0 { n } else { -n }));
        let mut scored = Scored { symbols: symbols.collect(), ..Scored::default() };
        scored.tidy();
        assert_eq!((scored.symbols.len(), &*scored.symbols[0].name), (SYMBOLS_MAX, "S199"));
    }
}
