//! Ban points: what an address did within the window.
//!
//! Owner of the points of the last [`ADDRESSES_MAX`] addresses that did something; beyond, the one that was quiet
//! longest is forgotten. Points are lost with the process; bans are not.

use super::recent::Recent;
use super::subject::seconds;
use super::window::Window;
use crate::config::model::{BanPoints, Bans as Policy};
use crate::verdict::Event;
use ipnet::IpNet;
use std::sync::{Mutex, PoisonError};

/// Most addresses with points.
const ADDRESSES_MAX: usize = 100_000;
/// Entries that a sweep lets go of while it has the lock, and how often it takes it.
const PIECE: usize = 1000;
const PIECES: usize = 100;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// Points as the policy gives them.
    Event(Event),
    /// Points that a `[[rule]]` gives.
    Rule(u32),
}

/// What points are for, in the words of a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Event(Event),
    Rule,
}

impl Offence {
    fn points(self, points: &BanPoints) -> (Cause, u32) {
        let event = match self {
            Self::Event(event) => event,
            Self::Rule(n) => return (Cause::Rule, n),
        };
        let n = match event {
            Event::UnknownRecipient => points.unknown_recipient,
            Event::RelayDenied => points.relay_denied,
            Event::AuthFailure => points.auth_failure,
            Event::EarlyTalk => points.early_talk,
            Event::ProtocolError => points.protocol_error,
            Event::Refused => points.refused,
            Event::OverLimit => points.over_limit,
            Event::Virus => points.virus,
        };
        (Cause::Event(event), n)
    }
}

impl Cause {
    fn words(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Event(Event::UnknownRecipient) => "unknown-recipient",
            Self::Event(Event::RelayDenied) => "relay-denied",
            Self::Event(Event::AuthFailure) => "auth-failure",
            Self::Event(Event::EarlyTalk) => "early-talk",
            Self::Event(Event::ProtocolError) => "protocol-error",
            Self::Event(Event::Refused) => "refused",
            Self::Event(Event::OverLimit) => "over-limit",
            Self::Event(Event::Virus) => "virus",
        }
    }
}

struct Sheet {
    window: Window<Cause>,
    /// From when on nothing of it counts.
    ends: i64,
}

/// The points of all addresses.
pub(super) struct Points(Mutex<Recent<IpNet, Sheet>>);

impl Default for Points {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(ADDRESSES_MAX)))
    }
}

impl Points {
    /// Counts; where the limit is reached, why, and the address begins anew.
    pub(super) fn add(&self, who: IpNet, offence: Offence, policy: &Policy, now: i64) -> Option<String> {
        let (cause, points) = offence.points(&policy.points);
        if points == 0 {
            return None;
        }
        let period = seconds(policy.window);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.touch(&who).is_none() {
            all.insert(who, Sheet { window: Window::default(), ends: 0 });
        }
        let sheet = all.touch(&who)?;
        sheet.window.add(now, period, cause, u64::from(points));
        sheet.ends = now + period;
        if sheet.window.total(now, period) < u64::from(policy.limit.max(1)) {
            return None;
        }
        let sums = sheet.window.by_tag(now, period);
        all.remove(&who);
        drop(all);
        let words: Vec<String> = sums.iter().map(|(cause, n)| format!("{} {n}", cause.words())).collect();
        Some(words.join(", "))
    }

    /// Whether anything is still held against it.
    pub(super) fn has(&self, who: &IpNet, now: i64) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.peek(who).is_some_and(|sheet| sheet.ends > now)
    }

    pub(super) fn forget(&self, who: &IpNet) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }

    pub(super) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn sweep(&self, now: i64) {
        for _ in 0..PIECES {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.drop_while(PIECE, |sheet| sheet.ends <= now) < PIECE {
                return;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
