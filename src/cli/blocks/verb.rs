//! The verbs.

use super::preview::{Report, preview};
use crate::cli::asked;
use crate::cli::exit::NOTHING;
use crate::cli::lists;
use crate::cli::out::{self, Ink, Paint};
use crate::rules::{edit::Typed, parse_duration};
use crate::verdict::Direction;
use clap::ValueEnum;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The verbs.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the entries of the block and allow lists
    List(lists::List),
    /// Say what an entry would have hit in the recent past
    Preview(Preview),
}

#[derive(Debug, clap::Args)]
struct Preview {
    /// As in a list: 192.0.2.0/24, spammer@x.example, x.example, ehlo:localhost, rcpt:bob@example.net
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// How far back is looked; records may not reach so far
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = |text: &str| parse_duration(text))]
    since: Duration,
    /// Only mail of this direction
    #[arg(long)]
    dir: Option<Dir>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dir {
    In,
    Out,
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    match &options.verb {
        Verb::List(options) => lists::list(rules, options),
        Verb::Preview(options) => run_preview(rules, options),
    }
}

fn run_preview(rules: &Path, options: &Preview) -> ExitCode {
    let entry = match Typed::parse(&options.entry) {
        Ok(entry) => entry,
        Err(words) => return asked::refused(&format!("\"{}\" is no entry: {words}", options.entry)),
    };
    if let Some(warning) = entry.warning() {
        complain!("portcullis: {warning}");
    }
    let dir = match asked::folder(rules) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    let direction = options.dir.map(|dir| match dir {
        Dir::In => Direction::Inbound,
        Dir::Out => Direction::Outbound,
    });
    let now = Timestamp::now().as_millisecond();
    let since = now.saturating_sub(i64::try_from(options.since.as_millis()).unwrap_or(i64::MAX));
    let report = match preview(&dir, &entry, direction, since, now) {
        Ok(report) => report,
        Err(error) => return asked::unreadable(&dir, &error),
    };
    if options.json {
        out::json(&report);
    } else {
        out::print(&text(&report, Paint::of_stdout()));
    }
    if report.messages + report.connections == 0 { NOTHING.into() } else { ExitCode::SUCCESS }
}

fn text(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    let title = format!("{} since {}", report.entry, report.since);
    let _ = writeln!(out, "{}", paint.ink(Ink::Title, &title));
    let mut row = |name: &str, words: &str| {
        let _ = writeln!(out, "  {name:<12} {words}");
    };
    if report.since.is_empty() {
        row("records", "none in that time");
        return out;
    }
    let hit = format!("{} of {} would have been hit", report.messages, report.looked_at);
    row("messages", &hit);
    if report.messages > 0 {
        row("refused", &format!("{} of them were refused all the same", report.refused));
        let clean = format!("{} of them, {} without a word against them", report.delivered, report.clean);
        let clean = if report.clean > 0 { paint.ink(Ink::Warn, &clean) } else { clean };
        row("delivered", &clean);
    }
    if report.outbound > 0 {
        let words = format!("{} of them are mail of your own people", report.outbound);
        row("outbound", &paint.ink(Ink::Warn, &words));
    }
    row("connections", &report.connections.to_string());
    let names = |all: &[(String, u64)]| {
        all.iter().map(|(name, n)| format!("{name} ({n})")).collect::<Vec<_>>().join(", ")
    };
    for (name, all) in [("senders", &report.senders), ("clients", &report.clients)] {
        if !all.is_empty() {
            row(name, &names(all));
        }
    }
    match &report.written_to[..] {
        [] => row("written to", "none of them by your own people"),
        all => row("written to", &paint.ink(Ink::Warn, &format!("by your own people: {}", names(all)))),
    }
    if report.damaged > 0 {
        row("damaged", &format!("{} lines of the records cannot be read", report.damaged));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collateral_is_told() {
        let report = Report {
            entry: "192.0.2.0/24".into(),
            since: "2026-11-01T00:00:00.000Z".into(),
            looked_at: 1000,
            messages: 312,
            refused: 300,
            delivered: 12,
            clean: 11,
            connections: 400,
            senders: vec![("a@x".into(), 300), ("b@y".into(), 12)],
            written_to: vec![("b@y".into(), 4)],
            ..Report::default()
        };
        let told = text(&report, Paint::none());
        for words in [
            "192.0.2.0/24 since 2026-11-01T00:00:00.000Z\n",
            "312 of 1000 would have been hit\n",
            "12 of them, 11 without a word against them\n",
            "a@x (300), b@y (12)\n",
            "by your own people: b@y (4)\n",
        ] {
            assert!(told.contains(words), "{words:?} in\n{told}");
        }
        assert!(!told.contains("outbound"));
        assert!(text(&Report::default(), Paint::none()).contains("none in that time"));
    }
}
