//! `portcullis top`: who sends most now, and the command that stops it; and away with what a source left here.

use super::items::{Bulk, plain};
use super::out::{self, Ink, Paint, count, octets};
use super::sweep;
use super::{act, asked};
use crate::control::{Answer, Request};
use crate::records::{By, Row, Sort, TopReport, Window};
use crate::rules::Sweep;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How often a terminal is refreshed.
const REFRESH: Duration = Duration::from_secs(2);
/// Home, and nothing below it.
const CLEAR: &str = "\x1b[H\x1b[J";
/// Longest name of a source in a table, in characters.
const NAME_CHARS: usize = 48;

/// Options of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portcullis top --by sender --window 1h\n  \
    portcullis top --by sender spammer@bad.example --sweep delete --dry-run")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Options {
    /// What sources are told apart by
    #[arg(long, default_value = "ip", value_parser = words::<By>(&["ip", "prefix", "sender", "sender-domain", "recipient", "recipient-domain", "rule"]))]
    by: By,
    /// How far back is counted; "all" is since the start
    #[arg(long, default_value = "5m", value_parser = words::<Window>(&["1m", "5m", "1h", "24h", "all"]))]
    window: Window,
    /// What is sorted by; growth is against the source's own past
    #[arg(long, default_value = "messages", value_parser = words::<Sort>(&["messages", "connections", "refused", "bytes", "growth"]))]
    sort: Sort,
    /// How many are shown
    #[arg(short = 'n', default_value_t = 20, value_name = "ROWS")]
    rows: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print once, also on a terminal
    #[arg(long)]
    once: bool,
    /// One source of the table, as it stands there and as --by tells sources apart
    #[arg(value_name = "SOURCE", requires = "sweep")]
    source: Option<String>,
    /// Put what that source has in quarantine and spool into the trash, or into a folder; `portcullis block SOURCE
    /// --sweep delete` does so as long as the block stands
    #[arg(long, value_name = "delete|move=FOLDER", value_parser = Sweep::parse, requires = "source")]
    sweep: Option<Sweep>,
    /// With --sweep: say what would be done, and do nothing
    #[arg(long, requires = "sweep")]
    dry_run: bool,
    /// With --sweep: do not ask, however many messages it is
    #[arg(short, long, requires = "sweep")]
    yes: bool,
}

/// A parser of the words that the control protocol uses too.
fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    all: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all).try_map(|word| serde_json::from_value(serde_json::Value::String(word)))
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let Options { by, window, sort, rows, json, once, dry_run, yes, .. } = *options;
    if let (Some(source), Some(sweep)) = (&options.source, &options.sweep) {
        return sweep::run(rules, by, source, sweep, &Bulk { dry_run, yes, json });
    }
    let request = Request::Top { by, window, sort, rows };
    let live = !once && !json && std::io::stdout().is_terminal();
    loop {
        let report = match asked::gateway(rules, &request) {
            Ok(Answer::Top(report)) => report,
            Ok(_) => return asked::other_answer(),
            Err(code) => return code,
        };
        if json {
            out::json(&report);
            return ExitCode::SUCCESS;
        }
        let table = table(&report, sort, Paint::of_stdout());
        if !live {
            out::print(&table);
            return ExitCode::SUCCESS;
        }
        out::exactly(CLEAR);
        out::print(&format!("{table}\nevery {} s; Ctrl-C ends it\n", REFRESH.as_secs()));
        std::thread::sleep(REFRESH);
    }
}

fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn table(report: &TopReport, sort: Sort, paint: Paint) -> String {
    let mut text = String::new();
    let window = match report.window {
        Window::All => "since the start".to_owned(),
        Window::Minute | Window::FiveMinutes | Window::Hour | Window::Day => {
            format!("last {}", word(&report.window))
        }
    };
    let title = format!("{} by {}, {window}", word(&sort), word(&report.by));
    let mut all = count(report.sources, "source");
    if report.evicted > 0 {
        let _ = write!(all, ", {} quiet ones forgotten", report.evicted);
    }
    let _ = writeln!(text, "{}   {}", paint.ink(Ink::Title, &title), paint.ink(Ink::Faint, &all));
    if report.rows.is_empty() {
        text.push_str("nothing yet\n");
        return text;
    }
    let name = |row: &Row| plain(&row.key).chars().count().min(NAME_CHARS);
    let width = report.rows.iter().map(name).max().unwrap_or(0).max(6);
    let messages = if report.by == By::Rule { "found" } else { "messages" };
    let head = format!(
        "{messages:>9} {:>9} {:>9} {:>11} {:>8}  {:<width$}  to act",
        "connects", "refused", "octets", "growth", "source"
    );
    let _ = writeln!(text, "{}", paint.ink(Ink::Faint, &head));
    for row in &report.rows {
        line(&mut text, report.by, row, width, paint);
    }
    text
}

fn line(text: &mut String, by: By, row: &Row, width: usize, paint: Paint) {
    let key = plain(&row.key);
    let mut name: String = key.chars().take(NAME_CHARS).collect();
    if key.chars().count() > NAME_CHARS {
        name.pop();
        name.push('…');
    }
    let act = act::on(by, &row.key, row.sample.as_deref()).unwrap_or_default();
    let growth = format!("x{:.1}", row.growth);
    let growth = format!("{growth:>8}");
    let growth = if row.growth >= 10.0 { paint.ink(Ink::Warn, &growth) } else { growth };
    let c = row.counts;
    let _ = writeln!(
        text,
        "{:>9} {:>9} {:>9} {:>11} {growth}  {name:<width$}  {}",
        c.messages,
        c.connections,
        c.refused,
        octets(c.octets),
        paint.ink(Ink::Faint, &act)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Counts;

    #[test]
    fn each_row_says_what_to_do() {
        let counts = Counts { connections: 3, messages: 500, refused: 2, octets: 5 << 20 };
        let row = |key: &str, growth| Row {
            key: key.into(),
            since: 0,
            counts,
            growth,
            windows: [counts; 5],
            sample: Some("7F3K9QAB".into()),
        };
        let rows = vec![row("192.0.2.7", 12.34), row(&"x".repeat(60), 1.0)];
        let report = TopReport { by: By::Ip, window: Window::FiveMinutes, sources: 2, evicted: 7, rows };
        let text = table(&report, Sort::Growth, Paint::none());
        assert!(text.starts_with("growth by ip, last 5m   2 sources, 7 quiet ones forgotten\n"), "{text}");
        let line = text.lines().nth(2).unwrap();
        let parts: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(parts[..7], ["500", "3", "2", "5.0", "MiB", "x12.3", "192.0.2.7"]);
        assert!(line.ends_with("portcullis block 192.0.2.7 --for 2h"), "{line}");
        assert!(text.contains(&format!("{}…", "x".repeat(47))), "{text}");
        let empty = TopReport { rows: Vec::new(), ..report };
        assert!(table(&empty, Sort::Messages, Paint::none()).ends_with("nothing yet\n"));
    }
}
