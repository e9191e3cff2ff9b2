//! Values that are measures: sizes, ages, scores, and dates of the reader's time zone.

use super::error::QueryError;
use super::fields::Field;
use super::term::{Comparison, What};
use super::words::{Value, Word};
use crate::rules::{UnitError, nearest, parse_size, parse_thousandths};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

/// Units of an age, the largest first, with their names and milliseconds.
const UNITS: [(&str, i64); 5] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
/// Other spellings of them.
const SPELLINGS: [(&str, &str); 16] = [
    ("weeks", "w"),
    ("week", "w"),
    ("days", "d"),
    ("day", "d"),
    ("hours", "h"),
    ("hour", "h"),
    ("hrs", "h"),
    ("hr", "h"),
    ("minutes", "m"),
    ("minute", "m"),
    ("mins", "m"),
    ("min", "m"),
    ("seconds", "s"),
    ("second", "s"),
    ("secs", "s"),
    ("sec", "s"),
];
/// A hundred years: whatever is beyond is a slip.
const AGE_MAX_MS: i64 = 100 * 366 * 86_400_000;

fn mistake(value: &Value, field: Field, what: impl Into<String>) -> QueryError {
    QueryError::new(value.column, what, field.expected())
}

fn shown(value: &Value) -> String {
    crate::mail::escape(value.text.as_bytes())
}

/// `size:`.
pub fn size(word: &Word) -> Result<What, QueryError> {
    let value = &word.value;
    let octets = parse_size(&value.text).map_err(|error| {
        let near = if let UnitError::SizeSpelling(near) = &error { Some(near.clone()) } else { None };
        mistake(value, Field::Size, format!("`{}` is no size (K, M, G)", shown(value))).near(near)
    })?;
    Ok(What::Size(word.comparison.unwrap_or(Comparison::Equal), octets))
}

/// `score:`.
pub fn score(word: &Word) -> Result<What, QueryError> {
    let value = &word.value;
    let what =
        || mistake(value, Field::Score, format!("`{}` is no number of at most three places", shown(value)));
    let thousandths = parse_thousandths(&value.text).ok_or_else(what)?;
    Ok(What::Score(word.comparison.unwrap_or(Comparison::Equal), thousandths.into()))
}

/// A number and its unit, at the beginning of a text: milliseconds, place of the unit in [`UNITS`], the rest.
fn component<'t>(text: &'t str, value: &Value) -> Result<(i64, usize, &'t str), QueryError> {
    let digits = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits).unwrap_or((text, ""));
    let letters = rest.bytes().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(letters).unwrap_or((rest, ""));
    let what = |said: String| mistake(value, Field::Age, said);
    if number.is_empty() {
        return Err(what(format!("`{}` is no duration (w, d, h, m, s)", shown(value))));
    }
    if unit.is_empty() {
        let said = format!("the unit is missing behind `{}` (w, d, h, m, s)", shown(value));
        return Err(what(said).near(Some(format!("{number}d"))));
    }
    let Some(place) = UNITS.iter().position(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        let word = nearest(unit, SPELLINGS.iter().map(|(word, _)| *word));
        let near = SPELLINGS.iter().find(|(spelling, _)| Some(*spelling) == word);
        let said = format!("there is no unit `{}` (w, d, h, m, s)", crate::mail::escape(unit.as_bytes()));
        return Err(what(said).near(near.map(|(_, unit)| format!("{number}{unit}"))));
    };
    let factor = UNITS.get(place).map_or(0, |(_, ms)| *ms);
    let total = number.parse::<i64>().ok().and_then(|n| n.checked_mul(factor)).filter(|ms| *ms <= AGE_MAX_MS);
    total.map(|ms| (ms, place, rest)).ok_or_else(|| what("more than a hundred years".into()))
}

/// `2d4h`, `2d 4h`: from large to small units. Milliseconds, and the place of the last unit.
fn duration(text: &str, value: &Value) -> Result<(i64, usize), QueryError> {
    let (mut total, mut last, mut rest) = (0, None, text.trim());
    loop {
        let (ms, place, after) = component(rest, value)?;
        if last.is_some_and(|last| place <= last) {
            return Err(mistake(value, Field::Age, "units go from large to small, each once, as in 2d4h"));
        }
        (total, last, rest) = (total + ms, Some(place), after.trim_start());
        if rest.is_empty() {
            return Ok((total, place));
        }
    }
}

/// `age:`. `more` are the words behind it: those that go on with smaller units belong to it; how many they are.
pub fn age(word: &Word, more: &[Word]) -> Result<(What, usize), QueryError> {
    let value = &word.value;
    let (mut total, mut last) = duration(&value.text, value)?;
    let Some(comparison) = word.comparison.filter(|c| *c != Comparison::Equal) else {
        let near = Some(format!("age:>{}", shown(value)));
        return Err(mistake(value, Field::Age, "an age is compared").near(near));
    };
    let bare = |word: &Word| word.field.is_none() && !word.not && !word.value.quoted;
    let mut used = 0;
    while let Some(next) = more.get(used).filter(|next| !value.quoted && bare(next)) {
        let Ok((ms, place)) = duration(&next.value.text, &next.value) else { break };
        if place <= last {
            break;
        }
        (total, last, used) = (total + ms, place, used + 1);
    }
    Ok((What::Age(comparison, total), used))
}

/// From, until (exclusive); milliseconds since 1970.
type Interval = (i64, i64);

/// `received:`.
pub fn received(word: &Word, now_ms: i64, zone: &TimeZone) -> Result<What, QueryError> {
    let value = &word.value;
    if word.comparison.is_none()
        && let Some((from, until)) = value.text.split_once("..")
    {
        let ((from_ms, _), (_, until_ms)) =
            (date(from, value, now_ms, zone)?, date(until, value, now_ms, zone)?);
        if until_ms <= from_ms {
            return Err(mistake(value, Field::Received, "the second date lies before the first"));
        }
        return Ok(What::Received { from_ms, until_ms });
    }
    let (start, end) = date(&value.text, value, now_ms, zone)?;
    let (from_ms, until_ms) = match word.comparison.unwrap_or(Comparison::Equal) {
        Comparison::Less => (i64::MIN, start),
        Comparison::AtMost => (i64::MIN, end),
        Comparison::Equal => (start, end),
        Comparison::AtLeast => (start, i64::MAX),
        Comparison::More => (end, i64::MAX),
    };
    Ok(What::Received { from_ms, until_ms })
}

/// The interval that a date means.
fn date(text: &str, value: &Value, now_ms: i64, zone: &TimeZone) -> Result<Interval, QueryError> {
    let lower = text.trim().to_ascii_lowercase();
    let day = |back: i64| {
        let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(zone.clone()).date();
        Some((now.checked_sub(back.days()).ok()?.to_datetime(Time::midnight()), 1.day()))
    };
    let found = match lower.as_str() {
        "today" => day(0),
        "yesterday" => day(1),
        _ => civil(lower.strip_suffix('z').unwrap_or(&lower)),
    };
    let zone = if lower.ends_with('z') { &TimeZone::UTC } else { zone };
    let interval = found.and_then(|(start, length)| {
        let end = start.checked_add(length).ok()?;
        let ms = |at: DateTime| Some(zone.to_ambiguous_timestamp(at).compatible().ok()?.as_millisecond());
        Some((ms(start)?, ms(end)?))
    });
    interval.ok_or_else(|| {
        let words = ["today", "yesterday"];
        let near = nearest(text, words).filter(|near| *near != lower);
        mistake(value, Field::Received, format!("`{}` is no date", crate::mail::escape(text.as_bytes())))
            .near(near)
    })
}

/// A date as exact as it is written, and how long that is.
fn civil(text: &str) -> Option<(DateTime, Span)> {
    let (day, time) = match text.split_once(['t', ' ']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|part| number(part, 2));
    let mday = parts.next().map(|part| number(part, 2));
    if parts.next().is_some() {
        return None;
    }
    let at = |month: i64, day: i64| {
        let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        date.ok().map(|date| date.to_datetime(Time::midnight()))
    };
    match (month, mday, time) {
        (None, None, None) => Some((at(1, 1)?, 1.year())),
        (Some(month), None, None) => Some((at(month?, 1)?, 1.month())),
        (Some(month), Some(day), None) => Some((at(month?, day?)?, 1.day())),
        (Some(month), Some(day), Some(time)) => clock(at(month?, day?)?, time),
        _ => None,
    }
}

/// The time of a day.
fn clock(day: DateTime, text: &str) -> Option<(DateTime, Span)> {
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) => (text, Some(number(fraction, 3)?)),
        None => (text, None),
    };
    let parts = text.split(':').map(|part| number(part, 2)).collect::<Option<Vec<i64>>>()?;
    let time = |h: i64, m: i64, s: i64| {
        let time = Time::new(i8::try_from(h).ok()?, i8::try_from(m).ok()?, i8::try_from(s).ok()?, 0).ok()?;
        Some(day.date().to_datetime(time))
    };
    match (parts.as_slice(), fraction) {
        ([h], None) => Some((time(*h, 0, 0)?, 1.hour())),
        ([h, m], None) => Some((time(*h, *m, 0)?, 1.minute())),
        ([h, m, s], None) => Some((time(*h, *m, *s)?, 1.second())),
        ([h, m, s], Some(ms)) => {
            Some((time(*h, *m, *s)?.checked_add(ms.milliseconds()).ok()?, 1.millisecond()))
        }
        _ => None,
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}
