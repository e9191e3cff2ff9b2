//! `portcullis status`: how the running gateway is.

use super::out::{self, Ink, Paint, count, duration, octets};
use super::{UNREACHABLE, state_dir};
use crate::control::{Answer, Request, ask};
use crate::downstream::{AddressReport, Report};
use crate::gateway::Status;
use jiff::Timestamp;
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
    let asked =
        state_dir::find(rules).and_then(|dir| ask(&dir, &Request::Status {}).map_err(|e| e.to_string()));
    match asked {
        Ok(Answer::Status(status)) if options.json => out::json(&status),
        Ok(Answer::Status(status)) => {
            let now = Timestamp::now().as_millisecond();
            out::print(&text(&status, now, Paint::of_stdout()));
        }
        Ok(Answer::Reload(_) | Answer::Error(_)) => {
            eprintln!("portcullis: the gateway answered another question; are both of the same version?");
            return UNREACHABLE.into();
        }
        Err(error) => {
            eprintln!("portcullis: {error}");
            return UNREACHABLE.into();
        }
    }
    ExitCode::SUCCESS
}

fn text(status: &Status, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    head(&mut out, status, now, paint);
    title(&mut out, paint, "listeners");
    for (name, address) in &status.listeners {
        let _ = writeln!(out, "  {name:<12} {address}");
    }
    title(&mut out, paint, "downstreams");
    for downstream in &status.downstreams {
        self::downstream(&mut out, downstream, paint);
    }
    if !status.oldest.is_empty() {
        title(&mut out, paint, "oldest sessions");
        for session in &status.oldest {
            let age = duration(seconds(session.since_unix_ms, now));
            let client = session.client.to_string();
            let _ =
                writeln!(out, "  {:<12} {client:<24} on {}, for {age}", session.session, session.listener);
        }
    }
    out
}

fn title(out: &mut String, paint: Paint, words: &str) {
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Title, words));
}

fn row(out: &mut String, name: &str, words: &str) {
    let _ = writeln!(out, "  {name:<12} {words}");
}

fn head(out: &mut String, status: &Status, now: i64, paint: Paint) {
    let phase = match status.phase.as_str() {
        "running" => paint.ink(Ink::Good, "running"),
        other => paint.ink(Ink::Warn, other),
    };
    let since = crate::mail::rfc3339(status.started_unix_ms);
    let up = duration(seconds(status.started_unix_ms, now));
    let version = &status.version;
    let _ =
        writeln!(out, "{}", paint.ink(Ink::Title, &format!("Portcullis {version}, process {}", status.pid)));
    row(out, "state", &format!("{phase} for {up}, since {since}"));
    row(out, "rules", &format!("generation {}", status.generation));
    if let Some(error) = &status.last_reload_error {
        row(out, "last reload", &paint.ink(Ink::Bad, "refused; the rules before it are in force:"));
        for line in error.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    let (open, limit) = (status.sessions, status.sessions_limit);
    row(out, "sessions", &format!("{open} of {limit} open; {} since start", count_u64(status.connections)));
    if status.turned_away > 0 {
        let words = format!("{} connections at the limit (max_connections)", status.turned_away);
        row(out, "turned away", &paint.ink(Ink::Warn, &words));
    }
    row(out, "messages", &format!("{} delivered, {} refused at their end", status.delivered, status.refused));
    let (memory, disk) = (status.memory, status.disk);
    row(
        out,
        "bodies",
        &format!(
            "{} in memory (most ever {}), {} on disk (most ever {})",
            octets(memory.0),
            octets(memory.1),
            octets(disk.0),
            octets(disk.1)
        ),
    );
    match status.audit_losses {
        (0, 0) => row(out, "audit", "complete"),
        (lines, writes) => {
            let words = format!("INCOMPLETE: {lines} lines lost, {writes} writes failed; look at the disk");
            row(out, "audit", &paint.ink(Ink::Bad, &words));
        }
    }
}

fn count_u64(n: u64) -> String {
    format!("{n} connection{}", if n == 1 { "" } else { "s" })
}

fn downstream(out: &mut String, report: &Report, paint: Paint) {
    let Report { name, in_use, resting, limit, addresses } = report;
    let words = format!("{} of {limit} in use, {resting} resting", count(*in_use, "connection"));
    let words = if in_use >= limit { paint.ink(Ink::Warn, &words) } else { words };
    row(out, name, &words);
    for AddressReport { address, healthy, last_error } in addresses {
        let state = match (healthy, last_error) {
            (true, _) => paint.ink(Ink::Good, "healthy"),
            (false, Some(error)) => paint.ink(Ink::Bad, &format!("FAILED: {error}")),
            (false, None) => paint.ink(Ink::Bad, "FAILED"),
        };
        let address = address.to_string();
        let _ = writeln!(out, "    {address:<22} {state}");
    }
}

fn seconds(since_ms: i64, now_ms: i64) -> u64 {
    u64::try_from((now_ms - since_ms) / 1000).unwrap_or(0)
}
