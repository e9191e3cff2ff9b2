//! Transcripts of the last refused sessions, sampled: a flood from one address or from many leaves a few, and
//! an exact count of the others.
//!
//! Owner of: who was sampled lately (bounded) and how many were not since. The count is saved every few seconds
//! beside the ring; a kill loses those seconds of it.

use super::inbox::Inbox;
use super::segment;
use crate::mail::{Id, rfc3339};
use crate::store::{FileError, atomic};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest transcript in octets.
pub(super) const OCTETS_MAX: usize = 16 * 1024;
/// Of these, from its beginning.
const HEAD_OCTETS: usize = 6 * 1024;
/// Of these, from its end; the rest is for the mark between.
const TAIL_OCTETS: usize = OCTETS_MAX - HEAD_OCTETS - 128;
/// Most transcripts of one address in a minute.
const PER_ADDRESS: u32 = 5;
/// Most in a burst of all addresses; one more becomes free every second.
const BURST: i64 = 60;
/// A minute in milliseconds.
const MINUTE: i64 = 60_000;
/// Most addresses that are counted one by one.
const ADDRESSES_MAX: usize = 10_000;
/// Under which all others are counted.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// How long a count is kept after its last change.
const KEPT: i64 = 24 * 60 * MINUTE;
/// Between two clearings of a full table.
const CLEARING: i64 = 10_000;
/// The file of the counts, beside the segments.
const MISSED: &str = "missed.json";
/// Longest such file that is read.
const MISSED_OCTETS_MAX: usize = 4 << 20;

/// A transcript.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Transcript {
    /// End of the session (RFC 3339).
    pub time: String,
    /// The session.
    pub session: String,
    /// Its messages.
    pub messages: Vec<String>,
    /// Its client.
    pub client: IpAddr,
    /// Refused sessions of this address between the transcript before and this one, that left none.
    #[serde(default)]
    pub missed_before: u64,
    /// The dialogue.
    pub text: String,
}

/// Refused sessions of an address since its last transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Missed {
    /// How many.
    pub count: u64,
    /// Since when, milliseconds since 1970.
    pub since: i64,
    /// The last of them.
    pub last: i64,
}

/// Which sessions leave a transcript, and where it goes.
pub struct Transcripts {
    inbox: Arc<Inbox>,
    sampled: Mutex<Sampled>,
}

#[derive(Default)]
struct Sampled {
    addresses: HashMap<IpAddr, Address>,
    /// Milliseconds that have been saved up; a transcript costs 1,000.
    credit: i64,
    credited: i64,
    cleared: i64,
    changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Address {
    minute: i64,
    taken: u32,
    missed: Option<Missed>,
}

impl Transcripts {
    pub(super) fn new(inbox: Arc<Inbox>, missed: HashMap<IpAddr, Missed>) -> Self {
        let of = |(ip, missed)| (ip, Address { minute: 0, taken: 0, missed: Some(missed) });
        let addresses = missed.into_iter().take(ADDRESSES_MAX).map(of).collect();
        Self { inbox, sampled: Mutex::new(Sampled { addresses, ..Sampled::default() }) }
    }

    /// Whether a refused session of this client is to leave a transcript; one that is not is counted. Asked once
    /// in a session, at its end. `now`: milliseconds since 1970.
    #[must_use]
    pub fn wants(&self, ip: IpAddr, now: i64) -> bool {
        self.sampled().wants(of_address(ip), now)
    }

    /// Keeps the transcript of a session that [`Transcripts::wants`] asked for. `messages`: their references.
    /// `now`: milliseconds since 1970. Returns at once; a text over 16 KiB loses its middle.
    pub fn put(&self, session: Id, messages: &[Id], ip: IpAddr, now: i64, text: &str) {
        let transcript = Transcript {
            time: rfc3339(now),
            session: session.to_string(),
            messages: messages.iter().take(100).map(ToString::to_string).collect(),
            client: ip,
            missed_before: self.sampled().take_missed(of_address(ip)),
            text: bounded(text),
        };
        let Ok(mut line) = serde_json::to_vec(&transcript) else { return };
        line.push(b'\n');
        if !self.inbox.transcript(&line) {
            self.sampled().miss(of_address(ip), now, transcript.missed_before + 1);
        }
    }

    /// The counts, where they changed since the last time.
    pub(super) fn changes(&self) -> Option<HashMap<IpAddr, Missed>> {
        let mut sampled = self.sampled();
        let changed = std::mem::take(&mut sampled.changed);
        changed.then(|| sampled.addresses.iter().filter_map(|(ip, a)| Some((*ip, a.missed?))).collect())
    }

    fn sampled(&self) -> MutexGuard<'_, Sampled> {
        self.sampled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sampled {
    fn wants(&mut self, ip: IpAddr, now: i64) -> bool {
        let key = self.room_for(ip, now);
        let passed = (now - self.credited).max(0);
        self.credit = self.credit.saturating_add(passed).min(BURST * 1000);
        self.credited = now;
        let rich = self.credit >= 1000;
        let address = self.addresses.entry(key).or_insert(Address { minute: now, taken: 0, missed: None });
        if (now - address.minute).abs() >= MINUTE {
            (address.minute, address.taken) = (now, 0);
        }
        if address.taken < PER_ADDRESS && rich {
            address.taken += 1;
            self.credit -= 1000;
            return true;
        }
        self.miss(key, now, 1);
        false
    }

    fn miss(&mut self, ip: IpAddr, now: i64, count: u64) {
        self.changed = true;
        let key = self.room_for(ip, now);
        let address = self.addresses.entry(key).or_insert(Address { minute: 0, taken: 0, missed: None });
        let missed = address.missed.get_or_insert(Missed { count: 0, since: now, last: now });
        missed.count += count;
        missed.last = now;
    }

    fn take_missed(&mut self, ip: IpAddr) -> u64 {
        let Some(missed) = self.addresses.get_mut(&ip).and_then(|a| a.missed.take()) else { return 0 };
        self.changed = true;
        missed.count
    }

    /// The address itself, or [`OTHERS`] where the table is full.
    fn room_for(&mut self, ip: IpAddr, now: i64) -> IpAddr {
        if self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&ip) {
            return ip;
        }
        if (now - self.cleared).abs() >= CLEARING {
            self.cleared = now;
            self.addresses.retain(|_, a| match a.missed {
                Some(missed) => now - missed.last < KEPT,
                None => now - a.minute < MINUTE,
            });
        }
        if self.addresses.len() < ADDRESSES_MAX { ip } else { OTHERS }
    }
}

/// One IPv6 address is its /64.
fn of_address(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::from(u64::MAX)))),
    }
}

/// How many refused sessions of this client left no transcript since the last that did, from the files.
///
/// # Errors
/// The counts are there and cannot be read.
pub fn missed(state_dir: &Path, ip: IpAddr) -> io::Result<Option<Missed>> {
    let all = load(&state_dir.join(segment::TRANSCRIPTS))?;
    Ok(all.get(&of_address(ip)).copied())
}

/// The counts in a folder; none where there is no file.
pub(super) fn load(folder: &Path) -> io::Result<HashMap<IpAddr, Missed>> {
    match atomic::read(&folder.join(MISSED), MISSED_OCTETS_MAX) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(e) => Err(e),
    }
}

/// Saves the counts.
pub(super) fn save(folder: &Path, missed: &HashMap<IpAddr, Missed>) -> Result<(), FileError> {
    let text = serde_json::to_vec(missed).unwrap_or_default();
    atomic::write(&folder.join(MISSED), &text, 0o640)
}

/// At most [`OCTETS_MAX`] octets of a text, its middle left out.
fn bounded(text: &str) -> String {
    if text.len() <= OCTETS_MAX {
        return text.to_owned();
    }
    let mut head_end = HEAD_OCTETS;
    while !text.is_char_boundary(head_end) {
        head_end -= 1;
    }
    let mut tail_start = text.len() - TAIL_OCTETS;
    while !text.is_char_boundary(tail_start) {
        tail_start += 1;
    }
    let head = text.get(..head_end).unwrap_or_default();
    let head = head.rfind('\n').and_then(|at| head.get(..=at)).unwrap_or(head);
    let tail = text.get(tail_start..).unwrap_or_default();
    let tail = tail.find('\n').and_then(|at| tail.get(at + 1..)).unwrap_or(tail);
    let octets = text.len() - head.len() - tail.len();
    format!("{head}    ... {octets} octets left out ...\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled() -> Sampled {
        Sampled { credit: BURST * 1000, ..Sampled::default() }
    }

    #[test]
    fn a_flood_of_one_address_leaves_five_a_minute_and_an_exact_count() {
        let mut sampled = sampled();
        let ip = "192.0.2.7".parse().unwrap();
        let taken = (0..4817).filter(|n| sampled.wants(ip, 1_000_000 + n)).count();
        assert_eq!(taken, 5);
        assert_eq!(sampled.addresses[&ip].missed.unwrap().count, 4812);
        assert!(sampled.wants(ip, 1_000_000 + MINUTE + 4817));
        assert_eq!((sampled.take_missed(ip), sampled.take_missed(ip)), (4812, 0));
    }

    #[test]
    fn a_flood_of_many_leaves_one_a_second_and_is_bounded() {
        let mut sampled = sampled();
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
        // 100,000 addresses within 100 s.
        let taken = (0..100_000u32).filter(|n| sampled.wants(ip(*n), 1_000_000 + i64::from(*n))).count();
        assert!((60..=165).contains(&taken), "{taken}");
        assert!(sampled.addresses.len() <= ADDRESSES_MAX + 1);
        let missed: u64 = sampled.addresses.values().filter_map(|a| a.missed).map(|m| m.count).sum();
        assert_eq!(missed + taken as u64, 100_000);
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let mut sampled = sampled();
        let flood =
            (0..100u128).map(|n| of_address(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n))));
        assert_eq!(flood.filter(|ip| sampled.wants(*ip, 5)).count(), 5);
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        let text = bounded(&"ä".repeat(20_000));
        assert!(text.len() <= OCTETS_MAX && text.contains("octets left out"), "{}", text.len());
        let lines = bounded(&"C: NOOP\n".repeat(20_000));
        assert!(lines.lines().all(|l| l == "C: NOOP" || l.contains("left out")));
    }
}
