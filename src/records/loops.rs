//! Mail loops: the same message for the same recipient, taken again and again within a day.
//!
//! A message is known by its Message-ID, or, where it has none, by sender and subject. What was put off does not
//! count, for the client is to come again with it; what the loop guard refused does. Memory is bounded: two
//! generations of sightings (the older is forgotten when the newer is full) and the loops themselves.

use super::brief::{Brief, Part};
use super::keyed::Keyed;
use super::record::in_brackets;
use crate::mail::Id;
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
    message: Option<Id>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Loops {
    hasher: RandomState,
    young: Keyed<Sighting>,
    old: Keyed<Sighting>,
    loops: Keyed<Loop>,
}

impl Loops {
    /// Counts a message. What `scratch` holds is of no matter.
    pub(super) fn count(&mut self, brief: Brief<'_>, scratch: &mut String) {
        let guarded = brief.findings().any(|(id, refuses)| id == GUARD && refuses);
        if !guarded && !brief.is_delivered() {
            return;
        }
        let message_id = brief.text(Part::MessageId);
        for (recipient, _) in brief.recipients().filter(|(_, taken)| *taken).take(RECIPIENTS_MAX) {
            scratch.clear();
            scratch.push_str(recipient);
            scratch.make_ascii_lowercase();
            let key = if message_id.is_empty() {
                let said = (brief.text(Part::Sender), brief.text(Part::Subject), &**scratch);
                self.hasher.hash_one(said)
            } else {
                self.hasher.hash_one((message_id, &**scratch))
            };
            let sighting = self.see(key, brief.head.message, brief.head.unix_ms);
            if sighting.count >= SIGHTINGS || self.loops.contains_key(&key) {
                self.tell(key, sighting, brief, recipient, guarded);
            }
        }
    }

    fn see(&mut self, key: u64, message: Option<Id>, now: i64) -> Sighting {
        let again = |s: &&mut Sighting| now - s.first < WITHIN;
        if let Some(sighting) = self.young.get_mut(&key).filter(again) {
            sighting.count = sighting.count.saturating_add(1);
            return *sighting;
        }
        let known = if self.young.contains_key(&key) { None } else { self.old.get(&key).copied() };
        let first = Sighting { first: now, count: 0, message };
        let mut sighting = known.filter(|s| now - s.first < WITHIN).unwrap_or(first);
        sighting.count = sighting.count.saturating_add(1);
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, sighting);
        sighting
    }

    fn tell(&mut self, key: u64, sighting: Sighting, brief: Brief<'_>, recipient: &str, guarded: bool) {
        let now = brief.head.unix_ms;
        if self.loops.len() >= LOOPS_MAX && !self.loops.contains_key(&key) {
            self.make_room(now);
        }
        let said = |part: Part| Some(brief.text(part)).filter(|text| !text.is_empty()).map(str::to_owned);
        let reference = |id: Option<Id>| id.map_or_else(String::new, |id| id.to_string());
        let found = self.loops.entry(key).or_insert_with(|| Loop {
            message_id: said(Part::MessageId),
            subject: said(Part::Subject),
            from: in_brackets(brief.text(Part::Sender)),
            recipient: in_brackets(recipient),
            count: sighting.count - 1,
            clients: Vec::new(),
            first_unix_ms: sighting.first,
            last_unix_ms: now,
            first: reference(sighting.message),
            last: String::new(),
            guarded: false,
        });
        found.count = found.count.saturating_add(1);
        found.last_unix_ms = now;
        found.last = reference(brief.head.message);
        found.guarded |= guarded;
        if let Some(client) = brief.head.client.filter(|c| !found.clients.contains(c)) {
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
    use super::super::brief::Briefs;
    use super::super::record::Record;
    use super::*;

    fn see(loops: &mut Loops, at: i64, message_id: &str, rcpt: &str, reply: &str) {
        let line = format!(
            r#"{{"time":"{}","kind":"message","session":"7F3K9QAA","message":"{at:08}","client":"192.0.2.{}","from":"<a@x>",
              "to":[{{"rcpt":"{rcpt}","reply":"250 ok"}}],"reply":"{reply}",
              "header":{{"message_id":{message_id},"subject":"s"}},
              "findings":[{{"id":"{}","verdict":"reject"}}]}}"#,
            crate::mail::rfc3339(at),
            at % 3,
            if reply.starts_with("554") { GUARD } else { "other" }
        );
        let mut briefs = Briefs::default();
        briefs.add_record(&Record::parse(line.as_bytes()).unwrap());
        briefs.iter().for_each(|brief| loops.count(brief, &mut String::new()));
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
