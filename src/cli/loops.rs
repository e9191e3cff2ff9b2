//! `portcullis loops`: mail that goes round in circles.

use super::exit::NOTHING;
use super::items::plain;
use super::out::{self, Ink, Paint, duration};
use super::{act, asked};
use crate::control::{Answer, Request};
use crate::mail::rfc3339;
use crate::records::{By, Loop, LoopReport};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let report = match asked::gateway(rules, &Request::Loops {}) {
        Ok(Answer::Loops(report)) => report,
        Ok(_) => return asked::other_answer(),
        Err(code) => return code,
    };
    if options.json {
        out::json(&report);
    } else {
        out::print(&text(&report, Paint::of_stdout()));
    }
    if report.loops.is_empty() { NOTHING.into() } else { ExitCode::SUCCESS }
}

fn text(report: &LoopReport, paint: Paint) -> String {
    if report.loops.is_empty() {
        return format!(
            "no loops: no message came {} times within a day to the same recipient\n",
            report.sightings
        );
    }
    let blocks: Vec<String> = report.loops.iter().map(|l| block(l, paint)).collect();
    blocks.join("\n")
}

fn block(found: &Loop, paint: Paint) -> String {
    let mut text = String::new();
    let over = u64::try_from((found.last_unix_ms - found.first_unix_ms) / 1000).unwrap_or(0);
    let guarded = if found.guarded { ", refused by the loop guard at last" } else { "" };
    let title = format!("{} times within {}{guarded}", found.count, duration(over));
    let _ = writeln!(text, "{}", paint.ink(Ink::Title, &title));
    let mut row = |name: &str, words: &str| {
        let _ = writeln!(text, "  {name:<10} {}", plain(words));
    };
    row("recipient", &found.recipient);
    row("from", &found.from);
    row("message-id", found.message_id.as_deref().unwrap_or("none: known by sender and subject"));
    if let Some(subject) = &found.subject {
        row("subject", subject);
    }
    let clients: Vec<String> = found.clients.iter().map(ToString::to_string).collect();
    row("clients", &clients.join(", "));
    row("first", &format!("{}  portcullis explain {}", rfc3339(found.first_unix_ms), found.first));
    row("last", &format!("{}  portcullis explain {}", rfc3339(found.last_unix_ms), found.last));
    let recipient = found.recipient.trim_start_matches('<').trim_end_matches('>');
    if let Some(act) = act::on(By::Recipient, recipient, None) {
        row("to act", &act);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_told_with_its_first_and_last_message() {
        let found = Loop {
            message_id: Some("<1@x>".into()),
            subject: None,
            from: "<a@example.com>".into(),
            recipient: "<b@example.net>".into(),
            count: 12,
            clients: vec!["192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap()],
            first_unix_ms: 0,
            last_unix_ms: 90_000,
            first: "7F3K9QAB".into(),
            last: "7F3K9QAC".into(),
            guarded: true,
        };
        let told = text(&LoopReport { sightings: 5, loops: vec![found] }, Paint::none());
        for words in [
            "12 times within 1 min 30 s, refused by the loop guard at last\n",
            "  clients    192.0.2.7, 192.0.2.8\n",
            "1970-01-01T00:01:30.000Z  portcullis explain 7F3K9QAC\n",
            "  to act     portcullis block rcpt:b@example.net --for 2h\n",
        ] {
            assert!(told.contains(words), "{words:?} in\n{told}");
        }
        assert!(text(&LoopReport { sightings: 5, loops: vec![] }, Paint::none()).starts_with("no loops"));
    }
}
