//! Bans: who may not connect for a while, because of what it did or because an admin says so.
//!
//! Owner of the bans, of those that are over but remembered (a further ban of the same address is longer), and of
//! `bans.jsonl`. A ban is of an address (IPv6: its /64) or, by hand, of a network. The last [`BANS_MAX`] are kept;
//! beyond, the oldest ends. Changes come one after the other, so that nobody is banned twice for the same and the
//! file has them in the order of the table. Who is banned is asked for every connection, and waits for no change:
//! that is one look-up for each length of network that has a ban, which is one as long as nobody bans networks by
//! hand. Failure: none of a session; see [`super`] for the file.

use super::journal::Journal;
use super::points::{Offence, Points};
use super::subject::{address, net, seconds, words};
use crate::config::model::{Bans as BanPolicy, Limits as Policy};
use crate::rules::Mode;
use crate::verdict::Ban;
use dashmap::DashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most bans, those that are over but remembered included.
const BANS_MAX: usize = 100_000;
/// Shortest prefixes that are banned: below, it is no client but half of the Internet.
const SHORTEST: (u8, u8) = (8, 16);
/// Longest ban by hand.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// How long a ban by hand is remembered after its end, in seconds.
const REMEMBERED: i64 = 24 * 3600;
/// How far ahead a ban may begin, in seconds: the clock was set back a little. Beyond, it was wrong when the ban was
/// made, which would then last for as long as it was wrong.
const AHEAD_MAX: i64 = 3600;
/// Longest reason of an admin, in characters.
const WHY_CHARS_MAX: usize = 200;

/// Who banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Points.
    Points,
    /// An admin.
    Hand,
}

/// One ban, for people and for the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanReport {
    /// Whom.
    pub net: IpNet,
    /// Since when, seconds since 1970.
    pub since: i64,
    /// Until when, seconds since 1970.
    pub until: i64,
    /// Until when it is remembered, seconds since 1970.
    pub remembered: i64,
    /// The how manieth of this address, as far as is remembered.
    pub count: u32,
    /// By whom.
    pub by: By,
    /// Why: the events and their points, or the admin's words.
    pub why: Box<str>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Ban(BanReport),
    Lift(IpNet),
    LiftAll {},
}

/// Why somebody cannot be banned by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// Too many at once.
    #[error("{0} is too large to be banned: at most a /{1} can be; larger networks belong into a block list")]
    TooLarge(IpNet, u8),
    /// Zero or forever.
    #[error("a ban lasts from one second to a year")]
    Time,
}

/// The bans.
pub struct Bans {
    table: Arc<Table>,
    points: Points,
    journal: Journal,
}

#[derive(Default)]
struct Table {
    bans: DashMap<IpNet, BanReport>,
    /// Bit n - 1 is set where there is a network of n bits.
    lengths_v4: AtomicU64,
    lengths_v6: AtomicU64,
    /// Taken by whoever changes the bans, never by whoever asks.
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    /// As they were banned, oldest first, each with its `since`: at most [`BANS_MAX`].
    queue: VecDeque<(IpNet, i64)>,
    /// How many there are of each family and length.
    lengths: BTreeMap<(bool, u8), usize>,
}

impl Table {
    fn lengths(&self, v4: bool) -> &AtomicU64 {
        if v4 { &self.lengths_v4 } else { &self.lengths_v6 }
    }

    /// The ban in force of the longest network.
    fn find(&self, ip: IpAddr, now: i64) -> Option<Ban> {
        let v4 = ip.is_ipv4();
        let mut bits = self.lengths(v4).load(Ordering::Acquire);
        while bits != 0 {
            let top = bits.ilog2();
            bits &= !(1 << top);
            let length = u8::try_from(top + 1).unwrap_or(0);
            let found = self.bans.view(&net(ip, length, length), |_, ban| {
                (ban.until > now).then(|| Ban { until: ban.until, why: ban.why.clone() })
            });
            if let Some(ban) = found.flatten() {
                return Some(ban);
            }
        }
        None
    }

    /// To change bans. Whoever holds it may rely on what the table says meanwhile.
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, order: &mut Order, ban: BanReport) {
        let (net, since) = (ban.net, ban.since);
        let before = self.bans.insert(net, ban);
        if before.is_none() {
            self.count(order, net, true);
        }
        // A file that was written anew may tell the same ban twice: it has its place in the queue.
        if before.is_none_or(|before| before.since != since) {
            order.queue.push_back((net, since));
        }
        if order.queue.len() > BANS_MAX
            && let Some((net, since)) = order.queue.pop_front()
            && self.bans.remove_if(&net, |_, ban| ban.since == since).is_some()
        {
            self.count(order, net, false);
        }
    }

    fn remove_if(
        &self,
        order: &mut Order,
        net: IpNet,
        gone: impl Fn(&BanReport) -> bool,
    ) -> Option<BanReport> {
        let (_, ban) = self.bans.remove_if(&net, |_, ban| gone(ban))?;
        self.count(order, net, false);
        Some(ban)
    }

    fn remove_all(&self, order: &mut Order) {
        for net in self.nets(|_| true) {
            self.remove_if(order, net, |_| true);
        }
    }

    fn count(&self, order: &mut Order, net: IpNet, more: bool) {
        let (v4, length) = (matches!(net, IpNet::V4(_)), net.prefix_len());
        let n = order.lengths.entry((v4, length)).or_default();
        *n = if more { *n + 1 } else { n.saturating_sub(1) };
        let bit = 1u64.checked_shl(u32::from(length).wrapping_sub(1)).unwrap_or(0);
        let bits = self.lengths(v4);
        if *n == 0 {
            bits.fetch_and(!bit, Ordering::AcqRel)
        } else {
            bits.fetch_or(bit, Ordering::AcqRel)
        };
    }

    /// Those that `which` wants, by name, so that none is held while they change.
    fn nets(&self, which: impl Fn(&BanReport) -> bool) -> Vec<IpNet> {
        self.bans.iter().filter(|ban| which(ban)).map(|ban| ban.net).collect()
    }

    fn take(&self, line: &str, now: i64) -> bool {
        match serde_json::from_str(line) {
            Ok(Line::Ban(ban)) if bannable(ban.net) == Ok(ban.net) => {
                if !ban.is_over(now) {
                    self.put(&mut self.order(), ban);
                }
            }
            Ok(Line::Lift(net)) => {
                self.remove_if(&mut self.order(), net, |_| true);
            }
            Ok(Line::LiftAll {}) => self.remove_all(&mut self.order()),
            Ok(Line::Ban(_)) | Err(_) => return false,
        }
        true
    }

    fn lines(&self) -> Vec<u8> {
        let mut all: Vec<BanReport> = self.bans.iter().map(|ban| ban.value().clone()).collect();
        all.sort_by_key(|ban| ban.since);
        let mut out = Vec::new();
        for ban in all {
            // Our own structures always serialise, and a Vec takes everything.
            let _ = serde_json::to_writer(&mut out, &Line::Ban(ban));
            out.push(b'\n');
        }
        out
    }
}

impl Bans {
    /// The bans of that state directory; those that are over and no longer remembered are forgotten.
    ///
    /// # Errors
    /// `bans.jsonl` can be neither read nor made.
    pub(super) fn open(state_dir: &Path, now: i64) -> io::Result<Self> {
        let table = Arc::new(Table::default());
        let all = Arc::clone(&table);
        let take = |line: &str| table.take(line, now);
        let journal = Journal::open(state_dir.join("bans.jsonl"), take, Box::new(move || all.lines()))?;
        Ok(Self { table, points: Points::default(), journal })
    }

    /// The ban that is in force for this address. A map access: it may be asked for every connection.
    #[must_use]
    pub fn ban_of(&self, ip: IpAddr, now: i64) -> Option<Ban> {
        self.table.find(crate::mail::unmapped(ip), now)
    }

    /// Whether the address has ban points within the window.
    #[must_use]
    pub fn has_points(&self, ip: IpAddr, policy: &Policy, now: i64) -> bool {
        policy.bans.mode != Mode::Off && self.points.has(&address(ip, &policy.connections), now)
    }

    /// Counts what an address did. A ban where that was too much: with `mode = "log"` it is only told, with `off`
    /// nothing is counted. Who is banned already is not banned again. Exempt clients are not to be counted.
    pub fn offend(&self, ip: IpAddr, offence: Offence, policy: &Policy, now: i64) -> Option<Ban> {
        let bans = &policy.bans;
        if bans.mode == Mode::Off {
            return None;
        }
        let who = address(ip, &policy.connections);
        let why = self.points.add(who, offence, bans, now)?;
        // Sessions of one client may get here at once: the first bans it, the others find that it is banned.
        let mut order = self.table.order();
        if let Some(ban) = self.ban_of(ip, now) {
            return Some(ban);
        }
        let ban = self.next(who, why.into(), bans, now);
        let answer = Ban { until: ban.until, why: ban.why.clone() };
        if bans.mode == Mode::On {
            self.put(&mut order, ban);
        }
        Some(answer)
    }

    /// Bans by hand; a ban in force is replaced.
    ///
    /// # Errors
    /// A network that is too large, or a time that is none.
    pub fn ban(&self, whom: IpNet, time: Duration, why: &str, now: i64) -> Result<BanReport, BanError> {
        let net = bannable(whom)?;
        let length = seconds(time);
        if length < 1 || time > LONGEST {
            return Err(BanError::Time);
        }
        let words: String =
            why.chars().take(WHY_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut order = self.table.order();
        let (count, until) = (self.count_before(net, now) + 1, now + length);
        let remembered = until + REMEMBERED;
        let ban = BanReport { net, since: now, until, remembered, count, by: By::Hand, why: words.into() };
        self.put(&mut order, ban.clone());
        Ok(ban)
    }

    /// The ban that follows the remembered ones.
    fn next(&self, who: IpNet, why: Box<str>, policy: &BanPolicy, now: i64) -> BanReport {
        let before = self.count_before(who, now);
        let most = seconds(policy.most);
        let mut length = seconds(policy.time).clamp(1, most.max(1));
        for _ in 0..before {
            if length >= most {
                break;
            }
            length = (length.saturating_mul(i64::from(policy.grow_percent.max(100))) / 100).min(most);
            if policy.grow_percent <= 100 {
                break;
            }
        }
        let until = now + length;
        BanReport {
            net: who,
            since: now,
            until,
            remembered: until + most,
            count: before + 1,
            by: By::Points,
            why,
        }
    }

    fn count_before(&self, net: IpNet, now: i64) -> u32 {
        self.table.bans.view(&net, |_, ban| if ban.remembered > now { ban.count } else { 0 }).unwrap_or(0)
    }

    fn put(&self, order: &mut Order, ban: BanReport) {
        let line = serde_json::to_string(&Line::Ban(ban.clone()));
        self.table.put(order, ban);
        self.tell(line);
    }

    /// A line for the file, while the table cannot change: the file has the changes in the order of the table. It
    /// does not wait for the disk.
    fn tell(&self, line: serde_json::Result<String>) {
        // Our own structures always serialise.
        if let Ok(line) = line {
            self.journal.line(line);
        }
    }

    /// The bans in force, those that were made last first; `most` of them, and how many there are.
    #[must_use]
    pub fn list(&self, now: i64, most: usize) -> (Vec<BanReport>, usize) {
        let in_force = self.table.bans.iter().filter(|ban| ban.until > now);
        let mut all: Vec<BanReport> = in_force.map(|ban| ban.value().clone()).collect();
        let count = all.len();
        all.sort_by_key(|ban| (std::cmp::Reverse(ban.since), ban.net));
        all.truncate(most);
        (all, count)
    }

    /// Ends all bans of and within a network, and forgets them and the points there. A ban of a larger network stays.
    /// Those that were in force.
    pub fn lift(&self, net: IpNet, now: i64) -> Vec<BanReport> {
        let net = whole_client(net);
        let mut lifted = Vec::new();
        for net in self.table.nets(|ban| net.contains(&ban.net)) {
            self.points.forget(&net);
            let mut order = self.table.order();
            if let Some(ban) = self.table.remove_if(&mut order, net, |_| true) {
                self.tell(serde_json::to_string(&Line::Lift(net)));
                lifted.push(ban);
            }
        }
        self.points.forget(&net);
        lifted.retain(|ban| ban.until > now);
        lifted
    }

    /// Ends all bans, and forgets all points. How many were in force.
    pub fn lift_all(&self, now: i64) -> usize {
        self.points.forget_all();
        let mut order = self.table.order();
        let (_, count) = self.list(now, 0);
        self.table.remove_all(&mut order);
        self.tell(serde_json::to_string(&Line::LiftAll {}));
        count
    }

    /// The ban in force of a network that this one lies within, such as a ban by hand around an address.
    #[must_use]
    pub fn around(&self, net: IpNet, now: i64) -> Option<IpNet> {
        let net = whole_client(net);
        let around = |ban: &BanReport| ban.until > now && ban.net != net && ban.net.contains(&net);
        self.table.nets(around).into_iter().max_by_key(IpNet::prefix_len)
    }

    /// How many addresses have points.
    #[must_use]
    pub fn with_points(&self) -> usize {
        self.points.len()
    }

    /// Forgets bans that are over and no longer remembered, and points that count no more.
    pub(super) fn sweep(&self, now: i64) {
        for net in self.table.nets(|ban| ban.is_over(now)) {
            self.table.remove_if(&mut self.table.order(), net, |ban| ban.is_over(now));
        }
        self.points.sweep(now);
    }

    pub(super) fn save(&self) {
        self.journal.save();
    }
}

/// The network, at most as long as one client is.
fn whole_client(whom: IpNet) -> IpNet {
    net(whom.addr(), whom.prefix_len().min(32), whom.prefix_len().min(64))
}

fn bannable(whom: IpNet) -> Result<IpNet, BanError> {
    let net = whole_client(whom);
    let shortest = if net.addr().is_ipv4() { SHORTEST.0 } else { SHORTEST.1 };
    if net.prefix_len() < shortest { Err(BanError::TooLarge(net, shortest)) } else { Ok(net) }
}

impl BanReport {
    /// Whether it is over and no longer remembered, or was never meant to be.
    fn is_over(&self, now: i64) -> bool {
        self.remembered <= now || self.since > now + AHEAD_MAX
    }

    /// Whom it bans: `192.0.2.1`, `2001:db8::/64`.
    #[must_use]
    pub fn whom(&self) -> Box<str> {
        words(self.net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::BanPoints;
    use crate::verdict::Event;
    use std::fs;
    use std::net::Ipv4Addr;
    use std::time::Instant;

    fn policy() -> Policy {
        let points = BanPoints { early_talk: 40, auth_failure: 20, refused: 0, ..BanPoints::default() };
        let bans = BanPolicy {
            mode: Mode::On,
            limit: 100,
            window: Duration::from_hours(1),
            time: Duration::from_mins(30),
            grow_percent: 200,
            most: Duration::from_hours(3),
            points,
        };
        Policy { bans, ..Policy::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> IpNet {
        crate::rules::Net::parse(text).unwrap().net
    }

    fn open() -> (Bans, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Bans::open(dir.path(), 0).unwrap(), dir)
    }

    const EARLY: Offence = Offence::Event(Event::EarlyTalk);
    const AUTH: Offence = Offence::Event(Event::AuthFailure);

    #[test]
    fn points_within_the_window_lead_to_a_ban_that_says_why() {
        let (bans, _dir) = open();
        let (who, policy) = (ip("192.0.2.1"), policy());
        assert!(!bans.has_points(who, &policy, 0));
        assert_eq!(bans.offend(who, EARLY, &policy, 0), None);
        assert!(bans.has_points(who, &policy, 3599) && !bans.has_points(who, &policy, 3600));
        assert_eq!(bans.offend(who, Offence::Event(Event::Refused), &policy, 0), None);
        assert_eq!(bans.offend(who, EARLY, &policy, 3601), None, "the first is over");
        assert_eq!(bans.offend(who, AUTH, &policy, 3700), None);
        assert_eq!(bans.offend(who, Offence::Rule(39), &policy, 3700), None);
        assert_eq!(bans.ban_of(who, 3700), None);
        let ban = bans.offend(who, AUTH, &policy, 3800).unwrap();
        assert_eq!((&*ban.why, ban.until), ("early-talk 40, auth-failure 40, rule 39", 3800 + 1800));
        assert_eq!(bans.ban_of(who, 3800), Some(ban.clone()));
        assert_eq!(bans.ban_of(ip("::ffff:192.0.2.1"), 3800), Some(ban.clone()));
        assert_eq!(bans.ban_of(ip("192.0.2.2"), 3800), None);
        assert_eq!(bans.ban_of(who, ban.until), None);
        assert_eq!(bans.with_points(), 0);
    }

    fn ban_again(bans: &Bans, who: IpAddr, policy: &Policy, now: i64) -> i64 {
        (0..).find_map(|_| bans.offend(who, EARLY, policy, now)).unwrap().until - now
    }

    #[test]
    fn further_bans_are_longer_as_long_as_the_last_is_remembered() {
        let (bans, _dir) = open();
        let (who, policy) = (ip("2001:db8::1"), policy());
        let (mut now, mut lengths) = (0, Vec::new());
        for _ in 0..5 {
            lengths.push(ban_again(&bans, who, &policy, now));
            assert!(bans.ban_of(ip("2001:db8::ffff"), now).is_some(), "its /64");
            assert_eq!(ban_again(&bans, who, &policy, now + 1), lengths[lengths.len() - 1] - 1, "not twice");
            now += lengths[lengths.len() - 1] + 3 * 3600 - 1;
            bans.sweep(now);
        }
        assert_eq!(lengths, [1800, 3600, 7200, 10_800, 10_800]);
        bans.sweep(now + 1);
        assert_eq!(ban_again(&bans, who, &policy, now + 1), 1800);
    }

    #[test]
    fn log_tells_and_off_does_nothing() {
        let (bans, _dir) = open();
        let (who, mut policy) = (ip("192.0.2.1"), policy());
        policy.bans.mode = Mode::Log;
        assert_eq!(ban_again(&bans, who, &policy, 0), 1800);
        assert_eq!(bans.ban_of(who, 0), None);
        policy.bans.mode = Mode::Off;
        assert_eq!((0..99).find_map(|_| bans.offend(who, EARLY, &policy, 0)), None);
    }

    #[test]
    fn networks_are_banned_and_lifted_by_hand() {
        let (bans, _dir) = open();
        let hour = Duration::from_hours(1);
        assert_eq!(bans.ban(net("192.0.2.0/24"), hour, "rude\nall of them", 0).unwrap().until, 3600);
        bans.ban(net("2001:db8::1"), hour, "", 0).unwrap();
        ban_again(&bans, ip("192.0.2.1"), &policy(), -4000);
        assert_eq!(bans.ban_of(ip("192.0.2.9"), 5).map(|b| b.why), Some("rude all of them".into()));
        assert!(bans.ban_of(ip("2001:db8::2"), 5).is_some());
        assert_eq!(bans.around(net("192.0.2.9"), 5), Some(net("192.0.2.0/24")));
        assert!(bans.lift(net("192.0.2.9"), 5).is_empty());
        let (list, count) = bans.list(5, 1);
        assert_eq!((list.len(), count), (1, 2), "the third is over");
        assert_eq!(bans.lift(net("2001:db8::9"), 5).len(), 1);
        assert_eq!(bans.lift(net("192.0.0.0/16"), 5).len(), 1);
        assert_eq!(bans.table.bans.len(), 0, "also the one that was only remembered");
        assert_eq!(
            bans.table.lengths_v4.load(Ordering::Relaxed) | bans.table.lengths_v6.load(Ordering::Relaxed),
            0
        );
        assert_eq!(bans.ban(net("0.0.0.0/0"), hour, "", 0), Err(BanError::TooLarge(net("0.0.0.0/0"), 8)));
        assert_eq!(bans.ban(net("2001::/8"), hour, "", 0), Err(BanError::TooLarge(net("2000::/8"), 16)));
        for time in [Duration::ZERO, Duration::from_hours(24 * 366)] {
            assert_eq!(bans.ban(net("192.0.2.1"), time, "", 0), Err(BanError::Time));
        }
    }

    #[test]
    fn bans_are_there_after_a_kill() {
        let (bans, dir) = open();
        ban_again(&bans, ip("192.0.2.1"), &policy(), 100);
        ban_again(&bans, ip("192.0.2.2"), &policy(), 100);
        bans.ban(net("10.0.0.0/8"), Duration::from_hours(1), "by hand", 100).unwrap();
        bans.lift(net("192.0.2.2"), 100);
        bans.journal.save();
        // As after kill -9: nothing of it runs on.
        std::mem::forget(bans);
        let again = Bans::open(dir.path(), 200).unwrap();
        assert_eq!(again.list(200, 9).1, 2);
        assert_eq!(again.ban_of(ip("192.0.2.1"), 200).map(|b| b.why), Some("early-talk 120".into()));
        assert_eq!(again.ban_of(ip("192.0.2.2"), 200), None);
        assert_eq!(again.ban_of(ip("10.9.9.9"), 200).map(|b| b.why), Some("by hand".into()));
        assert_eq!(ban_again(&again, ip("192.0.2.1"), &policy(), 2000), 3600, "the growth too");
        assert_eq!(again.lift_all(2000), 2);
        drop(again);
        let text = fs::read_to_string(dir.path().join("bans.jsonl")).unwrap();
        assert!(text.starts_with(r#"{"ban":{"net":"192.0.2.1/32","since":100,"until":1900,"#), "{text}");
        assert_eq!(Bans::open(dir.path(), 2000).unwrap().list(2000, 9).1, 0);
    }

    #[test]
    fn a_clock_that_was_wrong_bans_nobody_for_years() {
        let (bans, dir) = open();
        ban_again(&bans, ip("192.0.2.1"), &policy(), 1_000_000_000);
        ban_again(&bans, ip("192.0.2.2"), &policy(), 3000);
        bans.sweep(1000);
        assert_eq!(bans.list(1000, 9).1, 1);
        drop(bans);
        assert_eq!(Bans::open(dir.path(), 1000).unwrap().list(1000, 9).1, 1);
    }

    #[test]
    fn a_damaged_file_never_stops_the_start() {
        let (bans, dir) = open();
        ban_again(&bans, ip("192.0.2.1"), &policy(), 100);
        drop(bans);
        let path = dir.path().join("bans.jsonl");
        let good = fs::read_to_string(&path).unwrap();
        let wide = good.replace("192.0.2.1/32", "0.0.0.0/0");
        for damage in ["{\"ban\":1}\n".to_owned(), "garbage\n".into(), "\0\0\0\n".into(), wide] {
            fs::write(&path, format!("{damage}{good}")).unwrap();
            let bans = Bans::open(dir.path(), 200).unwrap();
            assert_eq!(bans.list(200, 9).1, 1);
            drop(bans);
            assert_eq!(fs::read_to_string(&path).unwrap(), good);
            assert!(dir.path().join("bans.jsonl.damaged").exists());
        }
        fs::write(&path, good.trim_end_matches('\n').trim_end_matches('}')).unwrap();
        assert_eq!(Bans::open(dir.path(), 200).unwrap().list(200, 9).1, 0, "half a line is no ban");
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_asking_stays_cheap() {
        let (bans, _dir) = open();
        let (policy, address) = (policy(), |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)));
        let max = u32::try_from(BANS_MAX).unwrap();
        for n in 0..max + 10_000 {
            bans.offend(address(n), EARLY, &policy, 0);
        }
        assert_eq!(bans.with_points(), 100_000);
        for n in 0..max + 10_000 {
            bans.offend(address(n), Offence::Rule(100), &policy, 1);
        }
        assert_eq!(bans.list(2, 0).1, BANS_MAX);
        assert!(bans.ban_of(address(0), 2).is_none() && bans.ban_of(address(max), 2).is_some());
        let began = Instant::now();
        let found = (0..1_000_000).filter(|n| bans.ban_of(address(n * 3), 2).is_some()).count();
        println!("{found} of 1,000,000 banned: {} ns each", began.elapsed().as_nanos() / 1_000_000);
        let began = Instant::now();
        bans.sweep(1_000_000);
        println!("sweep of {BANS_MAX} bans: {} ms", began.elapsed().as_millis());
        assert_eq!((bans.table.bans.len(), bans.with_points()), (0, 0));
    }

    #[test]
    fn points_of_one_client_come_from_many_threads() {
        let (bans, _dir) = open();
        let policy = policy();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| drop(bans.offend(ip("192.0.2.1"), AUTH, &policy, 5))));
            }
        });
        assert_eq!(bans.list(5, 9).0[0].count, 1, "one ban, however many sessions it had");
    }

    /// Every thread crosses the limit by itself, at the same moment.
    #[test]
    fn a_client_that_crosses_the_limit_in_several_sessions_at_once_is_banned_once() {
        let (bans, dir) = open();
        let policy = policy();
        let (rounds, threads) = (200, 8);
        let start = std::sync::Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for n in 0..rounds {
                        start.wait();
                        let who = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
                        assert!(bans.offend(who, Offence::Rule(100), &policy, 5).is_some());
                    }
                });
            }
        });
        assert_eq!(bans.list(5, 0).1, rounds as usize);
        assert!(bans.list(5, 1000).0.iter().all(|ban| ban.count == 1 && ban.until == 5 + 1800));
        bans.save();
        let text = fs::read_to_string(dir.path().join("bans.jsonl")).unwrap();
        assert_eq!(text.lines().count(), rounds as usize, "and once in the file");
    }
}
