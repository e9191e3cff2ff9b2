//! `portcullis scanners`: how they are; switch one off at once, and on again; try them.

use super::asked;
use super::exit::{NOTHING, REFUSED};
use super::out::{self, Ink, Paint, duration};
use crate::control::{Answer, Request};
use crate::scan::{EndpointReport, ScannerReport, TestReport};
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
    /// Which there are, whether they answer, and how busy they are
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Ask a scanner again that was switched off
    Enable {
        /// Its name in scanners.toml
        name: String,
    },
    /// Do not ask a scanner, from the next message on and until it is enabled, also over a restart; mail goes on
    /// without it and is marked
    Disable {
        /// Its name in scanners.toml
        name: String,
    },
    /// Give them a message without anything, and one with the EICAR test file
    Test {
        /// One of them; without it all that the rules switch on
        name: Option<String>,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List { json } => list(rules, *json),
        What::Enable { name } => switch(rules, name, true),
        What::Disable { name } => switch(rules, name, false),
        What::Test { name, json } => test(rules, name.clone(), *json),
    };
    done.map_or_else(|code| code, ExitCode::from)
}

fn list(rules: &Path, json: bool) -> Result<u8, ExitCode> {
    let Answer::Scanners(scanners) = asked::gateway(rules, &Request::Scanners {})? else {
        return Err(asked::other_answer());
    };
    if json {
        out::json(&scanners);
    } else if scanners.is_empty() {
        out::print("no scanner is set up: see scanners.toml\n");
    } else {
        out::print(&text(&scanners, Timestamp::now().as_millisecond(), Paint::of_stdout()));
    }
    Ok(if scanners.is_empty() { NOTHING } else { 0 })
}

fn switch(rules: &Path, name: &str, enabled: bool) -> Result<u8, ExitCode> {
    let request = Request::ScannersSwitch { name: name.to_owned(), enabled };
    let Answer::Scanners(scanners) = asked::gateway(rules, &request)? else {
        return Err(asked::other_answer());
    };
    let told = scanners.iter().find(|scanner| scanner.name == name);
    let words = match (enabled, told) {
        (true, Some(scanner)) if scanner.mode == "off" => "is enabled, but scanners.toml says mode = \"off\"",
        (true, _) => "is asked from the next message on",
        (false, _) => "is not asked any more; mail goes on without it and is marked",
    };
    out::print(&format!("{name} {words}\n"));
    Ok(0)
}

fn test(rules: &Path, name: Option<String>, json: bool) -> Result<u8, ExitCode> {
    let Answer::ScannersTested(reports) = asked::gateway(rules, &Request::ScannersTest { name })? else {
        return Err(asked::other_answer());
    };
    if json {
        out::json(&reports);
    } else if reports.is_empty() {
        out::print("no scanner is set up: see scanners.toml\n");
    } else {
        let paint = Paint::of_stdout();
        out::print(&reports.iter().map(|report| tested(report, paint)).collect::<String>());
    }
    Ok(match reports.iter().all(|report| report.good) {
        _ if reports.is_empty() => NOTHING,
        true => 0,
        false => REFUSED,
    })
}

fn tested(report: &TestReport, paint: Paint) -> String {
    let mut out = String::new();
    let state = if report.good { paint.ink(Ink::Good, "good") } else { paint.ink(Ink::Bad, "NOT GOOD") };
    let _ = writeln!(out, "  {:<12} {state} ({})", report.name, report.engine);
    for (address, said) in &report.addresses {
        let said = match said {
            Ok(version) => version.clone(),
            Err(words) => paint.ink(Ink::Bad, &format!("FAILED: {words}")),
        };
        let _ = writeln!(out, "    {address:<22} {said}");
    }
    let _ = writeln!(out, "    {:<22} {} ({} ms)", "plain message", report.clean, report.ms);
    if let Some(said) = &report.eicar {
        let _ = writeln!(out, "    {:<22} {said}", "EICAR test file");
    }
    out
}

/// How they are, as `status` shows it too.
pub(super) fn text(scanners: &[ScannerReport], now_ms: i64, paint: Paint) -> String {
    let mut out = String::new();
    for scanner in scanners {
        let state = match (scanner.disabled_unix_ms, scanner.mode.as_str()) {
            (Some(since), _) => {
                paint.ink(Ink::Warn, &format!("switched off by hand for {}", ago(since, now_ms)))
            }
            (None, "off") => paint.ink(Ink::Faint, "off in scanners.toml"),
            (None, _) if scanner.is_down() => paint.ink(Ink::Bad, "DOWN"),
            (None, "log") => "only told of".to_owned(),
            (None, _) => paint.ink(Ink::Good, "on"),
        };
        let ScannerReport { name, engine, busy, most, waiting, .. } = scanner;
        let waiting = if *waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
        let _ = writeln!(out, "  {name:<12} {state} ({engine}): {busy} of {most} scans{waiting}");
        for endpoint in &scanner.endpoints {
            let EndpointReport { address, healthy, answered, last_error, since_unix_ms, version } = endpoint;
            let state = match (healthy, last_error) {
                (true, _) if !answered => paint.ink(Ink::Faint, "not asked yet"),
                (true, _) => paint.ink(Ink::Good, version.as_deref().unwrap_or("healthy")),
                (false, Some(error)) => {
                    let ago = ago(*since_unix_ms, now_ms);
                    paint.ink(Ink::Bad, &format!("FAILED for {ago}: {error}"))
                }
                (false, None) => paint.ink(Ink::Bad, "FAILED"),
            };
            let _ = writeln!(out, "    {address:<22} {state}");
        }
    }
    out
}

fn ago(since_ms: i64, now_ms: i64) -> String {
    duration(u64::try_from((now_ms - since_ms) / 1000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(mode: &str, off: Option<i64>) -> ScannerReport {
        ScannerReport {
            name: "clamav".into(),
            engine: "clamd".into(),
            mode: mode.into(),
            disabled_unix_ms: off,
            on_error: "hold".into(),
            busy: 0,
            most: 8,
            waiting: 0,
            endpoints: vec![EndpointReport {
                address: "127.0.0.1:3310".into(),
                healthy: true,
                answered: true,
                last_error: None,
                since_unix_ms: 0,
                version: Some("ClamAV 1.0".into()),
            }],
        }
    }

    #[test]
    fn an_address_is_healthy_from_its_first_answer_on() {
        let mut report = report("on", None);
        report.endpoints[0].version = None;
        assert!(text(&[report.clone()], 0, Paint::none()).ends_with("127.0.0.1:3310         healthy\n"));
        report.endpoints[0].answered = false;
        assert!(text(&[report], 0, Paint::none()).ends_with("127.0.0.1:3310         not asked yet\n"));
    }

    #[test]
    fn what_is_off_is_seen() {
        for (report, want) in [
            (
                report("on", None),
                "  clamav       on (clamd): 0 of 8 scans\n    127.0.0.1:3310         ClamAV 1.0\n",
            ),
            (report("off", None), "off in scanners.toml"),
            (report("log", None), "only told of"),
            (report("on", Some(0)), "switched off by hand for 1 min"),
        ] {
            let said = text(&[report], 60_000, Paint::none());
            assert!(said.contains(want), "{said}");
        }
    }
}
