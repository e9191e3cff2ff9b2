//! Dates as mail and logs write them. The clock is the caller's: milliseconds since 1970, UTC.

/// A day in seconds.
const DAY: i64 = 86_400;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in UTC. Of years that have not four digits it is the first moment of 1970.
struct Moment {
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
    /// From Monday, which is 0.
    weekday: i64,
    second_of_day: i64,
    millisecond: i64,
}

impl Moment {
    fn of(unix_ms: i64) -> Self {
        let (seconds, millisecond) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
        let (days, second_of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        if !(0..=9999).contains(&year) {
            return Self::of(0);
        }
        // 1 January 1970 was a Thursday.
        Self { year, month, day, weekday: (days + 3).rem_euclid(7), second_of_day, millisecond }
    }

    /// Hours, minutes and seconds with colons between them.
    fn push_time(&self, out: &mut String) {
        push(out, self.second_of_day / 3600, 2);
        out.push(':');
        push(out, self.second_of_day / 60 % 60, 2);
        out.push(':');
        push(out, self.second_of_day % 60, 2);
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar carried on in both directions: counted in eras
/// of 400 years, in years that begin with March, so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    // From 1 March of the year 0.
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A number with leading zeros.
fn push(out: &mut String, number: i64, digits: u32) {
    for place in (0..digits).rev() {
        out.push(char::from(b'0' + (number / 10_i64.pow(place) % 10) as u8));
    }
}

/// `Sat, 21 Nov 2026 20:00:00 +0000` (RFC 5322 section 3.3), always in UTC.
#[must_use]
pub fn rfc5322(unix_ms: i64) -> String {
    let moment = Moment::of(unix_ms);
    let mut out = String::with_capacity(31);
    out.push_str(DAYS.get(moment.weekday as usize).copied().unwrap_or_default());
    out.push_str(", ");
    push(&mut out, moment.day, 2);
    out.push(' ');
    out.push_str(MONTHS.get((moment.month - 1) as usize).copied().unwrap_or_default());
    out.push(' ');
    push(&mut out, moment.year, 4);
    out.push(' ');
    moment.push_time(&mut out);
    out.push_str(" +0000");
    out
}

/// `2026-11-21T20:00:00.123Z` (RFC 3339), always in UTC and with three decimals.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    let moment = Moment::of(unix_ms);
    let mut out = String::with_capacity(24);
    push(&mut out, moment.year, 4);
    out.push('-');
    push(&mut out, moment.month, 2);
    out.push('-');
    push(&mut out, moment.day, 2);
    out.push('T');
    moment.push_time(&mut out);
    out.push('.');
    push(&mut out, moment.millisecond, 3);
    out.push('Z');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_have_the_forms_of_their_rfcs() {
        let ms = 1_795_291_200_123;
        assert_eq!(rfc5322(ms), "Sat, 21 Nov 2026 20:00:00 +0000");
        assert_eq!(rfc3339(ms), "2026-11-21T20:00:00.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        for beyond in [i64::MIN, i64::MAX, 253_402_300_800_000] {
            assert_eq!(rfc3339(beyond), "1970-01-01T00:00:00.000Z", "{beyond}");
        }
    }

    proptest! {
        #[test]
        fn the_calendar_is_that_of_others(ms in -62_000_000_000_000_i64..253_402_207_000_000) {
            let moment = jiff::Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(rfc3339(ms), format!("{moment:.3}"));
            prop_assert_eq!(rfc5322(ms), moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
        }
    }
}
