//! Throttles: messages, recipients, octets and bounces of a user, sender, recipient, domain or client in a period.
//!
//! Owner of the counts of the last [`SUBJECTS_MAX`] subjects of all throttles together; beyond, the one that was
//! quiet longest is forgotten. They are counted by the name of the throttle, so a reload that changes a limit keeps
//! what was counted; a restart does not. A message counts when it was accepted; it is asked for before, and is too
//! much where it would not fit any more. A single message that is larger than the limit of octets passes when nothing
//! else was sent: refused for now, it would be refused for ever.

use super::recent::Recent;
use super::subject::{period_words, seconds};
use super::traffic::{Traffic, Who, bounced, receivers, receiving};
use super::window::Window;
use crate::config::model::{Rate, Throttle};
use crate::mail::Path;
use crate::rules::{Mode, Subject};
use crate::verdict::Throttled;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most subjects of all throttles together.
const SUBJECTS_MAX: usize = 100_000;
/// Entries that are looked at or let go of while the lock is held, and how often one sweep takes it.
const PIECE: usize = 1000;
const PIECES: usize = 100;

/// A throttle in force, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleReport {
    /// Name of the `[[throttle]]`.
    pub throttle: String,
    /// Whose: `user alice`.
    pub subject: String,
    /// What was too much: `messages 500/1h`.
    pub why: String,
    /// Since when, seconds since 1970.
    pub since: i64,
    /// Until when, seconds since 1970.
    pub until: i64,
    /// False where the throttle has `mode = "log"`.
    pub enforced: bool,
}

/// The counts of all throttles.
pub struct Throttles(Mutex<Recent<Arc<str>, Usage>>);

impl Default for Throttles {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(SUBJECTS_MAX)))
    }
}

/// What one subject did.
#[derive(Default)]
struct Usage {
    messages: Window<()>,
    recipients: Window<()>,
    octets: Window<()>,
    bounces: Window<()>,
    /// Since when, until when, why and whether enforced: of the throttle in force.
    in_force: Option<Box<(i64, i64, String, bool)>>,
    /// From when on nothing of it counts.
    ends: i64,
}

/// Amounts of one message.
#[derive(Clone, Copy, Default)]
struct Amounts {
    messages: u64,
    recipients: u64,
    octets: u64,
    bounces: u64,
}

impl Usage {
    fn windows<'u>(
        &'u mut self,
        throttle: &Throttle,
        amounts: Amounts,
    ) -> [(&'static str, Option<Rate>, &'u mut Window<()>, u64); 4] {
        [
            ("messages", throttle.messages, &mut self.messages, amounts.messages),
            ("recipients", throttle.recipients, &mut self.recipients, amounts.recipients),
            ("bytes", throttle.octets, &mut self.octets, amounts.octets),
            ("bounces", throttle.bounces, &mut self.bounces, amounts.bounces),
        ]
    }

    fn add(&mut self, throttle: &Throttle, amounts: Amounts, now: i64) {
        let mut ends = self.ends;
        for (_, rate, window, amount) in self.windows(throttle, amounts) {
            if let Some(rate) = rate.filter(|_| amount > 0) {
                let period = seconds(rate.period);
                window.add(now, period, (), amount);
                ends = ends.max(now + period);
            }
        }
        self.ends = ends;
    }

    /// The first limit that these amounts would exceed, and until when; and takes it down.
    fn excess(&mut self, throttle: &Throttle, amounts: Amounts, now: i64) -> Option<(String, i64)> {
        let found = self.windows(throttle, amounts).into_iter().find_map(|(what, rate, window, amount)| {
            let rate = rate.filter(|_| amount > 0)?;
            let period = seconds(rate.period);
            let used = window.total(now, period);
            let too_much = used.saturating_add(amount) > rate.count && (used > 0 || what != "bytes");
            let why = || format!("{what} {}/{}", rate.count, period_words(rate.period));
            let rest = rate.count.saturating_sub(amount);
            too_much.then(|| (why(), window.until(now, period, rest).max(now + 1)))
        });
        let enforced = throttle.mode == Mode::On;
        let since = self.in_force.as_ref().filter(|f| f.1 > now).map_or(now, |f| f.0);
        self.in_force = found.as_ref().map(|(why, until)| Box::new((since, *until, why.clone(), enforced)));
        found
    }
}

impl Throttles {
    /// Whether a message may go on: at MAIL without `recipient`, at RCPT with the one that is asked about, and
    /// `accepted` as many as were accepted before it. A throttle in force; one that is enforced before one that is
    /// only told (`mode = "log"`, which the caller finds by the name).
    pub fn check(
        &self,
        traffic: &Traffic<'_>,
        recipient: Option<&Path>,
        accepted: u64,
        throttles: &[Arc<Throttle>],
        now: i64,
    ) -> Option<Throttled> {
        let mut told = None;
        for throttle in throttles.iter().filter(|t| t.mode != Mode::Off && traffic.is_counted(t)) {
            let by_recipient = throttle.by.is_recipient();
            let who = match recipient {
                Some(path) if by_recipient => receiving(throttle.by, path),
                None if by_recipient => None,
                Some(_) | None => traffic.sending(throttle.by),
            };
            let Some(who) = who.filter(|who| !excepted(throttle, who.subject, traffic, now)) else {
                continue;
            };
            let null = *traffic.sender == Path::Null;
            let amounts = Amounts {
                messages: 1,
                recipients: if by_recipient { 1 } else { accepted + 1 },
                octets: traffic.octets.max(1),
                // A sender that got too many may not send; everybody else is asked about a bounce itself.
                bounces: u64::from(null || throttle.by.receives_bounces()),
            };
            let Some(found) = self.ask(throttle, &who, amounts, now) else { continue };
            if throttle.mode == Mode::On {
                return Some(found);
            }
            told = told.or(Some(found));
        }
        told
    }

    fn ask(&self, throttle: &Throttle, who: &Who<'_>, amounts: Amounts, now: i64) -> Option<Throttled> {
        let key = key(throttle, &who.words);
        let mut all = self.all();
        // Who is not known has sent nothing: only one message can be too much for it.
        let mut none = Usage::default();
        let (why, until) = all.touch(&*key).unwrap_or(&mut none).excess(throttle, amounts, now)?;
        drop(all);
        let subject = who.words.as_str().into();
        Some(Throttled { throttle: Arc::clone(&throttle.name), subject, why: why.into(), until })
    }

    /// Counts a message that was accepted, for these recipients.
    pub fn count(&self, traffic: &Traffic<'_>, recipients: &[&Path], throttles: &[Arc<Throttle>], now: i64) {
        let null = *traffic.sender == Path::Null;
        let amounts = |recipients: u64, bounce: bool| Amounts {
            messages: 1,
            recipients,
            octets: traffic.octets,
            bounces: u64::from(bounce),
        };
        for throttle in throttles.iter().filter(|t| t.mode != Mode::Off) {
            let add = |words: &str, subject: Subject<'_>, amounts: Amounts| {
                if !excepted(throttle, subject, traffic, now) {
                    self.add(throttle, words, amounts, now);
                }
            };
            let null_here = null && !throttle.by.receives_bounces();
            if traffic.is_counted(throttle) {
                if let Some(who) = traffic.sending(throttle.by) {
                    let all = u64::try_from(recipients.len()).unwrap_or(u64::MAX);
                    add(&who.words, who.subject, amounts(all, null_here));
                }
                for (words, (subject, n)) in receivers(throttle.by, recipients) {
                    add(&words, subject, amounts(n, null_here));
                }
            }
            // Bounces come the other way: of whatever direction the throttle is.
            if null && throttle.bounces.is_some() && throttle.by.receives_bounces() {
                for who in recipients.iter().flat_map(|path| bounced(throttle.by, path)) {
                    add(&who.words, who.subject, Amounts { bounces: 1, ..Amounts::default() });
                }
            }
        }
    }

    fn add(&self, throttle: &Throttle, words: &str, amounts: Amounts, now: i64) {
        let key = key(throttle, words);
        let mut all = self.all();
        if all.touch(&*key).is_none() {
            all.insert(key.as_str().into(), Usage::default());
        }
        if let Some(usage) = all.touch(&*key) {
            usage.add(throttle, amounts, now);
            // It is in force from here on, and listed, whether or not anything more comes.
            let one = Amounts { messages: 1, recipients: 1, octets: 1, bounces: 1 };
            usage.excess(throttle, one, now);
        }
    }

    /// The throttles in force, those that were last first; `most` of them, and how many there are.
    #[must_use]
    pub fn list(&self, now: i64, most: usize) -> (Vec<ThrottleReport>, usize) {
        let mut found = Vec::new();
        self.each(|key, usage| found.extend(report(key, usage, now)));
        let count = found.len();
        found.sort_by(|a, b| (b.since, &a.subject, &a.throttle).cmp(&(a.since, &b.subject, &b.throttle)));
        found.truncate(most);
        (found, count)
    }

    /// Forgets what was counted of that subject (`alice` or `user alice`) by that throttle, of all where one is not
    /// named. Those that were in force.
    pub fn lift(&self, throttle: Option<&str>, subject: Option<&str>, now: i64) -> Vec<ThrottleReport> {
        let subject = subject.map(str::to_lowercase);
        let wanted = |key: &str| {
            let Some((name, words)) = key.split_once('\0') else { return false };
            let bare = words.split_once(' ').map_or(words, |(_, bare)| bare);
            throttle.is_none_or(|t| t == name) && subject.as_ref().is_none_or(|s| s == words || s == bare)
        };
        let (mut keys, mut lifted) = (Vec::new(), Vec::new());
        self.each(|key, usage| {
            if wanted(key) {
                keys.push(Arc::clone(key));
                lifted.extend(report(key, usage, now));
            }
        });
        for key in keys {
            self.all().remove(&*key);
        }
        lifted
    }

    /// How many subjects are counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether nobody is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn sweep(&self, now: i64) {
        for _ in 0..PIECES {
            if self.all().drop_while(PIECE, |usage| usage.ends <= now) < PIECE {
                return;
            }
        }
    }

    /// Looks at all, piece by piece, so that sessions do not wait.
    fn each(&self, mut look: impl FnMut(&Arc<str>, &Usage)) {
        let mut from = 0;
        loop {
            let all = self.all();
            if from >= all.places() {
                return;
            }
            (from..from + PIECE).filter_map(|at| all.place(at)).for_each(|(key, usage)| look(key, usage));
            from += PIECE;
        }
    }

    fn all(&self) -> MutexGuard<'_, Recent<Arc<str>, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(throttle: &Throttle, words: &str) -> String {
    format!("{}\0{words}", throttle.name)
}

fn excepted(throttle: &Throttle, subject: Subject<'_>, traffic: &Traffic<'_>, now: i64) -> bool {
    throttle.except.as_ref().is_some_and(|except| except.matches(subject, traffic.direction, now))
}

fn report(key: &str, usage: &Usage, now: i64) -> Option<ThrottleReport> {
    let (since, until, why, enforced) = &**usage.in_force.as_ref().filter(|f| f.1 > now)?;
    let (throttle, subject) = key.split_once('\0')?;
    Some(ThrottleReport {
        throttle: throttle.to_owned(),
        subject: subject.to_owned(),
        why: why.clone(),
        since: *since,
        until: *until,
        enforced: *enforced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::ThrottleBy;
    use crate::verdict::Direction;
    use std::time::Duration;

    fn rate(count: u64, seconds: u64) -> Option<Rate> {
        Some(Rate { count, period: Duration::from_secs(seconds) })
    }

    fn throttle(by: ThrottleBy) -> Throttle {
        Throttle {
            name: "t".into(),
            mode: Mode::On,
            by,
            direction: None,
            null_sender: false,
            messages: None,
            recipients: None,
            octets: None,
            bounces: None,
            except: None,
            line: 1,
        }
    }

    fn path(text: &str) -> Path {
        Path::parse(text.as_bytes()).unwrap().0
    }

    struct Scene {
        throttles: Throttles,
        policy: Vec<Arc<Throttle>>,
        now: i64,
        direction: Direction,
        user: Option<&'static str>,
        octets: u64,
    }

    impl Scene {
        fn new(policy: Vec<Throttle>) -> Self {
            let policy = policy.into_iter().map(Arc::new).collect();
            let (throttles, direction) = (Throttles::default(), Direction::Outbound);
            Self { throttles, policy, now: 0, direction, user: None, octets: 100 }
        }

        fn traffic<'t>(&self, sender: &'t Path) -> Traffic<'t> {
            let client = "192.0.2.1".parse().unwrap();
            Traffic { direction: self.direction, client, user: self.user, sender, octets: self.octets }
        }

        /// MAIL, RCPT for each, and the message if nothing refuses: else why, and the place.
        fn send(&self, sender: &str, to: &[&str]) -> Result<(), (usize, Throttled)> {
            let (sender, to) = (path(sender), to.iter().map(|t| path(t)).collect::<Vec<_>>());
            let traffic = self.traffic(&sender);
            let ask = |to: Option<&Path>, accepted| {
                self.throttles.check(&traffic, to, accepted, &self.policy, self.now)
            };
            ask(None, 0).map_or(Ok(()), |t| Err((0, t)))?;
            for (at, to) in to.iter().enumerate() {
                ask(Some(to), at as u64).map_or(Ok(()), |t| Err((at + 1, t)))?;
            }
            self.throttles.count(&traffic, &to.iter().collect::<Vec<_>>(), &self.policy, self.now);
            Ok(())
        }

        fn refused(&self, sender: &str, to: &[&str]) -> Option<(usize, String, String, i64)> {
            let (at, t) = self.send(sender, to).err()?;
            Some((at, t.subject.into(), t.why.into(), t.until))
        }
    }

    #[test]
    fn messages_of_a_sender_slide() {
        let mut s = Scene::new(vec![Throttle { messages: rate(3, 3600), ..throttle(ThrottleBy::Sender) }]);
        for now in [0, 10, 2000] {
            s.now = now;
            assert_eq!(s.refused("<Bob@Example.com>", &["<a@example.net>"]), None);
        }
        let why = (0, "sender bob@example.com".to_owned(), "messages 3/1h".to_owned(), 3600);
        assert_eq!(s.refused("<bob@example.com>", &["<a@example.net>"]), Some(why));
        assert_eq!(s.refused("<eve@example.com>", &["<a@example.net>"]), None);
        assert_eq!(s.refused("<>", &["<a@example.net>"]), None);
        s.now = 3600;
        assert_eq!(s.refused("<bob@example.com>", &["<a@example.net>"]), None);
    }

    #[test]
    fn recipients_count_before_they_are_accepted() {
        let mut s = Scene::new(vec![Throttle { recipients: rate(3, 3600), ..throttle(ThrottleBy::User) }]);
        assert_eq!(s.refused("<b@x.example>", &["<a@x.example>"; 9]), None, "nobody logged in");
        s.user = Some("Alice");
        assert_eq!(s.refused("<b@x.example>", &["<a@x.example>"; 2]), None);
        let (at, subject, why, _) = s.refused("<b@x.example>", &["<a@x.example>"; 2]).unwrap();
        assert_eq!((at, &*subject, &*why), (2, "user alice", "recipients 3/1h"));
        assert_eq!(s.refused("<b@x.example>", &["<a@x.example>"]), None);
        assert_eq!(s.refused("<b@x.example>", &["<a@x.example>"]).unwrap().0, 0);
    }

    #[test]
    fn octets_count_and_one_large_message_passes_alone() {
        let mut s =
            Scene::new(vec![Throttle { octets: rate(1000, 60), ..throttle(ThrottleBy::SenderDomain) }]);
        s.octets = 5000;
        assert_eq!(s.refused("<b@x.example>", &["<a@y.example>"]), None);
        s.octets = 0;
        let (_, subject, why, until) = s.refused("<c@X.example>", &["<a@y.example>"]).unwrap();
        assert_eq!((&*subject, &*why, until), ("sender_domain x.example", "bytes 1000/1m", 60));
        assert_eq!(s.refused("<c@sub.x.example>", &["<a@y.example>"]), None);
        s.now = 60;
        assert_eq!(s.refused("<c@x.example>", &["<a@y.example>"]), None);
    }

    #[test]
    fn recipients_and_their_domains_are_subjects() {
        let s = Scene::new(vec![
            Throttle { name: "one".into(), messages: rate(2, 60), ..throttle(ThrottleBy::Recipient) },
            Throttle { name: "all".into(), recipients: rate(3, 60), ..throttle(ThrottleBy::RecipientDomain) },
        ]);
        assert_eq!(s.refused("<b@x.example>", &["<a@y.example>", "<b@z.example>"]), None);
        assert_eq!(s.refused("<b@x.example>", &["<A@y.example>"]), None);
        let (at, subject, ..) = s.refused("<b@x.example>", &["<b@z.example>", "<a@y.example>"]).unwrap();
        assert_eq!((at, &*subject), (2, "recipient a@y.example"));
        assert_eq!(s.refused("<b@x.example>", &["<c@y.example>"]), None);
        assert_eq!(s.refused("<b@x.example>", &["<d@y.example>"]).unwrap().1, "recipient_domain y.example");
    }

    #[test]
    fn bounces_are_held_against_whom_they_go_to() {
        for (by, subject) in [
            (ThrottleBy::Sender, "sender spam@x.example"),
            (ThrottleBy::SenderDomain, "sender_domain x.example"),
            (ThrottleBy::User, "user spam"),
        ] {
            let bounces =
                Throttle { direction: Some(Direction::Outbound), bounces: rate(2, 60), ..throttle(by) };
            let mut s = Scene::new(vec![bounces]);
            s.user = Some("spam");
            for _ in 0..2 {
                assert_eq!(s.refused("<Spam@x.example>", &["<a@y.example>"]), None);
                s.direction = Direction::Inbound;
                s.user = None;
                assert_eq!(s.refused("<>", &["<spam@X.example>"]), None);
                s.direction = Direction::Outbound;
                s.user = Some("spam");
            }
            let (at, who, why, _) = s.refused("<spam@x.example>", &["<a@y.example>"]).unwrap();
            assert_eq!((at, &*who, &*why), (0, subject, "bounces 2/1m"));
            s.direction = Direction::Inbound;
            s.user = None;
            assert_eq!(s.refused("<>", &["<spam@x.example>"]), None, "it may receive");
        }
    }

    #[test]
    fn null_senders_are_counted_by_client_and_by_recipient() {
        for (by, who, at) in
            [(ThrottleBy::Client, "client 192.0.2.1", 0), (ThrottleBy::Recipient, "recipient a@y.example", 1)]
        {
            let s = Scene::new(vec![Throttle { null_sender: true, messages: rate(2, 60), ..throttle(by) }]);
            for _ in 0..5 {
                assert_eq!(s.refused("<b@x.example>", &["<a@y.example>"]), None);
            }
            assert_eq!(s.refused("<>", &["<a@y.example>"]), None);
            assert_eq!(s.refused("<>", &["<a@y.example>"]), None);
            let refused = s.refused("<>", &["<a@y.example>"]).unwrap();
            assert_eq!((refused.0, &*refused.1), (at, who));
            assert_eq!(s.refused("<b@x.example>", &["<a@y.example>"]), None);
        }
    }

    #[test]
    fn directions_and_modes_are_kept_apart() {
        let of = |name: &str, mode, direction| Throttle {
            name: name.into(),
            mode,
            direction,
            messages: rate(1, 60),
            ..throttle(ThrottleBy::Sender)
        };
        let mut s = Scene::new(vec![
            of("off", Mode::Off, None),
            of("in", Mode::On, Some(Direction::Inbound)),
            of("log", Mode::Log, None),
            of("on", Mode::On, Some(Direction::Outbound)),
        ]);
        s.send("<b@x.example>", &["<a@y.example>"]).unwrap();
        assert_eq!(&*s.send("<b@x.example>", &[]).unwrap_err().1.throttle, "on");
        s.direction = Direction::Inbound;
        assert_eq!(&*s.send("<b@x.example>", &[]).unwrap_err().1.throttle, "log");
        let (list, count) = s.throttles.list(0, 9);
        let list: Vec<_> = list.iter().map(|r| (&*r.throttle, r.enforced)).collect();
        assert_eq!((list, count), (vec![("log", false), ("on", true)], 2));
    }

    #[test]
    fn the_list_says_who_why_since_and_until_and_a_lift_ends_it() {
        let mut s = Scene::new(vec![Throttle { messages: rate(2, 600), ..throttle(ThrottleBy::User) }]);
        s.user = Some("alice");
        s.now = 7;
        s.send("<b@x.example>", &["<a@y.example>"]).unwrap();
        assert_eq!(s.throttles.list(7, 9).1, 0);
        s.now = 60;
        s.send("<b@x.example>", &["<a@y.example>"]).unwrap();
        let (list, _) = s.throttles.list(60, 9);
        assert_eq!(
            (&*list[0].subject, &*list[0].why, list[0].since, list[0].until),
            ("user alice", "messages 2/10m", 60, 600)
        );
        s.now = 100;
        s.send("<b@x.example>", &[]).unwrap_err();
        assert_eq!(s.throttles.list(100, 9).0[0].since, 60);
        assert_eq!(s.throttles.list(600, 9).1, 0);
        assert!(s.throttles.lift(Some("other"), None, 100).is_empty());
        assert!(s.throttles.lift(None, Some("bob"), 100).is_empty());
        assert_eq!(s.throttles.lift(Some("t"), Some("Alice"), 100).len(), 1);
        assert!(s.send("<b@x.example>", &["<a@y.example>"]).is_ok());
        s.send("<b@x.example>", &["<a@y.example>"]).unwrap();
        assert_eq!(s.throttles.lift(None, Some("user alice"), 100).len(), 1);
        assert!(s.throttles.is_empty());
    }

    #[test]
    fn a_reload_keeps_what_was_counted() {
        let mut s = Scene::new(vec![Throttle { messages: rate(5, 60), ..throttle(ThrottleBy::Sender) }]);
        for _ in 0..3 {
            s.send("<b@x.example>", &["<a@y.example>"]).unwrap();
        }
        s.policy = vec![Arc::new(Throttle { messages: rate(3, 60), ..throttle(ThrottleBy::Sender) })];
        assert!(s.send("<b@x.example>", &[]).is_err());
        s.policy = vec![Arc::new(Throttle { messages: rate(9, 60), ..throttle(ThrottleBy::Sender) })];
        assert!(s.send("<b@x.example>", &[]).is_ok());
        assert_eq!(s.throttles.list(0, 9).1, 0);
    }

    #[test]
    fn a_hundred_thousand_clients_and_more_are_bounded() {
        let mut s = Scene::new(vec![Throttle { messages: rate(9, 60), ..throttle(ThrottleBy::Client) }]);
        let sender = path("<b@x.example>");
        let began = std::time::Instant::now();
        for n in 0..120_000u32 {
            let client = std::net::Ipv4Addr::from(0x0a00_0000 + n).into();
            let traffic = Traffic { client, ..s.traffic(&sender) };
            s.throttles.check(&traffic, None, 0, &s.policy, 0);
            s.throttles.count(&traffic, &[&sender], &s.policy, 0);
        }
        println!("120,000 clients: {} ns each", began.elapsed().as_nanos() / 120_000);
        assert_eq!(s.throttles.len(), SUBJECTS_MAX);
        s.now = 60;
        s.throttles.sweep(s.now);
        assert!(s.throttles.is_empty());
    }
}
