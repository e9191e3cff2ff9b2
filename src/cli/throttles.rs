//! `portcullis throttles`: who is throttled, why, since when and until when; lift a throttle.

use super::asking::question;
use super::exit::NOTHING;
use super::out::{self, Ink, Paint, count, duration};
use crate::control::{Answer, Request, ThrottleList};
use crate::limits::ThrottleReport;
use crate::mail::rfc3339;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Who is throttled, by which throttle, why, since when and until when; the newest first
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Forget what was counted, so that it begins at nothing
    Lift {
        /// Whose: alice@example.com, or "sender alice@example.com" as the list has it
        #[arg(value_name = "WHO", required_unless_present_any = ["all", "throttle"])]
        subject: Option<String>,
        /// Of this throttle only
        #[arg(long, value_name = "NAME")]
        throttle: Option<String>,
        /// Everybody's, of all throttles
        #[arg(long, conflicts_with_all = ["subject", "throttle"])]
        all: bool,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List { json } => list(rules, *json),
        What::Lift { subject, throttle, all, json } => {
            let (subject, throttle) = (subject.clone(), throttle.clone());
            lift(rules, &Request::ThrottlesLift { subject, throttle, all: *all }, *json)
        }
    };
    done.map_or_else(ExitCode::from, ExitCode::from)
}

fn list(rules: &Path, json: bool) -> Result<u8, u8> {
    let pick = |answer| if let Answer::Throttles(list) = answer { Some(list) } else { None };
    let list = question(rules, &Request::Throttles {}, pick)?;
    if json {
        out::json(&list);
    } else {
        out::print(&text(&list, Timestamp::now().as_second(), Paint::of_stdout()));
    }
    Ok(0)
}

fn lift(rules: &Path, request: &Request, json: bool) -> Result<u8, u8> {
    let pick = |answer| if let Answer::ThrottlesLifted(lifted) = answer { Some(lifted) } else { None };
    let lifted = question(rules, request, pick)?;
    if json {
        out::json(&lifted);
    } else if lifted.is_empty() {
        out::print("no such throttle is in force\n");
    } else {
        let all: String =
            lifted.iter().map(|t| format!("lifted: {} ({})\n", shown(&t.subject), t.throttle)).collect();
        out::print(&all);
    }
    Ok(if lifted.is_empty() { NOTHING } else { 0 })
}

/// Subjects are words of peers.
fn shown(subject: &str) -> String {
    crate::mail::escape(subject.as_bytes())
}

fn text(list: &ThrottleList, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    for report in &list.throttles {
        let _ = writeln!(out, "{}", line(report, now, paint));
    }
    let _ = match list.count {
        0 => writeln!(out, "nobody is throttled"),
        n if n > list.throttles.len() => {
            writeln!(out, "{}, of which these are the last", count(n, "throttle"))
        }
        n => writeln!(out, "{}", count(n, "throttle")),
    };
    out
}

fn line(report: &ThrottleReport, now: i64, paint: Paint) -> String {
    let ThrottleReport { throttle, subject, why, since, until, enforced } = report;
    let left = duration(u64::try_from(until - now).unwrap_or(0));
    let (since, until) = (rfc3339(since.saturating_mul(1000)), rfc3339(until.saturating_mul(1000)));
    let told = if *enforced { "" } else { " (only logged)" };
    format!(
        "{}  {why} ({throttle}){told}, since {since}, until {until}: {left} left",
        paint.ink(Ink::Title, &shown(subject))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_says_who_why_since_and_until() {
        let report = r#"{"throttle":"per-user","subject":"user alice","why":"messages 500/1h","since":60,
            "until":3600,"enforced":false}"#;
        let throttles = vec![serde_json::from_str(report).unwrap()];
        let said = text(&ThrottleList { throttles, count: 1 }, 1800, Paint::none());
        assert_eq!(
            said,
            "user alice  messages 500/1h (per-user) (only logged), since 1970-01-01T00:01:00.000Z, \
             until 1970-01-01T01:00:00.000Z: 30 min left\n1 throttle\n"
        );
        let none = ThrottleList { throttles: Vec::new(), count: 0 };
        assert_eq!(text(&none, 0, Paint::none()), "nobody is throttled\n");
    }
}
