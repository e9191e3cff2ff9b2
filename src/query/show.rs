//! A query as text, in a form that reads back as the same query.

use super::fields::Field;
use super::term::{Comparison, Query, State, Term, Text, What};
use crate::mail::Id;
use crate::rules::thousandths;
use crate::verdict::Direction;
use std::fmt::{self, Write as _};

/// Whether a bare word is taken as a reference; see the head of the module.
pub fn looks_like_reference(word: &str) -> bool {
    let digits = word.bytes().any(|b| b.is_ascii_digit());
    let capitals = word.bytes().all(|b| b.is_ascii_uppercase() && !b"ILOU".contains(&b));
    Id::prefix(word).is_ok() && (digits || capitals)
}

impl Query {
    /// Whether it asks for nothing in particular.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The beginnings of references that it names, where it does nothing else.
    #[must_use]
    pub fn references(&self) -> Option<Vec<&str>> {
        let one = |term: &Term| matches!(term, Term { not: false, what: What::Id(_) });
        if self.terms.is_empty() || !self.terms.iter().all(one) {
            return None;
        }
        Some(
            self.terms
                .iter()
                .filter_map(|t| if let What::Id(p) = &t.what { Some(p.as_str()) } else { None })
                .collect(),
        )
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Kept, Self::Held, Self::Spooled, Self::Released, Self::Failed, Self::Trash, Self::Copy];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Held => "held",
            Self::Spooled => "spooled",
            Self::Released => "released",
            Self::Failed => "failed",
            Self::Trash => "trash",
            Self::Copy => "copy",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            fmt::Display::fmt(term, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.not {
            f.write_char('-')?;
        }
        let (field, value) = shown(&self.what);
        if let Some(field) = field {
            write!(f, "{}:", field.name())?;
        }
        f.write_str(&value)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        })
    }
}

fn shown(what: &What) -> (Option<Field>, String) {
    let text = |field, t: &Text| (Some(field), shown_text(field, t));
    let word = |field, w: &str| (Some(field), if is_simple(w) { w.to_owned() } else { quoted(w, true) });
    match what {
        What::Id(prefix) => (Some(Field::Id), prefix.clone()),
        What::Reference(prefix) => (Some(Field::Reference), prefix.clone()),
        What::Folder(name) => word(Field::Folder, name),
        What::State(state) => (Some(Field::State), state.name().to_owned()),
        What::From(t) => text(Field::From, t),
        What::HeaderFrom(t) => text(Field::HeaderFrom, t),
        What::Rcpt(t) => text(Field::Rcpt, t),
        What::Subject(words) => (Some(Field::Subject), quoted(words, false)),
        What::Client(net) if net.prefix_len() == net.max_prefix_len() => {
            (Some(Field::Client), net.addr().to_string())
        }
        What::Client(net) => (Some(Field::Client), net.to_string()),
        What::Helo(t) => text(Field::Helo, t),
        What::User(t) => text(Field::User, t),
        What::Rule(t) => text(Field::Rule, t),
        What::Listener(name) => word(Field::Listener, name),
        What::Direction(Direction::Inbound) => (Some(Field::Direction), "in".into()),
        What::Direction(Direction::Outbound) => (Some(Field::Direction), "out".into()),
        What::MessageId(t) => text(Field::MessageId, t),
        What::Digest(digits) => (Some(Field::Digest), digits.clone()),
        What::Tag(tag) => word(Field::Tag, tag),
        What::Like(id) => (Some(Field::Like), id.to_string()),
        What::Size(comparison, octets) => (Some(Field::Size), format!("{comparison}{}", size(*octets))),
        What::Age(comparison, ms) => (Some(Field::Age), format!("{comparison}{}", age(*ms))),
        What::Received { from_ms, until_ms } => (Some(Field::Received), received(*from_ms, *until_ms)),
        What::Score(comparison, score) => {
            let score = i32::try_from(*score).unwrap_or(if *score < 0 { i32::MIN } else { i32::MAX });
            (Some(Field::Score), format!("{comparison}{}", thousandths(score)))
        }
        What::Words(words) => (None, quoted(words, false)),
    }
}

/// Letters, digits and the like: nothing that the language reads otherwise.
fn is_simple(text: &str) -> bool {
    let simple = |b: u8| b.is_ascii_alphanumeric() || b"-_.@+=/:#".contains(&b);
    !text.is_empty() && text.bytes().all(simple)
}

/// In quotes; `star` says that a `*` stands for itself and has to be marked.
fn quoted(text: &str, star: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') || (star && c == '*') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn shown_text(field: Field, text: &Text) -> String {
    match text {
        Text::Empty => "\"\"".into(),
        Text::Domain(domain) => format!("@{domain}"),
        Text::Below(domain) => format!(".{domain}"),
        Text::Glob(glob) if glob.split('*').all(|part| part.is_empty() || is_simple(part)) => glob.clone(),
        Text::Glob(glob) => quoted(glob, false),
        Text::Exact(exact) => {
            let mailbox = matches!(field, Field::From | Field::HeaderFrom | Field::Rcpt);
            let clear = !exact.starts_with(['@', '.']) && (!mailbox || exact.contains('@'));
            if clear && is_simple(exact) { exact.clone() } else { quoted(exact, true) }
        }
    }
}

fn size(octets: u64) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K")];
    let unit = units.into_iter().find(|(bits, _)| octets != 0 && octets.trailing_zeros() >= *bits);
    unit.map_or_else(|| octets.to_string(), |(bits, unit)| format!("{}{unit}", octets >> bits))
}

/// Whole seconds; the language knows no shorter age.
fn age(ms: i64) -> String {
    let mut seconds = ms / 1000;
    let mut out = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds >= length {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}{unit}", seconds / length);
            seconds %= length;
        }
    }
    if seconds > 0 || out.is_empty() {
        let _ = write!(out, "{seconds}s");
    }
    out
}

/// A moment of UTC, as exact as needed.
fn moment(ms: i64) -> String {
    moment_of(ms, ms % 1000 != 0)
}

/// `exact`: to the millisecond, also where that is the first one of a second.
fn moment_of(ms: i64, exact: bool) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    let text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if exact { format!("{text}.{:03}Z", ms.rem_euclid(1000)) } else { format!("{text}Z") }
}

fn received(from_ms: i64, until_ms: i64) -> String {
    match (from_ms, until_ms) {
        (from, i64::MAX) => format!(">={}", moment(from)),
        (i64::MIN, until) => format!("<{}", moment(until)),
        (from, until) => {
            // The second one counts as a whole: the last second, or the last millisecond.
            let whole = until % 1000 == 0;
            let last = until - if whole { 1000 } else { 1 };
            format!("{}..{}", moment(from), moment_of(last, !whole))
        }
    }
}
