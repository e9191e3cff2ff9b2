//! Sizes, durations and decimal numbers as an admin writes them: `50M`, `30s`, `2.5`.

use std::time::Duration;

/// Longest duration that is taken: anything beyond is a slip, and deadlines are sums that must not overflow.
const DURATION_MAX: Duration = Duration::from_hours(24 * 365);

/// Why a text is no size or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a number and a unit.
    #[error("expected a size such as \"50M\" (K, M, G; 1K = 1024 octets) or a number of octets")]
    Size,
    /// `50MB`, `50 M`: nearly right.
    #[error("sizes are written without a space and with one letter, such as \"{0}\"")]
    SizeSpelling(String),
    /// More than 64 bits.
    #[error("the size is too large")]
    SizeTooLarge,
    /// Not a number and a unit.
    #[error("expected a duration such as \"30s\" (ms, s, m, h, d)")]
    Duration,
    /// A number alone.
    #[error("the unit is missing: write \"{0}s\" for seconds or \"{0}m\" for minutes")]
    DurationUnit(String),
    /// `5 min`: nearly right.
    #[error("durations are written without a space, with ms, s, m, h or d, such as \"{0}\"")]
    DurationSpelling(String),
    /// More than a year.
    #[error("the duration is longer than a year")]
    DurationTooLong,
}

/// A size in octets: a number, or a number and `K`, `M` or `G` (1024, 1024², 1024³), in either case.
///
/// # Errors
/// See [`UnitError`]; never overflows.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (digits, unit) = split(text).ok_or(UnitError::Size)?;
    let factor = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return Err(size_spelling(digits, unit)),
    };
    let number: u64 = digits.parse().map_err(|_| UnitError::SizeTooLarge)?;
    number.checked_mul(factor).ok_or(UnitError::SizeTooLarge)
}

fn size_spelling(digits: &str, unit: &str) -> UnitError {
    let unit = unit.trim().to_ascii_uppercase();
    match unit.as_str() {
        "K" | "M" | "G" | "KB" | "MB" | "GB" | "KIB" | "MIB" | "GIB" => {
            UnitError::SizeSpelling(format!("{digits}{}", unit.chars().next().unwrap_or('M')))
        }
        "B" | "BYTE" | "BYTES" | "OCTETS" => UnitError::SizeSpelling(digits.to_owned()),
        _ => UnitError::Size,
    }
}

/// A duration: a number and `ms`, `s`, `m`, `h` or `d`; at most a year.
///
/// # Errors
/// See [`UnitError`]; never overflows.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (digits, unit) = split(text).ok_or(UnitError::Duration)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        "" => return Err(UnitError::DurationUnit(digits.to_owned())),
        _ => return Err(duration_spelling(digits, unit)),
    };
    let number: u64 = digits.parse().map_err(|_| UnitError::DurationTooLong)?;
    let total = number.checked_mul(milliseconds).ok_or(UnitError::DurationTooLong)?;
    let duration = Duration::from_millis(total);
    if duration > DURATION_MAX { Err(UnitError::DurationTooLong) } else { Ok(duration) }
}

fn duration_spelling(digits: &str, unit: &str) -> UnitError {
    let short = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return UnitError::Duration,
    };
    UnitError::DurationSpelling(format!("{digits}{short}"))
}

/// A decimal number with at most three places, in thousandths; `None` where it is none or too large.
#[must_use]
pub fn parse_thousandths(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(places) {
        return None;
    }
    let places = places.trim_end_matches('0');
    if places.len() > 3 {
        return None;
    }
    let thousandths: i64 = format!("{whole}{places:0<3}").parse().ok()?;
    i32::try_from(if negative { -thousandths } else { thousandths }).ok()
}

/// Thousandths as a decimal number: `1`, `0.5`, `-2.125`.
#[must_use]
pub fn thousandths(value: i32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let text = format!("{sign}{}.{:03}", value / 1000, value % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Digits, at least one, and what follows them.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in [
            ("0", 0),
            ("500", 500),
            ("16K", 16 * 1024),
            ("16k", 16 * 1024),
            ("50M", 50 * 1024 * 1024),
            ("2G", 2 * 1024 * 1024 * 1024),
        ] {
            assert_eq!(parse_size(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("", UnitError::Size),
            ("M", UnitError::Size),
            ("-1", UnitError::Size),
            ("1.5G", UnitError::Size),
            ("50MB", UnitError::SizeSpelling("50M".into())),
            ("50 MiB", UnitError::SizeSpelling("50M".into())),
            ("50 M", UnitError::SizeSpelling("50M".into())),
            ("50B", UnitError::SizeSpelling("50".into())),
            ("50X", UnitError::Size),
            ("99999999999999999999", UnitError::SizeTooLarge),
            ("18446744073709551615K", UnitError::SizeTooLarge),
        ] {
            assert_eq!(parse_size(text), Err(want), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("300ms", 300),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(want)), "{text}");
        }
        for (text, want) in [
            ("", UnitError::Duration),
            ("s", UnitError::Duration),
            ("-5s", UnitError::Duration),
            ("1h30m", UnitError::Duration),
            ("30", UnitError::DurationUnit("30".into())),
            ("5 min", UnitError::DurationSpelling("5m".into())),
            ("30 s", UnitError::DurationSpelling("30s".into())),
            ("30S", UnitError::DurationSpelling("30s".into())),
            ("366d", UnitError::DurationTooLong),
            ("18446744073709551615d", UnitError::DurationTooLong),
            ("99999999999999999999s", UnitError::DurationTooLong),
        ] {
            assert_eq!(parse_duration(text), Err(want), "{text}");
        }
    }

    #[test]
    fn decimal_numbers_are_exact() {
        for (text, want, shown) in [
            ("1", 1000, "1"),
            ("1.0", 1000, "1"),
            ("0.5", 500, "0.5"),
            ("-2.125", -2125, "-2.125"),
            ("+3.10", 3100, "3.1"),
            ("0.001", 1, "0.001"),
            ("-0.05", -50, "-0.05"),
        ] {
            assert_eq!(parse_thousandths(text), Some(want), "{text}");
            assert_eq!(thousandths(want), shown);
        }
        for text in ["", ".", "1e3", "nan", "inf", "0.0001", "9999999999", "1.2.3", "--1", "1_000"] {
            assert_eq!(parse_thousandths(text), None, "{text}");
        }
    }
}
