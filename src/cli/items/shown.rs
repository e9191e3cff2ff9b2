//! One message for people: what it is, why it is here, what happened to it, its header, its parts, its text.

use super::ask::Asker;
use super::terminal::{plain, width};
use super::when::{ago, moment};
use crate::cli::asked;
use crate::cli::out::{self, Ink, Paint, octets};
use crate::desk::{Answer, PartView, Request, Shown};
use crate::message::mime::neutral;
use crate::vault::{Item, Progress};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Octets of the header that are shown; `headers` prints all of it.
const HEADER_OCTETS_MAX: usize = 16 * 1024;
/// Recipients and findings that are shown.
const LINES_MAX: usize = 50;

/// Shows one message.
///
/// # Errors
/// The exit code; standard error says why.
pub(crate) fn show(rules: &Path, id: &str, json: bool) -> Result<u8, ExitCode> {
    let asker = Asker::find(rules)?;
    let Answer::Shown(shown) = asker.one(Request::Show { id: id.to_owned() })? else {
        return Err(asked::other_answer());
    };
    if json {
        out::json(&*shown);
        return Ok(0);
    }
    let mut header = Vec::new();
    let request = Request::Part { id: shown.item.id.to_string(), part: 0, header_only: true };
    // A message whose body is damaged still shows what is known of it.
    let read = asker.ask(request, &mut |answer| {
        if let Answer::Octets(text) = answer
            && let Ok(octets) = STANDARD.decode(text)
        {
            header.extend_from_slice(&octets);
        }
    });
    let now = Timestamp::now().as_millisecond();
    let paint = Paint::of_stdout();
    let mut text = summary(&shown.item, now, paint);
    if read.is_ok() {
        title(&mut text, "header", paint);
        header_lines(&mut text, &header);
    }
    parts(&mut text, &shown, paint);
    title(&mut text, if shown.cut { "text (its beginning)" } else { "text" }, paint);
    let body = neutral(&shown.text);
    text.push_str(if body.trim().is_empty() { "nothing to read" } else { body.trim_end() });
    text.push('\n');
    out::print(&text);
    Ok(0)
}

fn title(text: &mut String, words: &str, paint: Paint) {
    let _ = writeln!(text, "\n{}", paint.ink(Ink::Title, words));
}

fn row(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(text, "{name:<12} {}", plain(value));
    }
}

fn summary(item: &Item, now: i64, paint: Paint) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}  {}",
        paint.ink(Ink::Title, &item.id.to_string()),
        plain(item.header.subject.as_deref().unwrap_or(""))
    );
    let folder =
        if item.trash.is_some() { format!("{} (in the trash)", item.folder) } else { item.folder.clone() };
    row(&mut text, "folder", &folder);
    row(&mut text, "received", &format!("{}, {}", moment(item.received_ms), ago(item.received_ms, now)));
    row(&mut text, "from", if item.envelope.from.is_empty() { "<>" } else { &item.envelope.from });
    row(&mut text, "author", item.header.from.as_deref().unwrap_or(""));
    for recipient in item.recipients.iter().take(LINES_MAX) {
        row(&mut text, "to", &recipient.rcpt);
    }
    if item.recipients.len() > LINES_MAX {
        let _ = writeln!(text, "{:<12} … {} in all", "", item.recipients.len());
    }
    row(&mut text, "size", &octets(item.size));
    row(&mut text, "client", &client(item));
    row(&mut text, "helo", item.client.helo.as_deref().unwrap_or(""));
    row(&mut text, "user", item.client.user.as_deref().unwrap_or(""));
    row(&mut text, "listener", &item.client.listener);
    row(&mut text, "message-id", item.header.message_id.as_deref().unwrap_or(""));
    row(&mut text, "digest", &item.digest);
    why(&mut text, item, paint);
    spool(&mut text, item, now, paint);
    if !item.history.is_empty() {
        title(&mut text, "history", paint);
        for event in &item.history {
            let _ =
                writeln!(text, "{}  {:<12} {}", moment(event.at_ms), plain(&event.by), plain(&event.what));
        }
    }
    text
}

fn client(item: &Item) -> String {
    let Some(ip) = item.client.ip else { return String::new() };
    let name = item.client.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{ip}{name}{}", if item.client.tls.is_some() { ", TLS" } else { "" })
}

fn why(text: &mut String, item: &Item, paint: Paint) {
    title(text, "why it is here", paint);
    row(text, "reason", &item.reason);
    row(text, "rule", &item.rule);
    row(text, "where", &item.source);
    if item.copy {
        row(
            text,
            "copy",
            "the message itself was refused or delivered otherwise; `release --again` delivers this one",
        );
    }
    row(text, "ref", &item.client.session);
    if item.generation > 0 {
        row(text, "generation", &item.generation.to_string());
    }
    if item.score_milli != 0 {
        let sign = if item.score_milli < 0 { "-" } else { "" };
        let n = item.score_milli.unsigned_abs();
        row(text, "score", &format!("{sign}{}.{:03}", n / 1000, n % 1000));
    }
    row(text, "tags", &item.tags.join(" "));
    for finding in item.findings.iter().take(LINES_MAX) {
        let place = if finding.file.is_empty() {
            String::new()
        } else {
            format!(" {}:{}", finding.file, finding.line)
        };
        let told = if finding.told_only { " (only told)" } else { "" };
        row(text, "finding", &format!("{} {}{told}{place}: {}", finding.id, finding.verdict, finding.text));
    }
    row(text, "more", &format!("portcullis explain {}", item.id));
}

fn spool(text: &mut String, item: &Item, now: i64, paint: Paint) {
    if let Some(hold) = &item.hold {
        title(text, "held", paint);
        row(text, "scanner", &hold.scanner);
        row(text, "scans", &format!("{}, the next one {}", hold.scans, ago(hold.next_ms, now)));
        row(text, "last", hold.last.as_ref().map_or("", |last| &last.said));
    }
    let Some(spool) = &item.spool else { return };
    title(text, "delivery", paint);
    row(text, "downstream", &spool.downstream);
    let waits = item.waiting() > 0;
    row(text, "attempts", &spool.attempts.to_string());
    if waits {
        let frozen = if spool.frozen { "not tried by itself; " } else { "" };
        row(
            text,
            "next",
            &format!("{frozen}{}, given up {}", ago(spool.next_ms, now), ago(spool.expires_ms, now)),
        );
    }
    if spool.in_doubt {
        row(text, "in doubt", "an attempt broke off at its end: the message may be there already");
    }
    row(text, "last", spool.last.as_ref().map_or("", |last| &last.said));
    for delivery in spool.deliveries.iter().take(LINES_MAX) {
        let progress = match delivery.progress {
            Progress::Waiting => "waits",
            Progress::Delivered => "delivered",
            Progress::Failed => "failed",
        };
        let reply = delivery.reply.as_deref().unwrap_or("");
        row(text, progress, &format!("{} {reply}", delivery.rcpt));
    }
}

fn header_lines(text: &mut String, header: &[u8]) {
    let shown = header.get(..HEADER_OCTETS_MAX).unwrap_or(header);
    text.push_str(neutral(&String::from_utf8_lossy(shown)).trim_end());
    text.push('\n');
    if header.len() > HEADER_OCTETS_MAX {
        text.push_str("… `portcullis quarantine headers` prints all of it\n");
    }
}

fn parts(text: &mut String, shown: &Shown, paint: Paint) {
    if shown.parts.len() > 1 || shown.parts.iter().any(|p| p.attachment) {
        title(text, "parts", paint);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = width() {
            table.set_width(width);
        }
        table.set_header(["part", "type", "size", "", "name"]);
        for part in &shown.parts {
            table.add_row(part_cells(part));
        }
        for line in table.to_string().lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if !shown.problems.is_empty() {
        title(text, "wrong with its structure", paint);
        shown.problems.iter().for_each(|problem| text.push_str(&format!("{}\n", plain(problem))));
    }
}

fn part_cells(part: &PartView) -> [String; 5] {
    let indent = " ".repeat(part.depth.min(20).try_into().unwrap_or(0));
    let attachment = if part.attachment { "attachment" } else { "" };
    let name = part.name.as_deref().map(plain).unwrap_or_default();
    [
        part.part.to_string(),
        format!("{indent}{}", plain(&part.kind)),
        octets(part.octets),
        attachment.into(),
        name,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_known_is_shown_and_drives_no_terminal() {
        let item = r#"{"id":"7F3K9QAB","folder":"virus","received_ms":0,"rule":"clamav","reason":"Eicar\u001b[2J",
            "source":"protocol.toml:12","size":2048,"score_milli":-1500,"copy":true,
            "client":{"session":"7F3K9QAC","ip":"192.0.2.7","name":"mx.x.example","helo":"x\u001b[31m"},
            "recipients":[{"rcpt":"bob@our.example"}],"header":{"subject":"hi\u202e"},
            "findings":[{"id":"clamav","verdict":"quarantine","file":"f.toml","line":7,"text":"found"}],
            "spool":{"since_ms":0,"downstream":"mx","next_ms":60000,"expires_ms":120000,
            "deliveries":[{"rcpt":"bob@our.example","reply":"451 later"}],"cause":"released"},
            "hold":{"scanner":"clamav","next_ms":0,"told_ms":0},
            "trash":{"at_ms":0,"by":"alice"},
            "history":[{"at_ms":0,"by":"alice","what":"released"}]}"#;
        let item: Item = serde_json::from_str(item).unwrap();
        let text = summary(&item, 60_000, Paint::none());
        for part in [
            "7F3K9QAB  hi\\u{202e}",
            "virus (in the trash)",
            "1 min ago",
            "<>",
            "192.0.2.7 (mx.x.example)",
            "protocol.toml:12",
            "7F3K9QAC",
            "-1.500",
            "clamav quarantine f.toml:7: found",
            "waits        bob@our.example 451 later",
            "alice        released",
            "now, given up in 1 min",
            "release --again",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
    }
}
