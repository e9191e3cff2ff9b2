//! A story for people.

use super::find::Story;
use super::today::{PASS, Today};
use crate::cli::out::{Ink, Paint, count, octets};
use crate::records::{Found, Kind, Record, Transcript};
use serde_json::Value;
use std::fmt::Write as _;

/// Messages of a session that are told in full; of others only what became of them.
const FULL_MAX: usize = 10;

/// The text. `today`: what today's rules say of its messages; none where they have mistakes.
pub(super) fn text(story: &Story, today: &[Today], paint: Paint) -> String {
    let mut out = String::new();
    let records: Vec<Record<'_>> = story.lines.iter().filter_map(|l| Record::parse(l)).collect();
    let messages = records.iter().filter(|r| r.kind == Kind::Message);
    for record in records.iter().filter(|r| matches!(r.kind, Kind::Connection | Kind::Refused)) {
        session(&mut out, record, paint);
    }
    if !records.iter().any(|r| matches!(r.kind, Kind::Connection | Kind::Refused)) {
        let open =
            if records.is_empty() { "no record is left of it" } else { "still open, or its end was cut" };
        let _ = writeln!(out, "{}: {open}", paint.ink(Ink::Title, &format!("session {}", story.session)));
    }
    for (at, record) in messages.enumerate() {
        let asked = story.asked.as_deref().is_some_and(|begin| record.message.starts_with(begin));
        if asked || at < FULL_MAX {
            message(&mut out, record, paint);
        } else {
            let _ = writeln!(out, "message {}  {}  {}", record.message, record.verdict, record.reply);
        }
    }
    for line in &story.lines {
        later(&mut out, line);
    }
    judged(&mut out, today, paint);
    transcript(&mut out, story, paint);
    out
}

fn row(out: &mut String, name: &str, words: &str) {
    if !words.is_empty() {
        let _ = writeln!(out, "  {name:<11} {words}");
    }
}

fn session(out: &mut String, record: &Record<'_>, paint: Paint) {
    let _ = writeln!(out, "{}", paint.ink(Ink::Title, &format!("session {}", record.session)));
    client(out, record);
    if record.kind == Kind::Refused {
        let others = format!("{} of this address within about a second, told as one", record.count);
        row(out, "time", &record.time);
        row(out, "refused", &format!("at the door: {others}"));
        row(out, "reply", record.reply.said().unwrap_or("none: closed without a word"));
        row(out, "rules", &format!("generation {}", record.generation));
        findings(out, record, paint);
        return;
    }
    let (messages, errors) = (record.messages as usize, record.errors as usize);
    let counts = format!("{}, {}", count(messages, "message"), count(errors, "error"));
    if record.generation > 0 {
        row(out, "rules", &format!("generation {}", record.generation));
    }
    let end = format!("{}, after {:.1} s: {}; {counts}", record.time, record.seconds, record.end);
    row(out, "ended", &end);
    row(out, "last reply", &record.reply);
    findings(out, record, paint);
    facts(out, record);
}

fn client(out: &mut String, record: &Record<'_>) {
    let ip = record.client.map_or_else(String::new, |ip| ip.to_string());
    let name = record.name.said().map(|name| format!(" ({name})")).unwrap_or_default();
    let port = if record.port > 0 { format!(", port {}", record.port) } else { String::new() };
    row(out, "client", &format!("{ip}{name}{port}"));
    row(out, "helo", &record.helo);
    let direction = record.direction.map(|d| format!(", {d:?}").to_lowercase()).unwrap_or_default();
    row(out, "listener", &format!("{}{direction}", record.listener));
    row(out, "tls", &record.tls);
    let user = if record.authenticated && record.user.is_empty() {
        "authenticated, name unknown"
    } else {
        &record.user
    };
    row(out, "user", user);
}

fn message(out: &mut String, record: &Record<'_>, paint: Paint) {
    let (verdict, ink) = match record.folder.said() {
        Some(folder) => (format!("{}: taken into the folder {folder}", record.verdict), Ink::Warn),
        None if record.is_delivered() => ("delivered".to_owned(), Ink::Good),
        None => (record.verdict.to_string(), Ink::Bad),
    };
    let title = paint.ink(Ink::Title, &format!("message {}", record.message));
    let _ = writeln!(out, "\n{title}  {}", paint.ink(ink, &verdict));
    row(out, "time", &record.time);
    row(out, "rules", &format!("generation {}", record.generation));
    client(out, record);
    row(out, "from", &record.sender().unwrap_or_default());
    for to in &record.to {
        row(out, "to", &format!("{}  {}", to.path(), to.reply));
    }
    if record.size > 0 {
        row(out, "size", &octets(record.size));
    }
    row(out, "message-id", &record.header.message_id);
    row(out, "subject", &record.header.subject);
    row(out, "header from", &record.header.from);
    row(out, "downstream", &record.downstream);
    row(out, "it said", &record.downstream_reply);
    row(out, "reply", &record.reply);
    row(out, "folder", &record.folder);
    row(out, "copy in", &record.copy);
    row(out, "note", &record.note);
    findings(out, record, paint);
    facts(out, record);
}

/// What was done with a message after it was taken: by commands, and deliveries out of the spool.
fn later(out: &mut String, line: &[u8]) {
    let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { return };
    let word = |key: &str| line.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let head = format!("\n{}  message {}  ", word("time"), word("message"));
    match word("kind") {
        "desk" => {
            let _ = writeln!(out, "{head}{} by {}", word("verb"), word("by"));
        }
        "delivery" => {
            let _ = writeln!(out, "{head}delivery by {}", word("downstream"));
            for to in line.get("to").and_then(|to| to.as_array()).into_iter().flatten() {
                let word = |key: &str| to.get(key).and_then(|v| v.as_str()).unwrap_or_default();
                row(out, "to", &format!("{}  {}: {}", word("rcpt"), word("result"), word("reply")));
            }
            row(out, "note", word("note"));
        }
        _ => {}
    }
}

fn findings(out: &mut String, record: &Record<'_>, paint: Paint) {
    let deciding = record.deciding();
    if let Some(found) = deciding {
        row(out, "decided by", &paint.ink(Ink::Bad, &finding(found)));
    } else if record.kind == Kind::Message && !record.is_delivered() {
        let who = if record.downstream_reply.is_empty() { "no rule" } else { "the downstream" };
        row(out, "decided by", who);
    }
    for found in record.findings.iter().filter(|f| !deciding.is_some_and(|d| std::ptr::eq(d, *f))) {
        row(out, "found too", &finding(found));
    }
}

fn finding(found: &Found<'_>) -> String {
    let place = match found.file.said() {
        // A check of a whole table, such as that of rates, has no line of its own.
        Some(file) if found.line == 0 => format!(" ({file})"),
        Some(file) => format!(" ({file}:{})", found.line),
        None => " (built in)".to_owned(),
    };
    let stage = found.stage.said().map(|stage| format!(" at {stage}")).unwrap_or_default();
    let told = if found.enforced { "" } else { " (mode \"log\": only told)" };
    format!("{}{place}{stage}: {}{told}: {}", found.id, found.verdict, found.text)
}

/// What was looked up and what the client had done, as the record has it.
fn facts(out: &mut String, record: &Record<'_>) {
    for value in [serde_json::to_value(record.gathered()), serde_json::to_value(record.conduct())] {
        let Ok(Value::Object(all)) = value else { continue };
        for (name, value) in all.iter().filter(|(_, v)| !matches!(v, Value::Null | Value::Bool(false))) {
            row(out, "fact", &format!("{}: {}", name.replace('_', " "), fact(value)));
        }
    }
}

fn fact(value: &Value) -> String {
    let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::String(word) if word == "absent" => "none".to_owned(),
        Value::Object(one) => match (one.get("known"), one.get("unknown")) {
            (Some(known), _) => words(known),
            (None, Some(cause)) => format!("unknown ({})", words(cause)),
            (None, None) => value.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => words(value),
    }
}

fn judged(out: &mut String, today: &[Today], paint: Paint) {
    if today.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Title, "today's rules would say"));
    for one in today.iter().take(FULL_MAX) {
        let ink = if one.outcome == PASS { Ink::Good } else { Ink::Bad };
        let mut words = match one.caveat {
            Some(caveat) => format!("envelope: {} ({caveat})", paint.ink(ink, one.outcome)),
            None => paint.ink(ink, one.outcome),
        };
        if let Some(rule) = &one.rule {
            let place = one.place.as_deref().unwrap_or("built in");
            let reason = one.reason.as_deref().unwrap_or_default();
            let _ = write!(words, ": {rule} ({place}): {reason}");
        } else if one.outcome != PASS {
            words.push_str(": a path cannot be read back (the record has long and strange ones cut)");
        }
        row(out, &one.reference, &words);
    }
    if today.iter().any(|one| one.caveat.is_some()) {
        row(out, "", &paint.ink(Ink::Faint, "`portcullis test message FILE` judges what a message says"));
    }
    let assumed = today.first().map(|one| one.assumed.join(", ")).unwrap_or_default();
    if !assumed.is_empty() {
        let words = format!("not looked up then, taken as harmless: {assumed}");
        row(out, "", &paint.ink(Ink::Faint, &words));
    }
}

fn transcript(out: &mut String, story: &Story, paint: Paint) {
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Title, "transcript"));
    match &story.transcript {
        Some(Transcript { text, missed_before, client, .. }) => {
            for line in text.lines() {
                let _ = writeln!(out, "  {line}");
            }
            if *missed_before > 0 {
                let _ = writeln!(out, "  ({missed_before} refused sessions of {client} before it left none)");
            }
            if story.missed_since > 0 {
                let _ = writeln!(out, "  and {} more refused sessions of {client} since", story.missed_since);
            }
        }
        None => out.push_str("  none is kept: it was not refused, one of a flood, or is too old\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::find::tests::{MESSAGE, SESSION};
    use super::super::today::UNREAD;
    use super::*;

    #[test]
    fn a_message_in_quarantine_says_where_and_by_which_rule() {
        let kept = "\"verdict\":\"quarantine\",\"folder\":\"spam\",\"findings\":[\
            {\"id\":\"suspects\",\"stage\":\"rcpt\",\"verdict\":\"quarantine\",\"file\":\"protocol.toml\",\"line\":12,\
            \"text\":\"the rule quarantines\"},";
        let line = MESSAGE.replace("\"verdict\":\"reject\",\"findings\":[", kept).replace(
            "\"reply\":\"550 5.7.1 Refused by policy [ref 7F3K0000]\",\"header\"",
            "\"reply\":\"250 2.0.0 Ok\",\"header\"",
        );
        let story = Story {
            session: "7F3K9QAB".into(),
            asked: Some("7F3K0".into()),
            lines: vec![line.into(), SESSION.into()],
            transcript: None,
            missed_since: 0,
        };
        let text = text(&story, &[], Paint::none());
        for words in [
            "\nmessage 7F3K0000  quarantine: taken into the folder spam\n",
            "  folder      spam\n",
            "  decided by  suspects (protocol.toml:12) at rcpt: quarantine: the rule quarantines\n",
            "  found too   blocks (lists/blocks.list:7)",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
    }

    #[test]
    fn who_decided_stands_with_its_file_line_and_generation() {
        let transcript = Transcript {
            time: "t".into(),
            session: "7F3K9QAB".into(),
            messages: vec![],
            client: "192.0.2.7".parse().unwrap(),
            missed_before: 0,
            text: "+0.000 S: 220 mx\n+0.100 C: EHLO mx.example.com\n".into(),
        };
        let story = Story {
            session: "7F3K9QAB".into(),
            asked: Some("7F3K0".into()),
            lines: vec![MESSAGE.into(), SESSION.into()],
            transcript: Some(transcript),
            missed_since: 4812,
        };
        let today = Today {
            reference: "7F3K0000".into(),
            outcome: "reject",
            rule: Some("blocks".into()),
            place: Some("lists/blocks.list:9".into()),
            reason: Some("sender is listed".into()),
            caveat: None,
            assumed: vec!["DNS lists"],
        };
        let passes = Today { outcome: PASS, rule: None, caveat: Some(UNREAD), ..today.clone() };
        let text = text(&story, &[today, passes], Paint::none());
        for words in [
            "  7F3K0000    reject: blocks (lists/blocks.list:9): sender is listed\n",
            "  7F3K0000    envelope: pass (what a message says is not judged again)\n",
            "`portcullis test message FILE` judges what a message says\n",
            "not looked up then, taken as harmless: DNS lists\n",
            "session 7F3K9QAB\n  client      192.0.2.7, port 4711\n",
            "after 1.5 s: quit; 0 messages, 1 error\n",
            "\nmessage 7F3K0000  reject\n",
            "  rules       generation 3\n",
            "  client      192.0.2.7 (mx.example.com), port 4711\n",
            "  to          <b@example.net>  550 5.7.1 Refused by policy [ref 7F3K0000]\n",
            "  decided by  blocks (lists/blocks.list:7) at mail: reject: sender is listed\n",
            "  found too   hello-literal (protocol.toml:9) at helo: reject (mode \"log\": only told): a literal\n",
            "  fact        country: DE\n",
            "  fact        hello resolves: unknown (timeout)\n",
            "  +0.100 C: EHLO mx.example.com\n",
            "  and 4812 more refused sessions of 192.0.2.7 since\n",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
        assert!(!text.contains("subject"), "{text}");
    }

    #[test]
    fn a_refusal_at_the_door_is_told_with_its_flood() {
        let line = r#"{"time":"2026-11-21T20:00:00.000Z","kind":"refused","session":"7F3K9QAB","generation":4,"listener":"in",
            "client":"192.0.2.7","count":40,"findings":[{"id":"blocks","stage":"connect","verdict":"disconnect",
            "file":"lists/blocks.list","line":3,"text":"listed"}],"reply":null}"#;
        let story = Story { session: "7F3K9QAB".into(), lines: vec![line.into()], ..Story::default() };
        let text = text(&story, &[], Paint::none());
        for words in [
            "  client      192.0.2.7\n",
            "at the door: 40 of this address within about a second",
            "none: closed without a word",
            "decided by  blocks (lists/blocks.list:3) at connect: disconnect: listed\n",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
        assert!(!text.contains("still open"), "{text}");
    }

    #[test]
    fn what_has_no_line_is_told_with_its_file() {
        let line = r#"{"time":"2026-11-21T20:00:00.000Z","kind":"refused","session":"7F3K9QAB","generation":4,"listener":"in",
            "client":"192.0.2.7","count":1,"findings":[{"id":"limit","stage":"connect","verdict":"disconnect",
            "file":"limits.toml","line":0,"text":"too many"}],"reply":null}"#;
        let story = Story { session: "7F3K9QAB".into(), lines: vec![line.into()], ..Story::default() };
        let text = text(&story, &[], Paint::none());
        assert!(
            text.contains("decided by  limit (limits.toml) at connect: disconnect: too many\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_kept_is_said() {
        let story = Story { session: "7F3K9QAB".into(), lines: vec![MESSAGE.into()], ..Story::default() };
        let text = text(&story, &[], Paint::none());
        assert!(text.starts_with("session 7F3K9QAB: still open, or its end was cut\n"), "{text}");
        assert!(text.contains("none is kept"), "{text}");
    }
}
