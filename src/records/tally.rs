//! From a record to counters: who it counts for, and as what.

use super::brief::{Brief, Outcome, Part};
use super::loops::Loops;
use super::record::Kind;
use super::top::{By, Event, Top};
use super::window::Counts;
use crate::mail::Id;
use std::collections::HashSet;

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

/// Counts a record. `live`: it belongs to this process. What `scratch` holds is of no matter.
pub(super) fn count(top: &Top, memory: &mut Memory, brief: Brief<'_>, live: bool, scratch: &mut String) {
    let head = brief.head;
    let at = u32::try_from(head.unix_ms / 1000).unwrap_or(0);
    let tally = Tally { top, at, live, sample: brief.id(), brief };
    match head.kind {
        Kind::Message => {
            tally.message(scratch);
            memory.loops.count(brief, scratch);
            if memory.told.len() >= TOLD_MAX {
                // A few findings are counted twice then.
                memory.told.clear();
            }
            memory.told.extend(head.session);
        }
        Kind::Connection => {
            let told = head.session.is_some_and(|id| memory.told.remove(&id));
            let refused =
                !told && (head.outcome == Outcome::Refused || brief.findings().any(|(_, refuses)| refuses));
            tally.connections(1, refused);
            if !told {
                tally.findings(1);
            }
        }
        Kind::Refused => {
            let count = u32::try_from(head.count).unwrap_or(u32::MAX);
            tally.connections(count, true);
            tally.findings(count);
        }
        Kind::Other => {}
    }
}

struct Tally<'t> {
    top: &'t Top,
    at: u32,
    live: bool,
    sample: Option<Id>,
    brief: Brief<'t>,
}

impl Tally<'_> {
    fn event(&self, counts: Counts) -> Event {
        Event { at: self.at, counts, sample: self.sample, live: self.live }
    }

    fn client(&self, counts: Counts) {
        // All others of a flood, counted together, are nobody that could be blocked.
        if let Some(ip) = self.brief.head.client.filter(|ip| !ip.is_unspecified()) {
            self.top.count_client(ip, &self.event(counts));
        }
    }

    fn connections(&self, connections: u32, refused: bool) {
        let refused = if refused { connections } else { 0 };
        self.client(Counts { connections, refused, ..Counts::default() });
    }

    fn message(&self, name: &mut String) {
        let refused = u32::from(!self.brief.is_delivered());
        let counts = Counts { connections: 0, messages: 1, refused, octets: self.brief.head.octets };
        self.client(counts);
        let event = self.event(counts);
        let (sender, domain) = mailbox(self.brief.text(Part::Sender), name);
        self.top.count(By::Sender, sender, &event);
        if let Some(domain) = domain {
            self.top.count(By::SenderDomain, domain, &event);
        }
        for (recipient, accepted) in self.brief.recipients() {
            let counts = Counts { refused: refused.max(u32::from(!accepted)), ..counts };
            let event = self.event(counts);
            let (recipient, domain) = mailbox(recipient, name);
            self.top.count(By::Recipient, recipient, &event);
            if let Some(domain) = domain {
                self.top.count(By::RecipientDomain, domain, &event);
            }
        }
        self.findings(1);
    }

    fn findings(&self, times: u32) {
        for (at, (id, refuses)) in self.brief.findings().enumerate() {
            let again = self.brief.findings().take(at).any(|(before, _)| before == id);
            if !again {
                let refused = if refuses { times } else { 0 };
                let counts =
                    Counts { connections: 0, messages: times, refused, octets: self.brief.head.octets };
                self.top.count(By::Rule, id, &self.event(counts));
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
    use super::super::brief::Briefs;
    use super::super::record::Record;
    use super::super::top::{Sort, TopReport};
    use super::super::window::Window;
    use super::*;

    fn counted(lines: &[&str]) -> impl Fn(By) -> TopReport {
        let (top, mut memory) = (Top::new(100), Memory::default());
        let mut briefs = Briefs::default();
        lines.iter().for_each(|line| briefs.add_record(&Record::parse(line.as_bytes()).unwrap()));
        for brief in briefs.iter() {
            count(&top, &mut memory, brief, true, &mut String::new());
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
