//! What an entry would have hit in the records: before it is written, not after.

use crate::mail::{Mailbox, Path as MailPath};
use crate::records::{self, Kind as RecordKind, Record, Seen};
use crate::rules::{Attributes, Kind, List, Subject, edit::Typed};
use crate::verdict::Direction;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// Different senders, clients and correspondents that are counted one by one.
const NAMES_MAX: usize = 100_000;
/// Of these, how many are told.
const TOLD_MAX: usize = 10;

/// What it would have hit.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Report {
    /// The entry.
    pub(super) entry: String,
    /// The oldest record that was looked at (RFC 3339).
    pub(super) since: String,
    /// Messages that were looked at.
    pub(super) looked_at: u64,
    /// Messages that it would have hit.
    pub(super) messages: u64,
    /// Of these, refused all the same.
    pub(super) refused: u64,
    /// Of these, delivered.
    pub(super) delivered: u64,
    /// Of these, without a word against them.
    pub(super) clean: u64,
    /// Of the messages, those of our own people to the world.
    pub(super) outbound: u64,
    /// Connections.
    pub(super) connections: u64,
    /// Senders, the most messages first.
    pub(super) senders: Vec<(String, u64)>,
    /// Clients, likewise.
    pub(super) clients: Vec<(String, u64)>,
    /// Whom of them our own people wrote to, and how often.
    pub(super) written_to: Vec<(String, u64)>,
    /// Lines that could not be read.
    pub(super) damaged: u64,
}

/// Looks at all records since `since` (milliseconds since 1970).
///
/// # Errors
/// The records cannot be read.
pub(super) fn preview(
    state_dir: &Path,
    entry: &Typed,
    dir: Option<Direction>,
    since: i64,
    now: i64,
) -> io::Result<Report> {
    let line = entry.line(&Attributes { dir, ..Attributes::default() });
    let (list, _) = List::parse("preview", "preview", &line, now / 1000);
    let mut look = Look { list: &list, now: now / 1000, ..Look::new(&list) };
    let seen = records::records(
        state_dir,
        |_| true,
        |record, _| {
            if record.unix_ms() < since {
                return ControlFlow::Break(());
            }
            look.at(record);
            ControlFlow::Continue(())
        },
    )?;
    Ok(look.report(line, seen))
}

struct Look<'l> {
    list: &'l List,
    now: i64,
    report: Report,
    senders: HashMap<String, u64>,
    clients: HashMap<String, u64>,
    /// Whom our own people wrote to.
    written_to: HashMap<String, u64>,
}

impl<'l> Look<'l> {
    fn new(list: &'l List) -> Self {
        Self {
            list,
            now: 0,
            report: Report::default(),
            senders: HashMap::new(),
            clients: HashMap::new(),
            written_to: HashMap::new(),
        }
    }

    fn at(&mut self, record: &Record<'_>) {
        self.report.since = record.time.to_string();
        match record.kind {
            RecordKind::Message => self.message(record),
            RecordKind::Connection => self.report.connections += u64::from(self.hits_client(record)),
            RecordKind::Refused if self.hits_client(record) => self.report.connections += record.count,
            RecordKind::Refused | RecordKind::Other => {}
        }
    }

    fn message(&mut self, record: &Record<'_>) {
        self.report.looked_at += 1;
        let outbound = record.direction == Some(Direction::Outbound);
        if outbound && record.is_delivered() {
            for to in record.to.iter().filter(|to| to.reply.starts_with('2')) {
                add(&mut self.written_to, bare(&to.path()));
            }
        }
        if !self.hits_client(record) && !self.hits_envelope(record) {
            return;
        }
        let delivered = record.is_delivered();
        self.report.messages += 1;
        self.report.outbound += u64::from(outbound);
        self.report.delivered += u64::from(delivered);
        self.report.refused += u64::from(!delivered);
        self.report.clean += u64::from(record.is_clean());
        add(&mut self.senders, bare(&record.sender().unwrap_or_default()));
        if let Some(ip) = record.client {
            add(&mut self.clients, ip.to_string());
        }
    }

    fn hits_client(&self, record: &Record<'_>) -> bool {
        let direction = direction(record);
        let name =
            |kind, text: &str| !text.is_empty() && self.hits(kind, Subject::Name(text.as_bytes()), direction);
        record.client.is_some_and(|ip| self.hits(Kind::Address, Subject::Address(ip), direction))
            || name(Kind::Hello, &record.helo)
            || name(Kind::ReverseName, &record.name)
            || name(Kind::User, &record.user)
    }

    fn hits_envelope(&self, record: &Record<'_>) -> bool {
        let direction = direction(record);
        let path = |kind, text: &str| match MailPath::parse(text.as_bytes()) {
            Ok((MailPath::Null, _)) => self.hits(kind, Subject::Null, direction),
            Ok((MailPath::Mailbox { mailbox, .. }, _)) => {
                self.hits(kind, Subject::Mailbox(&mailbox), direction)
            }
            Err(_) => false,
        };
        record.sender().is_some_and(|sender| path(Kind::Sender, &sender))
            || record.to.iter().any(|to| path(Kind::Recipient, &to.path()))
            || header_mailbox(&record.header.from)
                .is_some_and(|m| self.hits(Kind::HeaderFrom, Subject::Mailbox(&m), direction))
    }

    fn hits(&self, kind: Kind, subject: Subject<'_>, direction: Direction) -> bool {
        self.list.find(kind, subject, direction, self.now).is_some()
    }

    fn report(mut self, entry: String, seen: Seen) -> Report {
        // Correspondents: senders that it hit, and mailboxes that it would hit if they wrote.
        let hit = |name: &str| {
            let mailbox = Mailbox::parse(name.as_bytes()).ok();
            let would = |m: &Mailbox| self.hits(Kind::Sender, Subject::Mailbox(m), Direction::Inbound);
            self.senders.contains_key(name) || mailbox.is_some_and(|m| would(&m))
        };
        let written_to = self.written_to.iter().filter(|(name, _)| hit(name));
        self.report.written_to = most(written_to.map(|(name, n)| (name.clone(), *n)));
        self.report.senders = most(self.senders);
        self.report.clients = most(self.clients);
        self.report.damaged = seen.damaged;
        self.report.entry = entry;
        self.report
    }
}

fn direction(record: &Record<'_>) -> Direction {
    record.direction.unwrap_or(Direction::Inbound)
}

/// A path in small letters without its brackets.
fn bare(path: &str) -> String {
    let inner = path.strip_prefix('<').and_then(|p| p.strip_suffix('>')).filter(|p| !p.is_empty());
    inner.unwrap_or(path).to_ascii_lowercase()
}

/// The mailbox of a `From:` field as the record has it: what stands in the last angle brackets, or all of it.
fn header_mailbox(from: &str) -> Option<Mailbox> {
    let inner = from.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(from, |(m, _)| m);
    Mailbox::parse(inner.trim().as_bytes()).ok()
}

fn add(names: &mut HashMap<String, u64>, name: String) {
    if names.len() < NAMES_MAX || names.contains_key(&name) {
        *names.entry(name).or_default() += 1;
    }
}

fn most(names: impl IntoIterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sorted: BTreeMap<(std::cmp::Reverse<u64>, String), ()> = BTreeMap::new();
    for (name, n) in names {
        sorted.insert((std::cmp::Reverse(n), name), ());
        if sorted.len() > TOLD_MAX {
            sorted.pop_last();
        }
    }
    sorted.into_keys().map(|(n, name)| (name, n.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model;
    use crate::records::Records;

    const NOW: i64 = 1_795_291_200_000;

    fn state() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let (records, mut writer) = Records::open(dir.path(), &model::Records::default()).unwrap();
        let message = |day: u32, client: &str, from: &str, to: &str, reply: &str, direction: &str| {
            format!(
                "{{\"time\":\"2026-11-{day:02}T20:00:00.000Z\",\"kind\":\"message\",\"session\":\"7F3K9QAB\",\
                 \"direction\":\"{direction}\",\"client\":\"{client}\",\"helo\":\"mail.spam.example\",\"from\":\"{from}\",\
                 \"to\":[{{\"rcpt\":\"{to}\",\"reply\":\"250 ok\"}}],\"verdict\":\"continue\",\"reply\":\"{reply}\",\
                 \"header\":{{\"from\":\"Eve <eve@header.example>\"}}}}\n"
            )
        };
        let text = [
            message(1, "192.0.2.7", "old@spam.example", "b@example.net", "250 ok", "inbound"),
            message(20, "192.0.2.7", "a@spam.example", "b@example.net", "250 ok", "inbound"),
            message(20, "192.0.2.7", "A@Spam.example", "c@example.net", "550 no", "inbound"),
            message(20, "192.0.2.8", "partner@good.example", "b@example.net", "250 ok", "inbound"),
            message(21, "10.0.0.1", "b@example.net", "partner@good.example", "250 ok", "outbound"),
            message(21, "10.0.0.1", "b@example.net", "a@spam.example", "250 ok", "outbound"),
            "{\"time\":\"2026-11-21T20:00:00.000Z\",\"kind\":\"connection\",\"client\":\"192.0.2.7\"}\n".into(),
            "{\"time\":\"2026-11-21T20:00:00.000Z\",\"kind\":\"refused\",\"client\":\"192.0.2.7\",\"count\":40}\n".into(),
        ]
        .concat();
        records.append(text.as_bytes(), &Default::default());
        writer.close();
        dir
    }

    fn look(entry: &str, dir: Option<Direction>) -> Report {
        let state = state();
        let typed = Typed::parse(entry).unwrap();
        preview(state.path(), &typed, dir, NOW - 10 * 86_400_000, NOW).unwrap()
    }

    #[test]
    fn every_kind_of_entry_is_counted() {
        for (entry, messages, delivered, connections) in [
            ("192.0.2.7", 2, 1, 41),
            ("192.0.2.0/24", 3, 2, 41),
            ("spam.example", 2, 1, 0),
            ("a@spam.example", 2, 1, 0),
            ("rcpt:c@example.net", 1, 0, 0),
            ("ehlo:mail.spam.example", 5, 4, 0),
            ("header-from:eve@header.example", 5, 4, 0),
            ("rcpt:nobody@example.net", 0, 0, 0),
        ] {
            let report = look(entry, None);
            let got = (report.messages, report.delivered, report.connections);
            assert_eq!(got, (messages, delivered, connections), "{entry}");
            assert_eq!((report.looked_at, report.clean), (5, delivered), "{entry}");
        }
    }

    #[test]
    fn whom_our_people_wrote_to_is_told() {
        let report = look("192.0.2.0/24", None);
        assert_eq!(report.written_to, [("a@spam.example".into(), 1), ("partner@good.example".into(), 1)]);
        assert_eq!(report.senders, [("a@spam.example".into(), 2), ("partner@good.example".into(), 1)]);
        assert_eq!(report.clients[0], ("192.0.2.7".into(), 2));
        // Also where the sender has not written yet.
        assert_eq!(look("good.example", None).written_to, [("partner@good.example".into(), 1)]);
        let outbound = look("ehlo:mail.spam.example", Some(Direction::Outbound));
        assert_eq!((outbound.messages, outbound.outbound), (2, 2));
    }
}
