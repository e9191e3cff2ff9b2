//! `portcullis bans`: who is banned and why; lift a ban; add one.

use super::asking::question;
use super::exit::{NOTHING, REFUSED};
use super::out::{self, Ink, Paint, count, duration};
use crate::control::{Answer, BanList, BansLifted, Request};
use crate::limits::{BanReport, By};
use crate::mail::rfc3339;
use crate::rules::parse_duration;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Who is banned, since when, until when and why; the newest first
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End the bans of an address, or of a network and everything within it, and forget their points
    Lift {
        /// An address or a network such as 192.0.2.0/24
        #[arg(value_name = "ADDRESS|PREFIX", required_unless_present = "all")]
        net: Option<String>,
        /// All bans
        #[arg(long, conflicts_with = "net")]
        all: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ban an address or network by hand; the allow list beats it
    Add {
        /// An address (IPv6: its /64) or a network such as 192.0.2.0/24
        #[arg(value_name = "ADDRESS|PREFIX")]
        net: String,
        /// How long, such as 30m, 2h or 7d
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Duration,
        /// Why: it stands in the list and in the audit log
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        why: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

fn time(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(time) if time.as_secs() > 0 => Ok(time),
        Ok(_) => Err("a ban lasts at least one second".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List { json } => list(rules, *json),
        What::Lift { net, all: _, json } => lift(rules, net.clone(), *json),
        What::Add { net, time, why, json } => add(rules, net, *time, why, *json),
    };
    done.map_or_else(ExitCode::from, ExitCode::from)
}

fn list(rules: &Path, json: bool) -> Result<u8, u8> {
    let pick = |answer| if let Answer::Bans(list) = answer { Some(list) } else { None };
    let bans = question(rules, &Request::Bans {}, pick)?;
    if json {
        out::json(&bans);
    } else {
        out::print(&text(&bans, Timestamp::now().as_second(), Paint::of_stdout()));
    }
    Ok(0)
}

/// Without a network: all bans, which the arguments make sure was said.
fn lift(rules: &Path, net: Option<String>, json: bool) -> Result<u8, u8> {
    let pick = |answer| if let Answer::BansLifted(lifted) = answer { Some(lifted) } else { None };
    let lifted = question(rules, &Request::BansLift { net: net.clone(), all: net.is_none() }, pick)?;
    if json {
        out::json(&lifted);
    } else {
        out::print(&lifted_text(&lifted, net.as_deref()));
    }
    Ok(match lifted {
        BansLifted { lifted: 0, around: None } => NOTHING,
        BansLifted { lifted: _, around: Some(_) } => REFUSED,
        BansLifted { lifted: _, around: None } => 0,
    })
}

fn add(rules: &Path, net: &str, time: Duration, why: &str, json: bool) -> Result<u8, u8> {
    let request = Request::BansAdd { net: net.to_owned(), seconds: time.as_secs(), why: why.to_owned() };
    let pick = |answer| if let Answer::Banned(ban) = answer { Some(ban) } else { None };
    let ban = question(rules, &request, pick)?;
    if json {
        out::json(&ban);
    } else {
        out::print(&format!("banned: {}\n", line(&ban, ban.since, Paint::of_stdout())));
    }
    Ok(0)
}

fn text(list: &BanList, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    for ban in &list.bans {
        let _ = writeln!(out, "{}", line(ban, now, paint));
    }
    let _ = match list.count {
        0 => writeln!(out, "nobody is banned"),
        n if n > list.bans.len() => writeln!(out, "{}, of which these are the last", count(n, "ban")),
        n => writeln!(out, "{}", count(n, "ban")),
    };
    out
}

fn line(ban: &BanReport, now: i64, paint: Paint) -> String {
    let whom = ban.whom();
    let left = duration(u64::try_from(ban.until - now).unwrap_or(0));
    let until = rfc3339(ban.until.saturating_mul(1000));
    let by = match (ban.by, ban.count) {
        (By::Hand, _) => "by hand".to_owned(),
        (By::Points, n) => format!("ban {n}"),
    };
    // An admin's words may come from elsewhere.
    let why = crate::mail::escape(ban.why.as_bytes());
    format!("{}  {left} left, until {until}, {by}: {why}", paint.ink(Ink::Title, &format!("{whom:<24}")))
}

fn lifted_text(lifted: &BansLifted, net: Option<&str>) -> String {
    let mut out = match (lifted.lifted, net) {
        (0, Some(net)) => format!("no ban of {net} or within it is in force\n"),
        (0, None) => "nobody is banned\n".to_owned(),
        (n, _) => format!("{} lifted\n", count(n, "ban")),
    };
    if let Some(around) = lifted.around {
        let _ =
            writeln!(out, "still banned as part of {around}: `portcullis bans lift {around}` ends that ban");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_says_whom_how_long_and_why() {
        let ban = r#"{"net":"192.0.2.1/32","since":0,"until":1800,"remembered":9000,"count":2,"by":"points",
            "why":"early-talk 40, auth-failure 60"}"#;
        let hand = r#"{"net":"2001:db8::/64","since":0,"until":3600,"remembered":9000,"count":1,"by":"hand",
            "why":"a\u001b[2J"}"#;
        let bans = [ban, hand].map(|text| serde_json::from_str(text).unwrap()).to_vec();
        let said = text(&BanList { bans, count: 7 }, 60, Paint::none());
        assert_eq!(
            said,
            "192.0.2.1                 29 min left, until 1970-01-01T00:30:00.000Z, ban 2: early-talk 40, auth-failure 60\n\
             2001:db8::/64             59 min left, until 1970-01-01T01:00:00.000Z, by hand: a\\x1b[2J\n\
             7 bans, of which these are the last\n"
        );
        assert_eq!(text(&BanList { bans: Vec::new(), count: 0 }, 0, Paint::none()), "nobody is banned\n");
    }

    #[test]
    fn a_lift_says_what_stays() {
        let of =
            |lifted, around: Option<&str>| BansLifted { lifted, around: around.map(|n| n.parse().unwrap()) };
        assert_eq!(lifted_text(&of(2, None), None), "2 bans lifted\n");
        let said = lifted_text(&of(0, Some("192.0.2.0/24")), Some("192.0.2.1"));
        assert!(
            said.contains("no ban of 192.0.2.1") && said.contains("`portcullis bans lift 192.0.2.0/24`"),
            "{said}"
        );
    }

    #[test]
    fn times_are_durations() {
        assert_eq!(time("2h"), Ok(Duration::from_hours(2)));
        for text in ["0s", "100ms", "2", "2 h", "forever", "9999d"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
