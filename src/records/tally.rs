//! From a record to counters: who it counts for, and as what.

use super::loops::Loops;
use super::record::{Kind, Record};
use super::top::{By, Event, Top};
use super::window::Counts;
use crate::mail::Id;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

/// Sessions that are remembered for their end.
const TOLD_MAX: usize = 50_000;

/// What is kept from record to record.
#[derive(Default)]
pub(super) struct Memory {
    /// Loops.
    pub(super) loops: Loops,
    /// Sessions of which a message was counted: their own record says again what was found of them.
    told: HashSet<Id>,
}

/// Counts a record. `live`: it belongs to this process.
pub(super) fn count(top: &Top, memory: &mut Memory, record: &Record<'_>, live: bool) {
    let unix_ms = record.unix_ms();
    let at = u32::try_from(unix_ms / 1000).unwrap_or(0);
    let tally = Tally { top, at, live, sample: record.id() };
    match record.kind {
        Kind::Message => {
            tally.message(record);
            memory.loops.count(record, unix_ms);
            if memory.told.len() >= TOLD_MAX {
                // A few findings are counted twice then.
                memory.told.clear();
            }
            memory.told.extend(record.session.parse::<Id>());
        }
        Kind::Connection => {
            let told = record.session.parse::<Id>().is_ok_and(|id| memory.told.remove(&id));
            let refused = !told && (&*record.end == "refused" || record.findings.iter().any(|f| f.refuses()));
            tally.connections(record, 1, refused);
            if !told {
                tally.findings(record, 1);
            }
        }
        Kind::Refused => {
            let count = u32::try_from(record.count).unwrap_or(u32::MAX);
            tally.connections(record, count, true);
            tally.findings(record, count);
        }
        Kind::Other => {}
    }
}

struct Tally<'t> {
    top: &'t Top,
    at: u32,
    live: bool,
    sample: Option<Id>,
}

impl Tally<'_> {
    fn add(&self, by: By, key: &str, counts: Counts) {
        let event = Event { at: self.at, counts, sample: self.sample, live: self.live };
        self.top.count(by, key, &event);
    }

    fn client(&self, name: &mut String, client: Option<IpAddr>, counts: Counts) {
        // All others of a flood, counted together, are nobody that could be blocked.
        let Some(ip) = client.filter(|ip| !ip.is_unspecified()) else { return };
        name.clear();
        // Writing to a String cannot fail.
        let _ = write!(name, "{ip}");
        self.add(By::Ip, name, counts);
        name.clear();
        let _ = match ip {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                write!(name, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let prefix = v6.to_bits() & !u128::from(u64::MAX);
                write!(name, "{}/64", Ipv6Addr::from_bits(prefix))
            }
        };
        self.add(By::Prefix, name, counts);
    }

    fn connections(&self, record: &Record<'_>, connections: u32, refused: bool) {
        let refused = if refused { connections } else { 0 };
        self.client(&mut String::new(), record.client, Counts { connections, refused, ..Counts::default() });
    }

    fn message(&self, record: &Record<'_>) {
        let refused = u32::from(!record.is_taken());
        let counts = Counts { connections: 0, messages: 1, refused, octets: record.size };
        let mut name = String::with_capacity(64);
        self.client(&mut name, record.client, counts);
        let (sender, domain) = mailbox(&record.from, &mut name);
        self.add(By::Sender, sender, counts);
        if let Some(domain) = domain {
            self.add(By::SenderDomain, domain, counts);
        }
        for to in &record.to {
            let refused = refused.max(u32::from(!to.reply.starts_with('2')));
            let counts = Counts { refused, ..counts };
            let (recipient, domain) = mailbox(&to.rcpt, &mut name);
            self.add(By::Recipient, recipient, counts);
            if let Some(domain) = domain {
                self.add(By::RecipientDomain, domain, counts);
            }
        }
        self.findings(record, 1);
    }

    fn findings(&self, record: &Record<'_>, times: u32) {
        for (at, found) in record.findings.iter().enumerate() {
            let again = record.findings.iter().take(at).any(|f| *f.id == *found.id);
            if !again {
                let refused = if found.refuses() { times } else { 0 };
                let counts = Counts { connections: 0, messages: times, refused, octets: record.size };
                self.add(By::Rule, &found.id, counts);
            }
        }
    }
}

/// A path in small letters without its brackets, and its domain; the null one is `<>`.
fn mailbox<'n>(path: &str, name: &'n mut String) -> (&'n str, Option<&'n str>) {
    let inner = path.strip_prefix('<').and_then(|p| p.strip_suffix('>')).unwrap_or(path);
    name.clear();
    name.push_str(if inner.is_empty() { "<>" } else { inner });
    name.make_ascii_lowercase();
    (name, name.rsplit_once('@').map(|(_, domain)| domain).filter(|d| !d.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::super::top::{Sort, TopReport};
    use super::super::window::Window;
    use super::*;

    fn counted(lines: &[&str]) -> impl Fn(By) -> TopReport {
        let (top, mut memory) = (Top::new(100), Memory::default());
        for line in lines {
            count(&top, &mut memory, &Record::parse(line.as_bytes()).unwrap(), true);
        }
        move |by| top.rows(by, Window::All, 9, Sort::Messages, 0)
    }

    #[test]
    fn every_source_of_a_record_is_counted() {
        let rows = counted(&[
            r#"{"time":"2026-11-21T20:00:00.123Z","kind":"message","session":"7F3K9QAB","message":"7F3K9QAC","client":"2001:db8::1",
               "from":"A@Example.com","to":[{"rcpt":"b@y.example","reply":"250 ok"},{"rcpt":"c@y.example","reply":"550 no"}],
               "size":100,"reply":"250 ok","findings":[{"id":"r1","verdict":"reject"},{"id":"r1"},{"id":"r2","verdict":"continue"}]}"#,
            r#"{"kind":"message","client":"192.0.2.7","from":"","to":[{"rcpt":"postmaster","reply":"250 ok"}],"reply":"451 later"}"#,
            r#"{"kind":"connection","client":"192.0.2.7","end":"quit"}"#,
            r#"{"kind":"connection","session":"7F3K9QAB","client":"198.51.100.1","end":"quit","findings":[{"id":"r1","verdict":"reject"}]}"#,
            r#"{"kind":"connection","session":"7F3K9QAC","client":"198.51.100.2","end":"quit","findings":[{"id":"r3","verdict":"reject"}]}"#,
            r#"{"kind":"refused","client":"192.0.2.7","count":40,"findings":[{"id":"blocks","verdict":"disconnect"}]}"#,
            r#"{"kind":"refused","client":"0.0.0.0","count":1000}"#,
        ]);
        let of = |by, key: &str| {
            let report = rows(by);
            let row = report.rows.into_iter().find(|r| r.key == key);
            let c = row.unwrap_or_else(|| panic!("{by:?} {key}")).counts;
            (c.connections, c.messages, c.refused, c.octets)
        };
        assert_eq!(of(By::Ip, "2001:db8::1"), (0, 1, 0, 100));
        assert_eq!(of(By::Prefix, "2001:db8::/64"), (0, 1, 0, 100));
        assert_eq!(of(By::Ip, "192.0.2.7"), (41, 1, 41, 0));
        assert_eq!(of(By::Prefix, "192.0.2.0/24"), (41, 1, 41, 0));
        assert_eq!(of(By::Sender, "a@example.com"), (0, 1, 0, 100));
        assert_eq!(of(By::Sender, "<>"), (0, 1, 1, 0));
        assert_eq!(of(By::SenderDomain, "example.com"), (0, 1, 0, 100));
        assert_eq!(of(By::Recipient, "c@y.example"), (0, 1, 1, 100));
        assert_eq!(of(By::Recipient, "postmaster"), (0, 1, 1, 0));
        assert_eq!(of(By::RecipientDomain, "y.example"), (0, 2, 1, 200));
        assert_eq!(of(By::Rule, "r1"), (0, 1, 1, 100));
        assert_eq!(of(By::Rule, "r2"), (0, 1, 0, 100));
        assert_eq!(of(By::Rule, "blocks"), (0, 40, 40, 0));
        assert_eq!((of(By::Ip, "198.51.100.1"), of(By::Ip, "198.51.100.2")), ((1, 0, 0, 0), (1, 0, 1, 0)));
        assert_eq!(of(By::Rule, "r3"), (0, 1, 1, 0));
        assert_eq!(rows(By::Ip).rows.len(), 4);
        assert_eq!(
            rows(By::Rule).rows.iter().find(|r| r.key == "r1").unwrap().sample.as_deref(),
            Some("7F3K9QAC")
        );
    }
}
