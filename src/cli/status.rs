//! `portcullis status`: how the running gateway is.

use super::exit::UNREACHABLE;
use super::out::{self, Ink, Paint, count, duration, octets};
use super::{scanners, state_dir, upkeep};
use crate::control::{Answer, Request, ask};
use crate::downstream::{AddressReport, Report};
use crate::gateway::{AuditLosses, ListenerReport, Status};
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
        Ok(_) => {
            complain!("portcullis: {}", super::asked::OTHER_ANSWER);
            return UNREACHABLE.into();
        }
        Err(error) => {
            complain!("portcullis: {error}");
            return UNREACHABLE.into();
        }
    }
    ExitCode::SUCCESS
}

fn text(status: &Status, now: i64, paint: Paint) -> String {
    let mut out = String::new();
    head(&mut out, status, now, paint);
    title(&mut out, paint, "listeners");
    for ListenerReport { name, address } in &status.listeners {
        row(&mut out, name, &address.to_string());
    }
    title(&mut out, paint, "downstreams");
    for downstream in &status.downstreams {
        self::downstream(&mut out, downstream, now, paint);
    }
    if !status.scanners.is_empty() {
        title(&mut out, paint, "scanners");
        out.push_str(&scanners::text(&status.scanners, now, paint));
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
    let of = status.rules_of.map(|of| format!(" (the rules of generation {of})")).unwrap_or_default();
    row(out, "rules", &format!("generation {}{of}", status.generation));
    if let Some(error) = &status.last_reload_error {
        row(out, "last reload", &paint.ink(Ink::Bad, "refused; the rules before it are in force:"));
        for line in error.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    let (open, limit) = (status.sessions, status.sessions_limit);
    row(out, "sessions", &format!("{open} of {limit} open; {} since start", count_u64(status.connections)));
    if status.turned_away > 0 {
        let words = format!("{} connections at the door (limits, bans, block lists)", status.turned_away);
        row(out, "turned away", &paint.ink(Ink::Warn, &words));
    }
    let (delivered, kept, refused) = (status.delivered, status.kept, status.refused);
    row(out, "messages", &format!("{delivered} delivered, {kept} kept, {refused} refused at their end"));
    let (memory, disk) = (status.memory, status.disk);
    row(
        out,
        "bodies",
        &format!(
            "{} in memory (most ever {}), {} on disk (most ever {})",
            octets(memory.now),
            octets(memory.peak),
            octets(disk.now),
            octets(disk.peak)
        ),
    );
    match status.audit_losses {
        AuditLosses { lines: 0, writes: 0 } => row(out, "audit", "complete"),
        AuditLosses { lines: 0, writes } => {
            let words = format!("no line lost, but {} the disk did not take them at once", times(writes));
            row(out, "audit", &paint.ink(Ink::Warn, &words));
        }
        AuditLosses { lines, writes } => {
            let words = format!("INCOMPLETE: {lines} lines lost, {writes} writes failed; look at the disk");
            row(out, "audit", &paint.ink(Ink::Bad, &words));
        }
    }
    upkeep::rows(status, now, paint).iter().for_each(|(name, words)| row(out, name, words));
    let records = status.records;
    let words = format!("{} kept, {} on disk", records.entries, octets(records.octets));
    match records.lost {
        0 => row(out, "records", &words),
        lost => {
            let words = format!("INCOMPLETE: {words}, {lost} lost; look at the disk");
            row(out, "records", &paint.ink(Ink::Bad, &words));
        }
    }
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

fn count_u64(n: u64) -> String {
    format!("{n} connection{}", if n == 1 { "" } else { "s" })
}

fn downstream(out: &mut String, report: &Report, now: i64, paint: Paint) {
    let Report { name, in_use, resting, limit, reduced, waiting, shed, addresses } = report;
    let now_limit = reduced.as_ref().map_or(*limit, |reduced| reduced.limit);
    let mut words = format!("{} of {now_limit} in use, {resting} resting", count(*in_use, "connection"));
    if *waiting > 0 || *shed > 0 {
        let _ = write!(words, "; {waiting} waiting, {shed} put off at once since start");
    }
    let words = if *in_use >= now_limit { paint.ink(Ink::Warn, &words) } else { words };
    row(out, name, &words);
    if let Some(reduced) = reduced {
        let age = duration(seconds(reduced.since_unix_ms, now));
        let (is, trouble) =
            if reduced.recovering { ("recovering", "it was away: ") } else { ("under pressure", "") };
        let words = format!("{is} for {age} (max_connections = {limit}): {trouble}{}", reduced.why);
        let _ = writeln!(out, "    {}", paint.ink(Ink::Warn, &words));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_out() {
        let status = r#"{"version":"0.1.0","pid":7,"started_unix_ms":0,"generation":3,"rules_of":1,"phase":"draining",
            "last_reload_error":"gateway.toml:1:1: error: no\ngateway.toml:2:1: error: nor this","sessions":2,
            "sessions_limit":10,"connections":1,"turned_away":4,"delivered":5,"refused":6,
            "memory":{"now":0,"peak":2048},"disk":{"now":0,"peak":0},"audit_losses":{"lines":8,"writes":9},
            "listeners":[{"name":"in","address":"[::]:25"}],
            "downstreams":[{"name":"mx","in_use":2,"resting":0,"limit":9,"waiting":4,"shed":7,
                "reduced":{"limit":3,"why":"452 4.3.1 full","since_unix_ms":90060000},
                "addresses":[{"address":"10.0.0.5:25","healthy":true,"last_error":null},
                             {"address":"10.0.0.6:25","healthy":false,"last_error":"it is away"}]}],
            "scanners":[{"name":"clamav","engine":"clamd","mode":"on","disabled_unix_ms":null,"on_error":"hold","busy":1,
                "most":8,"waiting":2,"endpoints":[{"address":"unix:/c","healthy":false,"answered":true,"last_error":"it is gone",
                "since_unix_ms":90060000,"version":null}]}],
            "kept":3,"vault":{"items":12,"spooled":4,"held":2,"damaged":["x.item"],"damaged_count":1,"behind":5000,
                "canary":"the canary was removed","troubles":["the index cannot be written"],
                "rebuild":{"items":1200,"running":false,"failures":3,"error":"no space","since_unix_ms":90060000}},
            "unnoted":{"count":1,"first":[{"message":"7F3K9QAC","since_unix_ms":90060000,"why":"no space"}]},
            "volumes":[{"holds":["state","quarantine"],"path":"/var","free":1048576,"level":"full","since_unix_ms":90000000},
                       {"holds":["audit log"],"path":"/log","free":1,"level":"good","since_unix_ms":0}],
            "near_full":[{"folder":"policy","percent":95,"since_unix_ms":90060000}],
            "oldest":[{"session":"7F3K9QAB","client":"192.0.2.1","listener":"in","since_unix_ms":1000}]}"#;
        let status: Status = serde_json::from_str(status).unwrap();
        let text = text(&status, 90_061_000, Paint::none());
        for words in [
            "process 7\n",
            "generation 3 (the rules of generation 1)\n",
            "draining for 1 d 1 h, since 1970-01-01T00:00:00",
            "\n    gateway.toml:2:1: error: nor this\n",
            "2 of 10 open; 1 connection since",
            "4 connections at the door (limits, bans, block lists)",
            "5 delivered, 3 kept, 6 refused at their end\n",
            "12 messages; 2 held, 4 wait to be delivered\n",
            "/var (state, quarantine) is FULL, mail is put off (452), 1.0 MiB free, for 1 min 1 s; folder policy is 95 % full for 1 s; \
             downstream mx is slow for 1 s; the files of the quarantine are 5000 changes behind\n",
            "1 files of the quarantine: x.item\n",
            "touches the files of the quarantine: the canary was removed\n",
            "the index cannot be written\n",
            "1 message delivered, and that cannot be written: 7F3K9QAC for 1 s (no space); make room",
            "index        not complete, 1200 messages so far; failed 3 times for 1 s, since 1970-01-02T01:01:00",
            "most ever 2.0 KiB",
            "INCOMPLETE: 8 lines lost, 9 writes failed",
            "in           [::]:25\n",
            "2 connections of 3 in use, 0 resting; 4 waiting, 7 put off at once since start",
            "under pressure for 1 s (max_connections = 9): 452 4.3.1 full\n",
            "clamav       DOWN (clamd): 1 of 8 scans, 2 waiting\n",
            "unix:/c                FAILED for 1 s: it is gone\n",
            "10.0.0.5:25            healthy\n",
            "10.0.0.6:25            FAILED: it is away\n",
            "7F3K9QAB     192.0.2.1                on in, for 1 d 1 h\n",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
    }
    #[test]
    fn a_downstream_that_is_away_is_not_slow_and_one_that_is_back_recovers() {
        let said = |healthy: bool, recovering: bool| {
            let status = serde_json::json!({"version":"0.1.0","pid":7,"started_unix_ms":0,"generation":3,"phase":"running",
                "sessions":2,"sessions_limit":10,"connections":1,"turned_away":4,"delivered":5,"refused":6,
                "last_reload_error":null,"memory":{"now":0,"peak":0},"disk":{"now":0,"peak":0},
                "audit_losses":{"lines":0,"writes":0},"listeners":[],"oldest":[],
                "downstreams":[{"name":"mx","in_use":0,"resting":0,"limit":9,"waiting":0,"shed":0,
                    "reduced":{"limit":3,"why":"cannot connect","since_unix_ms":0,"recovering":recovering},
                    "addresses":[{"address":"10.0.0.5:25","healthy":healthy,"last_error":null}]}]});
            text(&serde_json::from_value(status).unwrap(), 1000, Paint::none())
        };
        let down = said(false, false);
        assert!(down.contains("  AWAY         downstream mx does not answer\n"), "{down}");
        assert!(down.contains("under pressure for 1 s") && !down.contains("is slow"), "{down}");
        let back = said(true, true);
        assert!(
            back.contains("recovering for 1 s (max_connections = 9): it was away: cannot connect\n"),
            "{back}"
        );
        assert!(!back.contains("is slow") && !back.contains("AWAY") && !back.contains("pressure"), "{back}");
        let slow = said(true, false);
        assert!(slow.contains("downstream mx is slow for 1 s"), "{slow}");
    }
}
