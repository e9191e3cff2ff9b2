//! Work on messages: what it would be, whether it is meant, how far it is, and how it ended.

use super::ask::Asker;
use super::interrupt::{self, Words};
use super::rows::{json_row, table};
use super::terminal::{plain, width};
use crate::cli::asked;
use crate::cli::exit::{NOTHING, REFUSED};
use crate::cli::out::{self, Paint, octets};
use crate::desk::{Answer, Job, Outcome, Pick, Request};
use crate::vault::Row;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

/// More messages than these are asked about.
const ASKED_FROM: u64 = 20;
/// Columns of the bar.
const BAR: u64 = 30;

/// How work is begun and told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Bulk {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask, however many messages it is
    #[arg(short, long)]
    pub yes: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    pub json: bool,
}

/// Does what `request` says with the messages of `pick`. `verb`: "delete".
///
/// # Errors
/// The exit code; standard error says why.
pub(crate) fn work(
    asker: &Asker,
    verb: &str,
    pick: &Pick,
    bulk: &Bulk,
    request: Request,
) -> Result<u8, ExitCode> {
    let (items, size, sample) = count(asker, pick)?;
    if items == 0 {
        complain!("portcullis: no message matches");
        return Ok(NOTHING);
    }
    if bulk.dry_run {
        preview(verb, items, size, &sample, pick, bulk.json);
        return Ok(0);
    }
    if items > ASKED_FROM && !bulk.yes && !confirmed(verb, items, size, &sample, pick)? {
        complain!("nothing was done");
        return Ok(REFUSED);
    }
    let outcome = watched(asker, verb, request)?;
    Ok(told(verb, &outcome, bulk.json))
}

fn count(asker: &Asker, pick: &Pick) -> Result<(u64, u64, Vec<Row>), ExitCode> {
    match asker.one(Request::Count { pick: pick.clone() })? {
        Answer::Count { items, octets, sample } => Ok((items, octets, sample)),
        _ => Err(asked::other_answer()),
    }
}

fn messages(n: u64) -> String {
    format!("{n} message{}", if n == 1 { "" } else { "s" })
}

fn preview(verb: &str, items: u64, size: u64, sample: &[Row], pick: &Pick, json: bool) {
    if json {
        let sample: Vec<_> = sample.iter().map(json_row).collect();
        out::json(&serde_json::json!({ "verb": verb, "messages": items, "octets": size, "sample": sample }));
        return;
    }
    let now = Timestamp::now().as_millisecond();
    out::print(&table(sample, pick.scope, Paint::of_stdout(), width(), now));
    let shown = sample.len() as u64;
    let more = if items > shown { format!("… and {} more\n", items - shown) } else { String::new() };
    out::print(&format!(
        "{more}{verb} would act on {}, {}; nothing was done\n",
        messages(items),
        octets(size)
    ));
}

/// Whether it is meant.
fn confirmed(verb: &str, items: u64, size: u64, sample: &[Row], pick: &Pick) -> Result<bool, ExitCode> {
    let asked = format!("{verb} {}, {}", messages(items), octets(size));
    if !std::io::stdin().is_terminal() {
        complain!("portcullis: {asked}: that is more than {ASKED_FROM}; --yes does it, --dry-run shows them");
        return Err(REFUSED.into());
    }
    let now = Timestamp::now().as_millisecond();
    let rows = table(sample, pick.scope, Paint::of_stdout(), width(), now);
    eprint!("{}", out::harmless(&rows, true));
    if items > sample.len() as u64 {
        complain!("… and {} more", items - sample.len() as u64);
    }
    eprint!("{asked}? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = Vec::new();
    let _ = std::io::stdin().lock().take(100).read_until(b'\n', &mut answer);
    Ok(matches!(answer.trim_ascii(), b"y" | b"Y" | b"yes"))
}

/// Asks, and shows how far it is.
pub(crate) fn watched(asker: &Asker, verb: &str, request: Request) -> Result<Outcome, ExitCode> {
    let words = Words::default();
    words.set(if asker.is_gateway() {
        format!("{verb} goes on in the background: `portcullis quarantine jobs` lists it")
    } else {
        format!("{verb} ends here; what was done stays done")
    });
    interrupt::watch(&words);
    let live = std::io::stderr().is_terminal();
    let mut outcome = None;
    let mut drawn = false;
    let asked = asker.ask(request, &mut |answer| match answer {
        Answer::Progress(job) => {
            if asker.is_gateway() {
                words.set(format!(
                    "{verb} goes on in the background; `portcullis quarantine cancel {}` ends it, what was done stays done",
                    job.job
                ));
            }
            if live {
                drawn = true;
                eprint!("\r{}", bar(&job));
            }
        }
        Answer::Done(done) => outcome = Some(done),
        _ => {}
    });
    if drawn {
        eprint!("\r\x1b[K");
    }
    asked?;
    outcome.ok_or_else(asked::other_answer)
}

/// `[#####     ] 1200 of 5678`
fn bar(job: &Job) -> String {
    let total = job.total.max(job.done);
    if total == 0 {
        return format!("{} …", plain(&job.verb));
    }
    let filled = job.done.saturating_mul(BAR) / total;
    let (full, free) = (filled.try_into().unwrap_or(0), (BAR - filled.min(BAR)).try_into().unwrap_or(0));
    format!("{} [{}{}] {} of {total} ", plain(&job.verb), "#".repeat(full), " ".repeat(free), job.done)
}

/// Says how it ended; gives the exit code.
pub(crate) fn told(verb: &str, outcome: &Outcome, json: bool) -> u8 {
    if json {
        out::json(outcome);
    } else {
        out::print(&text(verb, outcome));
    }
    let undone = outcome.cancelled || outcome.stopped.is_some() || outcome.failed > 0;
    match (outcome.changed, undone) {
        (_, true) => REFUSED,
        // What matched was left alone.
        (0, false) => {
            if outcome.skipped.is_empty() {
                NOTHING
            } else {
                REFUSED
            }
        }
        (_, false) => 0,
    }
}

fn text(verb: &str, outcome: &Outcome) -> String {
    let mut out = String::new();
    for (id, said) in &outcome.messages {
        let _ = writeln!(out, "{id}: {}", plain(said));
    }
    let cancelled = if outcome.cancelled { " (cancelled)" } else { "" };
    let _ = writeln!(out, "{verb}: {}{cancelled}", messages(outcome.changed));
    if let Some(why) = &outcome.stopped {
        let _ = writeln!(out, "stopped after {}: {}", messages(outcome.changed), plain(why));
    }
    for (why, n, id) in &outcome.skipped {
        let _ = writeln!(out, "left alone: {}: {} (such as {id})", messages(*n), plain(why));
    }
    if outcome.failed > 0 {
        let way = "`portcullis spool retry` begins anew";
        let _ = writeln!(out, "delivery failed: {}: {way}", messages(outcome.failed));
    }
    if let Some(batch) = &outcome.batch {
        let _ = writeln!(out, "to undo: portcullis quarantine undelete --batch {batch}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_was_done_and_how_to_undo_it() {
        let id = "7F3K9QAB".parse().unwrap();
        let outcome = Outcome {
            changed: 2,
            skipped: vec![("in the trash already".into(), 1, id)],
            failed: 0,
            messages: vec![(id, "550 no\x1b".into())],
            batch: Some("delete-7F3K9QAC".into()),
            cancelled: false,
            stopped: None,
        };
        assert_eq!(
            text("delete", &outcome),
            "7F3K9QAB: 550 no\\x1b\ndelete: 2 messages\nleft alone: 1 message: in the trash already (such as 7F3K9QAB)\n\
             to undo: portcullis quarantine undelete --batch delete-7F3K9QAC\n"
        );
        let stopped = Outcome { stopped: Some("the index\x1b".into()), ..outcome.clone() };
        let said = text("delete", &stopped);
        assert!(said.contains("\nstopped after 2 messages: the index\\x1b\n"), "{said}");
        assert!(said.ends_with("undelete --batch delete-7F3K9QAC\n"), "{said}");
        let failed = Outcome { failed: 1, batch: None, skipped: Vec::new(), ..outcome.clone() };
        let said = text("release", &failed);
        let way = "delivery failed: 1 message: `portcullis spool retry` begins anew\n";
        assert!(said.ends_with(way), "{said}");
        assert_eq!(told("release", &failed, true), REFUSED, "also where others were delivered");
        assert_eq!(told("delete", &stopped, true), REFUSED);
        assert_eq!(told("delete", &Outcome::default(), false), NOTHING);
        assert_eq!(
            told("delete", &Outcome { skipped: outcome.skipped, ..Outcome::default() }, false),
            REFUSED
        );
    }

    #[test]
    fn the_bar_is_as_long_as_the_work() {
        let job =
            |done, total| Job { job: 1, verb: "delete".into(), by: "me".into(), done, total, since_ms: 0 };
        assert_eq!(bar(&job(0, 0)), "delete …");
        assert!(bar(&job(50, 100)).contains(&format!("[{}{}] 50 of 100", "#".repeat(15), " ".repeat(15))));
        assert!(bar(&job(200, 100)).contains("200 of 200"));
    }
}
