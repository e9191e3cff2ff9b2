//! From a reference, or the beginning of one, to everything that is kept of its session.

use crate::mail::Id;
use crate::records::{self, Kind, Record, Seen, Transcript};
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// References that are listed where a beginning fits more than one.
pub(super) const CANDIDATES_MAX: usize = 20;
/// Records of one session that are shown: a session may have thousands of messages.
const RECORDS_MAX: usize = 500;

/// What a beginning fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its session.
    pub(super) session: String,
    /// In words: when, who, what.
    pub(super) words: String,
}

/// Everything that is kept of one session.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The session.
    pub(super) session: String,
    /// The message that was asked for, where it was one.
    pub(super) asked: Option<String>,
    /// Lines of records, oldest first.
    pub(super) lines: Vec<Vec<u8>>,
    /// What was said.
    pub(super) transcript: Option<Transcript>,
    /// Refused sessions of that client since then that left no transcript.
    pub(super) missed_since: u64,
}

/// What is found.
pub(super) enum Answer {
    /// One session.
    Story(Box<Story>),
    /// More than one reference begins so: some of them, by reference.
    Candidates(BTreeMap<String, Candidate>),
    /// Nothing; how many records were looked at.
    Nothing(Seen),
}

/// Looks for a reference of the form of [`Id::prefix`].
///
/// # Errors
/// The records cannot be read.
pub(super) fn find(state_dir: &Path, begin: &str) -> io::Result<Answer> {
    let (mut found, seen) = candidates(state_dir, begin)?;
    if found.is_empty() {
        found = of_transcripts(state_dir, begin)?;
    }
    let mut sessions: Vec<&str> = found.values().map(|c| c.session.as_str()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    // Several references of one session are one story; with a whole reference it is this one's.
    let session = match (found.get(begin), &sessions[..]) {
        (Some(exact), _) => exact.session.clone(),
        (None, []) => return Ok(Answer::Nothing(seen)),
        (None, [one]) => (*one).to_owned(),
        (None, _) => return Ok(Answer::Candidates(found)),
    };
    let asked = match (found.len(), found.first_key_value()) {
        (1, Some((reference, _))) => Some(reference.clone()),
        _ => Some(begin.to_owned()),
    };
    story(state_dir, session, asked).map(|story| Answer::Story(Box::new(story)))
}

/// References that begin so, in records.
fn candidates(state_dir: &Path, begin: &str) -> io::Result<(BTreeMap<String, Candidate>, Seen)> {
    let mut found = BTreeMap::new();
    let text = format!("\":\"{begin}");
    let finder = Finder::new(&text);
    let wanted = |line: &[u8]| finder.find(line).is_some();
    let whole = begin.parse::<Id>().is_ok();
    let seen = records::records(state_dir, wanted, |record, _| {
        for reference in [&record.message, &record.session] {
            if reference.starts_with(begin) {
                let candidate = || Candidate { session: record.session.to_string(), words: words(record) };
                found.entry(reference.to_string()).or_insert_with(candidate);
            }
        }
        let enough = (whole && !found.is_empty()) || found.len() > CANDIDATES_MAX;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((found, seen))
}

/// References that begin so, in transcripts: a session may outlive its records there.
fn of_transcripts(state_dir: &Path, begin: &str) -> io::Result<BTreeMap<String, Candidate>> {
    let mut found = BTreeMap::new();
    let text = format!("\"{begin}");
    let finder = Finder::new(&text);
    records::transcripts(
        state_dir,
        |line| finder.find(line).is_some(),
        |transcript| {
            let all = transcript.messages.iter().chain([&transcript.session]);
            for reference in all.filter(|r| r.starts_with(begin)) {
                let words = format!("{}  {}", transcript.time, transcript.client);
                let candidate = Candidate { session: transcript.session.clone(), words };
                found.entry(reference.clone()).or_insert(candidate);
            }
            if found.len() > CANDIDATES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    )?;
    Ok(found)
}

/// A record in a few words.
fn words(record: &Record<'_>) -> String {
    let client = record.client.map_or_else(String::new, |ip| ip.to_string());
    match record.kind {
        Kind::Message => {
            format!("{}  {client}  {} {}", record.time, record.sender().unwrap_or_default(), record.verdict)
        }
        Kind::Connection | Kind::Refused | Kind::Other => {
            format!("{}  {client}  session, {}", record.time, record.end)
        }
    }
}

fn story(state_dir: &Path, session: String, asked: Option<String>) -> io::Result<Story> {
    let mut story = Story { asked, ..Story::default() };
    let text = format!("\"session\":\"{session}\"");
    let finder = Finder::new(&text);
    records::records(
        state_dir,
        |line| finder.find(line).is_some(),
        |_, line| {
            story.lines.push(line.to_vec());
            if story.lines.len() < RECORDS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    )?;
    story.lines.reverse();
    let mut client = story.lines.iter().find_map(|line| Record::parse(line)?.client);
    let mut missed = 0;
    records::transcripts(
        state_dir,
        |_| true,
        |transcript| {
            if transcript.session == session {
                client = client.or(Some(transcript.client));
                story.transcript = Some(transcript);
                return ControlFlow::Break(());
            }
            if Some(transcript.client) == client {
                missed += transcript.missed_before;
            }
            ControlFlow::Continue(())
        },
    )?;
    let latest = client.map(|ip| records::missed(state_dir, ip)).transpose()?.flatten();
    story.missed_since = latest.map_or(0, |m| m.count) + if story.transcript.is_some() { missed } else { 0 };
    story.session = session;
    Ok(story)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::model;
    use crate::mail::Scramble;
    use crate::records::Records;

    pub(in super::super) const MESSAGE: &str = r#"{"time":"2026-11-21T20:00:01.000Z","kind":"message","session":"7F3K9QAB","message":"7F3K0000","generation":3,"listener":"in","direction":"inbound","client":"192.0.2.7","port":4711,"name":"mx.example.com","helo":"mx.example.com","tls":null,"user":null,"authenticated":false,"from":"a@example.com","to":[{"rcpt":"b@example.net","reply":"550 5.7.1 Refused by policy [ref 7F3K0000]"}],"size":0,"verdict":"reject","findings":[{"id":"hello-literal","stage":"helo","verdict":"reject","file":"protocol.toml","line":9,"text":"a literal","enforced":false},{"id":"blocks","stage":"mail","verdict":"reject","file":"lists/blocks.list","line":7,"text":"sender is listed"}],"downstream":null,"reply":"550 5.7.1 Refused by policy [ref 7F3K0000]","header":{"message_id":null,"subject":null,"from":null},"note":null,"facts":{"country":{"known":"DE"},"hello_resolves":{"unknown":"timeout"}}}"#;
    pub(in super::super) const SESSION: &str = r#"{"time":"2026-11-21T20:00:02.000Z","kind":"connection","session":"7F3K9QAB","listener":"in","direction":"inbound","client":"192.0.2.7","port":4711,"helo":"mx.example.com","messages":0,"errors":1,"seconds":1.5,"end":"quit","reply":"550 5.7.1 Refused by policy [ref 7F3K0000]"}"#;

    fn state(lines: &[&str], transcripts: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let (records, mut writer) = Records::open(dir.path(), &model::Records::default()).unwrap();
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        records.append(text.as_bytes(), &Default::default());
        let ip = "192.0.2.7".parse().unwrap();
        let asked = "7F3K9QAB".parse().unwrap();
        for n in 0..transcripts {
            let now = 1_795_291_200_000 + n as i64;
            if records.transcripts().wants(ip, now) {
                let id = if n == 0 { asked } else { Scramble::new(1).id(n as u64) };
                records.transcripts().put(id, &[], ip, now, "+0.000 S: 220 mx\n");
            }
        }
        writer.close();
        dir
    }

    #[test]
    fn a_reference_leads_to_its_whole_session() {
        let dir = state(
            &["{\"kind\":\"message\",\"session\":\"AAAA0000\",\"message\":\"AAAA1111\"}", MESSAGE, SESSION],
            20,
        );
        for begin in ["7F3K0000", "7F3K0", "7F3K9QAB", "7F3K9"] {
            let Answer::Story(story) = find(dir.path(), begin).unwrap() else { panic!("{begin}") };
            assert_eq!((story.session.as_str(), story.lines.len()), ("7F3K9QAB", 2), "{begin}");
            assert_eq!(story.lines[0], MESSAGE.as_bytes());
            assert_eq!(story.transcript.unwrap().text, "+0.000 S: 220 mx\n");
            assert_eq!(story.missed_since, 15);
        }
        assert!(matches!(find(dir.path(), "ZZZZ").unwrap(), Answer::Nothing(Seen { lines: 3, damaged: 0 })));
    }

    #[test]
    fn a_beginning_of_several_lists_them() {
        let other = SESSION.replace("7F3K9QAB", "7F3KXXXX");
        let dir = state(&[MESSAGE, SESSION, &other], 0);
        let Answer::Candidates(found) = find(dir.path(), "7F3K").unwrap() else { panic!() };
        assert_eq!(found.keys().collect::<Vec<_>>(), ["7F3K0000", "7F3K9QAB", "7F3KXXXX"]);
        assert!(found["7F3K0000"].words.contains("<a@example.com> reject"), "{found:?}");
        // Of one session: no question.
        let dir = state(&[MESSAGE, SESSION], 0);
        assert!(matches!(find(dir.path(), "7F3K").unwrap(), Answer::Story(_)));
    }

    #[test]
    fn a_transcript_outlives_its_records() {
        let dir = state(&[], 1);
        let Answer::Story(story) = find(dir.path(), "7F3K9").unwrap() else { panic!() };
        assert!(story.lines.is_empty() && story.transcript.is_some());
        assert!(matches!(find(&dir.path().join("nothing"), "7F3K").unwrap(), Answer::Nothing(_)));
    }
}
