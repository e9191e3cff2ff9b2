//! `portcullis blocks list`: the entries of the lists that `[access]` names, in the order of the files.

use super::options::List;
use crate::cli::exit::REFUSED;
use crate::cli::out::{self, Ink, Paint, count};
use crate::config::{self, Moment};
use crate::mail::{escape, rfc3339};
use crate::rules::edit::{Written, entries};
use crate::rules::{BlockAction, Mode};
use crate::verdict::Direction;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

/// A list for `--json`.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    /// `block` or `allow`.
    list: &'static str,
    entries: Vec<Entry>,
}

/// All of them.
#[derive(Debug, Serialize)]
struct All {
    lists: Vec<Shown>,
}

/// An entry for `--json`; what is not set is left out.
#[derive(Debug, Serialize)]
struct Entry {
    line: u32,
    about: &'static str,
    entry: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    exception: bool,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<BlockAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    auth_any: bool,
}

/// Runs the verb.
pub(in crate::cli) fn list(rules: &Path, options: &List) -> ExitCode {
    match read(rules, options, Timestamp::now().as_second()) {
        Ok(all) if options.json => out::json(&all),
        Ok(all) => out::print(&text(&all, Paint::of_stdout())),
        Err(error) => {
            complain!("portcullis: {error}");
            return REFUSED.into();
        }
    }
    ExitCode::SUCCESS
}

fn read(rules: &Path, options: &List, now: i64) -> Result<All, String> {
    let (policy, _) = config::load(rules, Moment::at(now));
    let files: Vec<(String, &'static str)> = match &policy {
        Some(policy) => {
            let block = policy.protocol.block.iter().map(|list| (list.file.to_string(), "block"));
            block.chain(policy.protocol.allow.iter().map(|list| (list.file.to_string(), "allow"))).collect()
        }
        // With mistakes in the rules it is not known which lists they name.
        None => [("blocks", "block"), ("allow", "allow")]
            .map(|(name, list)| (config::list_file(name), list))
            .into(),
    };
    let mut lists = Vec::new();
    for (file, list) in files {
        let text = match fs::read_to_string(rules.join(&file)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{file} cannot be read: {error}")),
        };
        let wanted = entries(&text).filter(|entry| !options.expired || entry.expired(now));
        let entries = wanted.map(|entry| shown(&entry, list, now)).collect();
        lists.push(Shown { file, list, entries });
    }
    Ok(All { lists })
}

fn shown(entry: &Written<'_>, list: &str, now: i64) -> Entry {
    let about = &entry.attributes;
    let date = |seconds: i64| rfc3339(seconds.saturating_mul(1000));
    Entry {
        line: entry.line,
        about: entry.kind.prefix(),
        entry: entry.pattern.to_owned(),
        exception: entry.exception,
        mode: about.mode,
        action: (list == "block" && !entry.exception).then_some(about.action),
        sweep: about.sweep.as_ref().map(ToString::to_string),
        dir: about.dir.map(|dir| match dir {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
        }),
        until: about.until.map(date),
        expired: entry.expired(now),
        created: about.created.map(date),
        by: about.by.as_deref().map(str::to_owned),
        note: about.note.as_deref().map(str::to_owned),
        auth_any: about.auth_any,
    }
}

fn text(all: &All, paint: Paint) -> String {
    let mut out = String::new();
    for list in &all.lists {
        let title = format!("{} ({}, {})", list.file, list.list, count(list.entries.len(), "line"));
        let _ = writeln!(out, "{}", paint.ink(Ink::Title, &title));
        for entry in &list.entries {
            row(&mut out, entry, paint);
        }
    }
    if all.lists.is_empty() {
        out.push_str("there is no block or allow list yet\n");
    }
    out
}

fn row(out: &mut String, entry: &Entry, paint: Paint) {
    let what = format!("{}{}", if entry.exception { "!" } else { "" }, escape(entry.entry.as_bytes()));
    let mut words: Vec<String> = Vec::new();
    words.extend(entry.action.map(|action| match action {
        BlockAction::Reject => "reject".to_owned(),
        BlockAction::Tempfail => "tempfail".to_owned(),
        BlockAction::Drop => "drop".to_owned(),
        BlockAction::Quarantine => "quarantine".to_owned(),
    }));
    match entry.mode {
        Mode::On => {}
        Mode::Log => words.push("only told".to_owned()),
        Mode::Off => words.push("off".to_owned()),
    }
    words.extend(entry.sweep.as_deref().map(|sweep| format!("sweeps ({sweep})")));
    words.extend(entry.dir.map(str::to_owned));
    words.extend(entry.auth_any.then(|| "for anybody who claims it".to_owned()));
    let over = if entry.expired { "over since" } else { "until" };
    words.extend(entry.until.as_deref().map(|until| format!("{over} {until}")));
    words.extend(entry.by.as_deref().map(|by| format!("by {}", escape(by.as_bytes()))));
    words.extend(entry.note.as_deref().map(|note| format!("“{}”", escape(note.as_bytes()))));
    let words = words.join(", ");
    let words = if entry.expired { paint.ink(Ink::Faint, &words) } else { words };
    let line = format!("{:>6}  {:<12} {what:<34} {words}", entry.line, entry.about);
    let _ = writeln!(out, "{}", line.trim_end());
}
