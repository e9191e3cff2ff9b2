//! Dates as mail and logs write them. The clock is the caller's: milliseconds since 1970, UTC.

use jiff::Timestamp;

fn timestamp(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `Sat, 21 Nov 2026 20:00:00 +0000` (RFC 5322 section 3.3), always in UTC.
#[must_use]
pub fn rfc5322(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// `2026-11-21T20:00:00.123Z` (RFC 3339), always in UTC and with three decimals.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    format!("{:.3}", timestamp(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_forms_of_their_rfcs() {
        let ms = 1_795_291_200_123;
        assert_eq!(rfc5322(ms), "Sat, 21 Nov 2026 20:00:00 +0000");
        assert_eq!(rfc3339(ms), "2026-11-21T20:00:00.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
