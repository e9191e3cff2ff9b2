//! Mail loops: the same message for the same recipient, taken again and again within a day.
//!
//! A message is known by its Message-ID, or, where it has none, by sender and subject. What was put off does not
//! count, for the client is to come again with it; what the loop guard refused does. Memory is bounded: two
//! generations of sightings (the older is forgotten when the newer is full) and the loops themselves.

use super::record::{RecipientView, Record};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

/// From so many sightings it is a loop.
const SIGHTINGS: u32 = 5;
/// Within this time, in milliseconds.
const WITHIN: i64 = 24 * 3600 * 1000;
/// Sightings of one generation.
const GENERATION: usize = 50_000;
/// Loops that are told apart.
const LOOPS_MAX: usize = 500;
/// Client addresses of one loop.
const CLIENTS_MAX: usize = 8;
/// Recipients of one message that are looked at.
const RECIPIENTS_MAX: usize = 10;
/// The check that refuses what went round too often.
const GUARD: &str = "loop-guard";

/// One loop.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loop {
    /// Its Message-ID, escaped; `None` where it has none.
    pub message_id: Option<String>,
    /// Its subject, escaped.
    pub subject: Option<String>,
    /// Reverse-path.
    pub from: String,
    /// Forward-path.
    pub recipient: String,
    /// How often it came.
    pub count: u32,
    /// Where it came from lately, at most eight addresses.
    pub clients: Vec<IpAddr>,
    /// First sighting, milliseconds since 1970.
    pub first_unix_ms: i64,
    /// Last sighting.
    pub last_unix_ms: i64,
    /// Reference of the first message.
    pub first: String,
    /// Reference of the last one.
    pub last: String,
    /// The loop guard has refused it at last.
    pub guarded: bool,
}

/// What `loops` answers.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct LoopReport {
    /// From so many sightings within a day it is a loop.
    pub sightings: u32,
    /// The loops, the largest first.
    pub loops: Vec<Loop>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    first: i64,
    count: u32,
    id: [u8; 8],
}

/// What was seen.
#[derive(Default)]
pub(super) struct Loops {
    hasher: RandomState,
    young: HashMap<u64, Sighting>,
    old: HashMap<u64, Sighting>,
    loops: HashMap<u64, Loop>,
}

impl Loops {
    /// Counts a message at `now`, milliseconds since 1970.
    pub(super) fn count(&mut self, record: &Record<'_>, now: i64) {
        let guarded = record.findings.iter().any(|f| &*f.id == GUARD && f.refuses());
        if !guarded && !record.is_taken() {
            return;
        }
        let taken = record.to.iter().filter(|to| to.reply.starts_with('2'));
        for to in taken.take(RECIPIENTS_MAX) {
            let key = match record.header.message_id.said() {
                Some(id) => self.hasher.hash_one((id, to.rcpt.to_ascii_lowercase())),
                None => self.hasher.hash_one((
                    &*record.from,
                    &*record.header.subject,
                    to.rcpt.to_ascii_lowercase(),
                )),
            };
            let sighting = self.see(key, &record.message, now);
            if sighting.count >= SIGHTINGS || self.loops.contains_key(&key) {
                self.tell(key, sighting, record, to, (now, guarded));
            }
        }
    }

    fn see(&mut self, key: u64, id: &str, now: i64) -> Sighting {
        let known = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        let mut sighting = known.filter(|s| now - s.first < WITHIN).unwrap_or_else(|| Sighting {
            first: now,
            count: 0,
            id: id.as_bytes().first_chunk().copied().unwrap_or([b'0'; 8]),
        });
        sighting.count = sighting.count.saturating_add(1);
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, sighting);
        sighting
    }

    fn tell(
        &mut self,
        key: u64,
        sighting: Sighting,
        record: &Record<'_>,
        recipient: &RecipientView<'_>,
        (now, guarded): (i64, bool),
    ) {
        if self.loops.len() >= LOOPS_MAX && !self.loops.contains_key(&key) {
            self.make_room(now);
        }
        let found = self.loops.entry(key).or_insert_with(|| Loop {
            message_id: record.header.message_id.said().map(str::to_owned),
            subject: record.header.subject.said().map(str::to_owned),
            from: record.sender().unwrap_or_default(),
            recipient: recipient.path(),
            count: sighting.count - 1,
            clients: Vec::new(),
            first_unix_ms: sighting.first,
            last_unix_ms: now,
            first: String::from_utf8_lossy(&sighting.id).into_owned(),
            last: String::new(),
            guarded: false,
        });
        found.count = found.count.saturating_add(1);
        found.last_unix_ms = now;
        found.last = record.message.to_string();
        found.guarded |= guarded;
        if let Some(client) = record.client.filter(|c| !found.clients.contains(c)) {
            found.clients.truncate(CLIENTS_MAX - 1);
            found.clients.insert(0, client);
        }
    }

    /// Forgets the loops that are over, else the smallest.
    fn make_room(&mut self, now: i64) {
        self.loops.retain(|_, l| now - l.last_unix_ms < WITHIN);
        if self.loops.len() >= LOOPS_MAX {
            let smallest =
                self.loops.iter().min_by_key(|(_, l)| (l.count, l.last_unix_ms)).map(|(key, _)| *key);
            smallest.map(|key| self.loops.remove(&key));
        }
    }

    /// The loops of the last day at `now`.
    pub(super) fn report(&self, now: i64) -> LoopReport {
        let mut loops: Vec<Loop> =
            self.loops.values().filter(|l| now - l.last_unix_ms < WITHIN).cloned().collect();
        loops.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.first_unix_ms.cmp(&b.first_unix_ms)));
        LoopReport { sightings: SIGHTINGS, loops }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(loops: &mut Loops, at: i64, message_id: &str, rcpt: &str, reply: &str) {
        let line = format!(
            r#"{{"kind":"message","session":"7F3K9QAA","message":"{at:08}","client":"192.0.2.{}","from":"<a@x>",
              "to":[{{"rcpt":"{rcpt}","reply":"250 ok"}}],"reply":"{reply}",
              "header":{{"message_id":{message_id},"subject":"s"}},
              "findings":[{{"id":"{}","verdict":"reject"}}]}}"#,
            at % 3,
            if reply.starts_with("554") { GUARD } else { "other" }
        );
        loops.count(&Record::parse(line.as_bytes()).unwrap(), at);
    }

    #[test]
    fn what_comes_again_and_again_is_a_loop() {
        let mut loops = Loops::default();
        for at in 0..4 {
            see(&mut loops, at, "\"<1@x>\"", "<b@y>", "250 ok");
        }
        assert!(loops.report(4).loops.is_empty());
        see(&mut loops, 4, "\"<1@x>\"", "<B@y>", "554 5.4.6 loop");
        see(&mut loops, 5, "\"<1@x>\"", "<b@y>", "554 5.4.6 loop");
        let report = loops.report(5);
        let [found] = &report.loops[..] else { panic!("{report:?}") };
        assert_eq!((found.count, found.guarded, found.clients.len()), (6, true, 2));
        assert_eq!((found.first.as_str(), found.last.as_str()), ("00000000", "00000005"));
        assert_eq!((found.first_unix_ms, found.last_unix_ms), (0, 5));
        assert!(loops.report(WITHIN + 6).loops.is_empty());
    }

    #[test]
    fn lists_retries_and_old_ones_are_none() {
        let mut loops = Loops::default();
        for at in 0..50 {
            // One message of a mailing list for many; one that is put off; one a day.
            see(&mut loops, at, "\"<list@x>\"", &format!("<u{at}@y>"), "250 ok");
            see(&mut loops, at, "\"<retry@x>\"", "<b@y>", "451 later");
            see(&mut loops, at * WITHIN, "\"<daily@x>\"", "<b@y>", "250 ok");
        }
        assert!(loops.report(50).loops.is_empty());
        // Without a Message-ID sender, subject and recipient tell.
        for at in 0..5 {
            see(&mut loops, at, "null", "<b@y>", "250 ok");
        }
        assert_eq!(loops.report(5).loops[0].message_id, None);
    }

    #[test]
    fn a_flood_is_bounded_and_a_loop_is_found_in_it() {
        let mut loops = Loops::default();
        for at in 0..120_000 {
            see(&mut loops, at, &format!("\"<{at}@flood>\""), "<b@y>", "250 ok");
            if at % 10_000 == 0 {
                see(&mut loops, at, "\"<loop@x>\"", "<b@y>", "250 ok");
            }
        }
        assert!(loops.young.len() <= GENERATION && loops.old.len() <= GENERATION);
        assert_eq!(loops.report(120_000).loops[0].count, 12);
        for n in 0..(LOOPS_MAX as i64 * 2 * 5) {
            see(&mut loops, 120_000 + n, &format!("\"<{}@many>\"", n / 5), "<b@y>", "250 ok");
        }
        assert!(loops.loops.len() <= LOOPS_MAX);
        assert_eq!(loops.report(130_000).loops[0].message_id.as_deref(), Some("<loop@x>"));
    }
}
