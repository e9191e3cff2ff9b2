//! One value of a file as a typed one: each function says what was expected and what was found.

use super::keys::Kind;
use super::measure;
use super::model::Rate;
use crate::rules::{nearest, parse_duration, parse_size};
use std::time::Duration;
use toml::de::DeValue;

/// Characters of a found text that are shown.
const SHOWN_CHARS: usize = 60;

/// A text.
///
/// # Errors
/// What was expected and what was found, for people. The same for all functions here.
pub fn text(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| mismatch(kind, value))
}

/// A text that is not empty.
///
/// # Errors
/// See [`text`].
pub fn filled(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    let text = text(kind, value)?;
    if text.is_empty() {
        Err("it is empty: write a value, or take the line out".to_owned())
    } else {
        Ok(text)
    }
}

/// A size in octets: `"50M"` or a plain number.
///
/// # Errors
/// See [`text`].
pub fn size(kind: Kind, value: &DeValue<'_>) -> Result<u64, String> {
    let octets = match value {
        DeValue::String(text) => {
            parse_size(text).map_err(|error| format!("{error}, found {}", found(value)))?
        }
        _ => integer(value).ok_or_else(|| mismatch(kind, value))?,
    };
    match kind {
        Kind::Size(min) if octets < min => {
            Err(format!("{} is too small, the least is {}", found(value), octets_text(min)))
        }
        _ => Ok(octets),
    }
}

/// A duration that is not zero: `"30s"`.
///
/// # Errors
/// See [`text`].
pub fn duration(kind: Kind, value: &DeValue<'_>) -> Result<Duration, String> {
    let duration = delay(kind, value)?;
    if duration.is_zero() {
        Err("zero would mean that nothing is ever waited for".to_owned())
    } else {
        Ok(duration)
    }
}

/// A duration, zero as well: `"0s"`.
///
/// # Errors
/// See [`text`].
pub fn delay(kind: Kind, value: &DeValue<'_>) -> Result<Duration, String> {
    if let Some(number) = integer(value) {
        return Err(format!(
            "the unit is missing: write \"{number}s\" for seconds or \"{number}m\" for minutes"
        ));
    }
    let text = value.as_str().ok_or_else(|| mismatch(kind, value))?;
    parse_duration(text).map_err(|error| format!("{error}, found {}", found(value)))
}

/// A duration that is not zero; `None` is the word of its kind (`"forever"`, `"never"`).
///
/// # Errors
/// See [`text`].
pub fn duration_or(kind: Kind, value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    match kind {
        Kind::DurationOr(word) if value.as_str() == Some(word) => Ok(None),
        Kind::DurationOr(word) if value.as_str().is_some_and(|text| nearest(text, [word]).is_some()) => {
            Err(format!("{}; did you mean \"{word}\"?", mismatch(kind, value)))
        }
        _ => duration(kind, value).map(Some),
    }
}

/// A whole number within the bounds of its kind.
///
/// # Errors
/// See [`text`].
pub fn number(kind: Kind, value: &DeValue<'_>) -> Result<u64, String> {
    let number = integer(value).ok_or_else(|| mismatch(kind, value))?;
    match kind {
        Kind::Number(min, max) if number < min || number > max => Err(mismatch(kind, value)),
        _ => Ok(number),
    }
}

/// A decimal number within the bounds of its kind, in thousandths.
///
/// # Errors
/// See [`text`].
pub fn decimal(kind: Kind, value: &DeValue<'_>) -> Result<i32, String> {
    let number = match value {
        DeValue::Float(number) => measure::parse_thousandths(number.as_str()),
        _ => signed(value).and_then(|number| number.checked_mul(1000)),
    };
    let number = match (number, value) {
        (Some(number), _) => number,
        (None, DeValue::Float(_)) => return Err(mismatch(kind, value) + " (at most three places)"),
        (None, _) => return Err(mismatch(kind, value)),
    };
    match kind {
        Kind::Decimal(min, max) if number < min || number > max => Err(mismatch(kind, value)),
        _ => Ok(number),
    }
}

/// So many in a period; `None` is no limit.
///
/// # Errors
/// See [`text`].
pub fn rate(kind: Kind, value: &DeValue<'_>) -> Result<Option<Rate>, String> {
    let text = value.as_str().ok_or_else(|| mismatch(kind, value))?;
    measure::parse_rate(text, matches!(kind, Kind::ByteRate))
        .map_err(|error| format!("{error}, found {}", found(value)))
}

/// `true` or `false`.
///
/// # Errors
/// See [`text`].
pub fn boolean(kind: Kind, value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| mismatch(kind, value))
}

/// One of the words of its kind.
///
/// # Errors
/// See [`text`].
pub fn word(kind: Kind, value: &DeValue<'_>) -> Result<&'static str, String> {
    let words: &'static [&'static str] = if let Kind::OneOf(words) = kind { words } else { &[] };
    let text = value.as_str().ok_or_else(|| mismatch(kind, value))?;
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(word);
    }
    let hint = nearest(text, words.iter().copied()).map(|word| format!("; did you mean \"{word}\"?"));
    Err(mismatch(kind, value) + &hint.unwrap_or_default())
}

/// "expected …, found …", and what to do where that is plain.
#[must_use]
pub fn mismatch(kind: Kind, value: &DeValue<'_>) -> String {
    let hint = match (kind, value) {
        (Kind::Number(..) | Kind::Decimal(..), DeValue::String(text))
            if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !text.is_empty() =>
        {
            " (numbers stand without quotes)"
        }
        (Kind::Boolean, DeValue::String(text)) if matches!(&**text, "true" | "false") => {
            " (true and false stand without quotes)"
        }
        (Kind::List(_), DeValue::String(_)) => " (lists stand in square brackets: [\"…\", \"…\"])",
        _ => "",
    };
    format!("expected {}, found {}{hint}", expected(kind), found(value))
}

fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text in quotes".to_owned(),
        Kind::Path => "a path in quotes".to_owned(),
        Kind::Size(_) => "a size such as \"50M\" or a number of octets".to_owned(),
        Kind::Duration => "a duration such as \"30s\"".to_owned(),
        Kind::Delay => "a duration such as \"2s\", or \"0s\" for none".to_owned(),
        Kind::DurationOr(word) => format!("a duration such as \"30d\", or \"{word}\""),
        Kind::Decimal(min, max) => {
            format!("a decimal number from {} to {}", measure::thousandths(min), measure::thousandths(max))
        }
        Kind::Rate => "a rate such as \"30/1m\", or \"off\"".to_owned(),
        Kind::ByteRate => "a rate such as \"500M/1h\", or \"off\"".to_owned(),
        Kind::Texts(of) => format!("a text or a list of {of}"),
        Kind::Number(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Boolean => "true or false".to_owned(),
        Kind::OneOf(words) => one_of(words),
        Kind::List(of) => format!("a list of {of}"),
        Kind::Recipients => "a table from domain to recipients".to_owned(),
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A found value for people.
#[must_use]
pub fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A found text in quotes, cut to what a line can show.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// The same without quotes: escaped, and cut at 60 characters.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN_CHARS {
        shown.push('…');
    }
    shown
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Negative as well.
fn signed(value: &DeValue<'_>) -> Option<i32> {
    let number = value.as_integer()?;
    i32::from_str_radix(number.as_str(), number.radix()).ok()
}

fn octets_text(octets: u64) -> String {
    match octets {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{}M", n >> 20),
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{}K", n >> 10),
        n => n.to_string(),
    }
}
