//! `quarantine stats`

use crate::cli::asked;
use crate::cli::items::{Asker, ago, plain};
use crate::cli::out::{self, Ink, Paint, duration, octets};
use crate::desk::{Answer, Request};
use crate::vault::{FolderStats, Stats};
use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// A folder that is full so soon is marked.
const SOON_SECONDS: u64 = 3 * 86_400;
/// One that is full in so many years is not worth a figure.
const LONG_SECONDS: u64 = 5 * 365 * 86_400;
/// Rules and days that are shown; JSON has all.
const SHOWN: usize = 10;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let Answer::Stats(stats) = Asker::find(rules)?.one(Request::Stats {})? else {
        return Err(asked::other_answer());
    };
    if options.json {
        out::json(&*stats);
    } else {
        out::print(&text(&stats, Timestamp::now().as_millisecond(), Paint::of_stdout()));
    }
    Ok(0)
}

fn text(stats: &Stats, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["folder", "messages", "size", "last day", "trash", "oldest", "full", "full in"]);
    for folder in &stats.folders {
        table.add_row(cells(folder, now));
    }
    for at in [1, 2, 3, 4, 6] {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (at, line) in table.to_string().lines().enumerate() {
        let folder = at.checked_sub(1).and_then(|at| stats.folders.get(at));
        let soon = folder.and_then(|f| f.seconds_to_full).is_some_and(|s| s < SOON_SECONDS);
        let line = line.trim_end();
        let line = match (at, soon) {
            (0, _) => paint.ink(Ink::Faint, line),
            (_, true) => paint.ink(Ink::Warn, line),
            (_, false) => line.to_owned(),
        };
        let _ = writeln!(out, "{line}");
    }
    if !stats.rules.is_empty() {
        let _ = writeln!(out, "\n{}", paint.ink(Ink::Title, "by rule"));
        for (rule, n) in stats.rules.iter().take(SHOWN) {
            let _ = writeln!(out, "{n:>10}  {}", plain(rule));
        }
    }
    if !stats.days.is_empty() {
        let _ = writeln!(out, "\n{}", paint.ink(Ink::Title, "by day (UTC)"));
        for (day, n, size) in stats.days.iter().take(SHOWN) {
            let _ = writeln!(out, "{n:>10}  {day}  {}", octets(*size));
        }
    }
    let _ = writeln!(out, "\n{} different bodies, {} on disk", stats.bodies, octets(stats.disk_octets));
    out
}

fn cells(folder: &FolderStats, now: i64) -> [String; 8] {
    [
        plain(&folder.folder),
        folder.items.to_string(),
        octets(folder.octets),
        format!("+{}", folder.day_items),
        folder.trash.to_string(),
        folder.oldest_ms.map(|ms| ago(ms, now)).unwrap_or_default(),
        full(folder),
        folder.seconds_to_full.filter(|seconds| *seconds < LONG_SECONDS).map(duration).unwrap_or_default(),
    ]
}

/// Of the cap that is nearer.
fn full(folder: &FolderStats) -> String {
    let part = |now: u64, most: Option<u64>| most.filter(|m| *m > 0).map(|m| now.saturating_mul(100) / m);
    let shares = [part(folder.items, folder.max_items), part(folder.octets, folder.max_octets)];
    shares.into_iter().flatten().max().map(|percent| format!("{percent} %")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_what_is_there_and_when_it_is_full() {
        let folder = FolderStats {
            folder: "spam".into(),
            items: 900,
            octets: 1 << 30,
            trash: 3,
            oldest_ms: Some(0),
            day_items: 50,
            day_octets: 0,
            max_items: Some(1000),
            max_octets: Some(10 << 30),
            seconds_to_full: Some(2 * 86_400),
        };
        let stats = Stats {
            folders: vec![folder],
            rules: vec![("dns-list".into(), 7)],
            days: vec![("2026-11-21".into(), 5, 2048)],
            bodies: 12,
            disk_octets: 4096,
        };
        let said = text(&stats, 3_600_000, Paint::none());
        for part in [
            "spam",
            "900",
            "1.0 GiB",
            "+50",
            "1 h ago",
            "90 %",
            "2 d",
            "dns-list",
            "2026-11-21  2.0 KiB",
            "12 different",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
