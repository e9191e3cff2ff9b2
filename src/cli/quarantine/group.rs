//! `quarantine group`: near-identical messages.

use crate::cli::asked;
use crate::cli::exit::NOTHING;
use crate::cli::items::{Asker, Words, ago, json_row, pick, plain};
use crate::cli::out::{self, Ink, Paint, octets};
use crate::desk::{Answer, Request};
use crate::mail::rfc3339;
use crate::vault::{Group, Scope};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// Groups at most
    #[arg(short = 'n', long, default_value_t = 20, value_name = "GROUPS")]
    rows: usize,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = pick(&options.words, Scope::Quarantine, false)?;
    let request = Request::Group { pick, most: options.rows.max(1) };
    let Answer::Groups { groups, of } = Asker::find(rules)?.one(request)? else {
        return Err(asked::other_answer());
    };
    if groups.is_empty() {
        complain!("portcullis: {}", none(of));
        return Ok(NOTHING);
    }
    if options.json {
        for group in &groups {
            out::json_line(&serde_json::json!({
                "messages": group.count, "octets": group.octets, "senders": group.senders, "clients": group.clients,
                "first": rfc3339(group.first_ms), "last": rfc3339(group.last_ms), "sample": json_row(&group.sample),
            }));
        }
    } else {
        out::print(&text(&groups, of, Timestamp::now().as_millisecond(), Paint::of_stdout()));
    }
    Ok(0)
}

fn none(of: u64) -> String {
    match of {
        0 => "no message matches".into(),
        1 => "one message matches".into(),
        _ => format!("no two of {of} messages are near-identical"),
    }
}

fn text(groups: &[Group], of: u64, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    for group in groups {
        let sample = &group.sample;
        let subject =
            if sample.subject.is_empty() { "(no subject)".to_owned() } else { plain(&sample.subject) };
        let _ = writeln!(out, "{}  {subject}", paint.ink(Ink::Title, &format!("{:>8} x", group.count)));
        let from = if sample.from.is_empty() { "<>".into() } else { plain(&sample.from) };
        let _ = writeln!(
            out,
            "            {} (such as {from}), {}, {}, the last one {}",
            many(group.senders, "sender"),
            many(group.clients, "client"),
            octets(group.octets),
            ago(group.last_ms, now)
        );
        let _ = writeln!(
            out,
            "            {}",
            paint.ink(Ink::Faint, &format!("list, release or delete: like:{}", sample.id))
        );
    }
    let shown: u64 = groups.iter().map(|g| g.count).sum();
    let _ = writeln!(out, "{} shown, {shown} of {of} messages", many(groups.len() as u64, "group"));
    out
}

fn many(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_how_to_act_on_it() {
        let sample = r#"{"id":"7F3K9QAB","folder":"spam","state":"kept","from":"","to":[],"recipients":1,"subject":"buy\u001b[2J",
            "size":1,"received_ms":0,"reason":"","rule":"","ref":"7F3K9QAC"}"#;
        let group = Group {
            count: 4000,
            octets: 2048,
            senders: 7,
            clients: 3,
            first_ms: 0,
            last_ms: 0,
            sample: serde_json::from_str(sample).unwrap(),
        };
        let said = text(&[group], 5000, 60_000, Paint::none());
        for part in [
            "    4000 x  buy\\x1b[2J",
            "7 senders (such as <>), 3 clients, 2.0 KiB",
            "like:7F3K9QAB",
            "4000 of 5000",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
