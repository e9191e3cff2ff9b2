//! Times, as people read them: of this machine's time zone.

use crate::cli::out::duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-11-21 10:00`
pub(super) fn short(ms: i64) -> String {
    local(ms, "%Y-%m-%d %H:%M")
}

/// `Nov 21 10:00`
pub(super) fn shorter(ms: i64) -> String {
    local(ms, "%b %e %H:%M")
}

/// `2026-11-21 10:00:07 +01:00`
pub(super) fn moment(ms: i64) -> String {
    local(ms, "%Y-%m-%d %H:%M:%S %:z")
}

fn local(ms: i64, format: &str) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else { return "?".into() };
    at.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// `3 h 5 min ago`, `in 2 min`, `now`
pub(crate) fn ago(ms: i64, now_ms: i64) -> String {
    let seconds = now_ms.saturating_sub(ms) / 1000;
    let words = duration(seconds.unsigned_abs());
    match seconds {
        0 => "now".into(),
        1.. => format!("{words} ago"),
        _ => format!("in {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        assert_eq!(ago(0, 5_000), "5 s ago");
        assert_eq!(ago(65_000, 5_000), "in 1 min");
        assert_eq!(ago(5_000, 5_000), "now");
        assert_eq!(moment(i64::MAX), "?");
        assert_eq!(short(0).len(), 16);
    }
}
