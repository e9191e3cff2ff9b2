//! Numbers that are no whole ones: decimal numbers in thousandths, and rates.

use super::model::Rate;
use crate::rules::{parse_duration, parse_size};
use std::time::Duration;

/// Shortest period of a rate: the counters tick in seconds.
const PERIOD_MIN: Duration = Duration::from_secs(1);
/// Longest period of a rate: counters live in memory and begin anew with the process.
const PERIOD_MAX: Duration = Duration::from_hours(24 * 31);

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

/// A rate: `"30/1m"`, with sizes `"500M/1h"`; `"off"` is no limit.
///
/// # Errors
/// What is wrong, for people.
pub fn parse_rate(text: &str, of_octets: bool) -> Result<Option<Rate>, String> {
    if text == "off" {
        return Ok(None);
    }
    let example = if of_octets { "500M/1h" } else { "30/1m" };
    let (count, period) = text
        .split_once('/')
        .ok_or_else(|| format!("expected a rate such as \"{example}\", or \"off\" for no limit"))?;
    let count = if of_octets {
        parse_size(count).map_err(|error| error.to_string())?
    } else {
        let good = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
        let number = if good { count.parse().ok() } else { None };
        number.ok_or_else(|| format!("expected a whole number before the /, as in \"{example}\""))?
    };
    if count == 0 {
        return Err("a limit of 0 would refuse everything: write \"off\" for no limit".to_owned());
    }
    // `30/m` is meant as one minute by everybody who writes it.
    let spelled =
        if period.starts_with(|c: char| c.is_ascii_digit()) { period } else { &format!("1{period}") };
    let period = parse_duration(spelled)
        .map_err(|_| format!("expected a duration behind the /, as in \"{example}\""))?;
    if period < PERIOD_MIN || period > PERIOD_MAX {
        return Err("the period of a rate goes from \"1s\" to \"31d\"".to_owned());
    }
    Ok(Some(Rate { count, period }))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn rates() {
        let rate = |count, seconds| Ok(Some(Rate { count, period: Duration::from_secs(seconds) }));
        assert_eq!(parse_rate("30/1m", false), rate(30, 60));
        assert_eq!(parse_rate("30/m", false), rate(30, 60));
        assert_eq!(parse_rate("1/31d", false), rate(1, 31 * 86_400));
        assert_eq!(parse_rate("1G/1h", true), rate(1 << 30, 3600));
        assert_eq!(parse_rate("off", true), Ok(None));
        for (text, of_octets, want) in [
            ("30", false, "such as \"30/1m\", or \"off\""),
            ("30 per minute", false, "such as \"30/1m\""),
            ("x/1m", false, "a whole number before the /"),
            ("1G/1h", false, "a whole number before the /"),
            ("0/1m", false, "a limit of 0 would refuse everything"),
            ("30/", false, "a duration behind the /"),
            ("30/1min", false, "a duration behind the /"),
            ("30/100ms", false, "from \"1s\" to \"31d\""),
            ("30/32d", false, "from \"1s\" to \"31d\""),
            ("1GB/1h", true, "with one letter, such as \"1G\""),
            ("99999999999999999999/1m", false, "a whole number"),
        ] {
            let error = parse_rate(text, of_octets).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
