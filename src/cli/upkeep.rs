//! What `status` says of quarantine, spool and disks: figures, and one line that names what is slow or full and since
//! when.

use super::out::{Ink, Paint, count, duration, octets};
use crate::desk::{NotNoted, UnnotedReport};
use crate::downstream::{Reduced, Report};
use crate::gateway::{Level, Status, Volume};
use crate::mail::rfc3339;
use crate::vault::{RebuildReport, VaultReport};

/// Changes that are durable and not in files yet, from which on it is worth a word.
const BEHIND: u64 = 1000;

/// Rows: a name and words.
pub(super) fn rows(status: &Status, now: i64, paint: Paint) -> Vec<(&'static str, String)> {
    let VaultReport { items, spooled, held, damaged, damaged_count, behind: _, canary, troubles, rebuild } =
        &status.vault;
    let mut rows =
        vec![("quarantine", format!("{items} messages; {held} held, {spooled} wait to be delivered"))];
    let slow = slow_or_full(status, now);
    if !slow.is_empty() {
        rows.push(("slow or full", paint.ink(Ink::Warn, &slow.join("; "))));
    }
    let away: Vec<&str> = status.downstreams.iter().filter(|d| is_away(d)).map(|d| d.name.as_str()).collect();
    if !away.is_empty() {
        let words = format!("downstream {} does not answer", away.join(", "));
        rows.push(("AWAY", paint.ink(Ink::Bad, &words)));
    }
    if status.unnoted.count > 0 {
        rows.push(("NOT NOTED", paint.ink(Ink::Bad, &unnoted(&status.unnoted, now))));
    }
    if *damaged_count > 0 {
        let names = damaged.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let words = format!("{damaged_count} files of the quarantine: {names}");
        rows.push(("DAMAGED", paint.ink(Ink::Bad, &words)));
    }
    if let Some(found) = canary {
        let words = format!("something else touches the files of the quarantine: {found}");
        rows.push(("CANARY", paint.ink(Ink::Bad, &words)));
    }
    if let Some(rebuild) = rebuild {
        rows.push(("index", paint.ink(Ink::Warn, &anew(rebuild, now))));
    }
    rows.extend(troubles.iter().map(|trouble| ("trouble", paint.ink(Ink::Bad, trouble))));
    rows
}

/// Whether none of its addresses answered when it was asked last.
fn is_away(downstream: &Report) -> bool {
    !downstream.addresses.is_empty() && downstream.addresses.iter().all(|one| !one.healthy)
}

/// What was delivered and may be delivered again.
fn unnoted(report: &UnnotedReport, now: i64) -> String {
    let each = |n: &NotNoted| {
        let time = duration(u64::try_from((now - n.since_unix_ms) / 1000).unwrap_or(0));
        format!("{} for {time} ({})", n.message, n.why)
    };
    let named: Vec<String> = report.first.iter().map(each).collect();
    format!(
        "{} delivered, and that cannot be written: {}; make room before the gateway is stopped, else they are delivered twice",
        count(report.count, "message"),
        named.join(", ")
    )
}

/// How far the index is, and how often it was tried.
fn anew(rebuild: &RebuildReport, now: i64) -> String {
    let RebuildReport { items, running, failures, error: _, since_unix_ms } = rebuild;
    let doing = if *running { "being made anew" } else { "not complete" };
    let mut words = format!("{doing}, {items} messages so far");
    if let Some(since) = since_unix_ms {
        let age = duration(u64::try_from((now - since) / 1000).unwrap_or(0));
        let times = if *failures == 1 { "once".to_owned() } else { format!("{failures} times") };
        words.push_str(&format!("; failed {times} for {age}, since {}", rfc3339(*since)));
    }
    words
}

/// What is slow or full, each with its time.
fn slow_or_full(status: &Status, now: i64) -> Vec<String> {
    let for_time = |since: i64| format!("for {}", duration(u64::try_from((now - since) / 1000).unwrap_or(0)));
    let mut out = Vec::new();
    for volume in &status.volumes {
        let Volume { holds, path, free, level, since_unix_ms } = volume;
        let what = match level {
            Level::Good => continue,
            Level::Low => "low on space",
            Level::Full => "FULL, mail is put off (452)",
        };
        let (path, holds, free) = (path.display(), holds.join(", "), octets(*free));
        out.push(format!("{path} ({holds}) is {what}, {free} free, {}", for_time(*since_unix_ms)));
    }
    for near in &status.near_full {
        out.push(format!(
            "folder {} is {} % full {}",
            near.folder,
            near.percent,
            for_time(near.since_unix_ms)
        ));
    }
    for pool in &status.downstreams {
        // Away is not slow, and neither is who is back.
        let slow = |reduced: &&Reduced| !reduced.recovering && !is_away(pool);
        if let Some(reduced) = pool.reduced.as_ref().filter(slow) {
            out.push(format!("downstream {} is slow {}", pool.name, for_time(reduced.since_unix_ms)));
        }
    }
    if status.vault.behind > BEHIND {
        out.push(format!("the files of the quarantine are {} changes behind", status.vault.behind));
    }
    out
}
