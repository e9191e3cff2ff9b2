//! Numbers that are no whole ones: decimal numbers in thousandths, and rates.

use super::model::Rate;
use crate::rules::{parse_duration, parse_size};
pub use crate::rules::{parse_thousandths, thousandths};
use std::time::Duration;

/// Shortest period of a rate: the counters tick in seconds.
const PERIOD_MIN: Duration = Duration::from_secs(1);
/// Longest period of a rate: counters live in memory and begin anew with the process.
const PERIOD_MAX: Duration = Duration::from_hours(24 * 31);

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
