//! What an attempt means for its message: which recipients are done, when the rest is tried again, when it is given up.
//!
//! Pure: the message, what was said, and the time in; the message as it is now out.

use super::spooling::{OURSELVES, next_attempt};
use crate::config::model::SpoolRules;
use crate::mail::escape_at_most;
use crate::reply::{Class, Reply};
use crate::vault::{Attempt, Item, Progress};

/// Characters of what was said that are kept.
const SAID_CHARS: usize = 300;

/// What is said of one whose time has not come.
pub(super) const NOT_DUE: &str = "not due";
/// How what is said of a downstream begins that does not answer at all.
pub(super) const AWAY: &str = "the downstream is away";

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has the message.
    Delivered(String),
    /// To be tried again.
    Later(String),
    /// Refused for good.
    Never(String),
}

impl Fate {
    /// What a reply to RCPT or to the message means.
    pub(super) fn of(reply: &Reply) -> Self {
        let said = reply.to_log();
        match reply.class() {
            Class::Success => Self::Delivered(said),
            Class::Permanent => Self::Never(said),
            Class::Intermediate | Class::Temporary => Self::Later(said),
        }
    }

    pub(super) fn said(&self) -> &str {
        match self {
            Self::Delivered(said) | Self::Later(said) | Self::Never(said) => said,
        }
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Attempted {
    /// By recipient.
    pub fates: Vec<(String, Fate)>,
    /// Whether the message may have been taken although nobody said so; `None` where its end never went down, and what was
    /// known before stands.
    pub doubt: Option<bool>,
    /// Nobody answers there.
    pub away: bool,
}

impl Attempted {
    /// All of these recipients alike.
    pub(super) fn all(rcpts: &[String], fate: &Fate) -> Self {
        Self { fates: rcpts.iter().map(|r| (r.clone(), fate.clone())).collect(), ..Self::default() }
    }
}

/// Enters what an attempt came to. Recipients that were changed meanwhile are left as they are.
pub(super) fn enter(item: &mut Item, attempted: &Attempted, now_ms: i64, rules: &SpoolRules) {
    let waiting = item.waiting();
    let Some(spool) = item.spool.as_mut() else { return };
    let several = spool.forms.len() > 1;
    let untried = !several && waiting > attempted.fates.len();
    let (attempts, due) = (spool.attempts, spool.next_ms);
    spool.attempts = spool.attempts.saturating_add(1);
    let lost = attempted.doubt == Some(true);
    if let (Some(doubt), Some((rcpt, _))) = (attempted.doubt, attempted.fates.first()) {
        spool.set_doubt(rcpt, doubt);
    }
    let mut events = Vec::new();
    // A recipient may be there twice: each fate is that of another delivery.
    let mut told = vec![false; spool.deliveries.len()];
    for (rcpt, fate) in &attempted.fates {
        let waits = |d: &crate::vault::Delivery| d.rcpt == *rcpt && d.progress == Progress::Waiting;
        let mut all = spool.deliveries.iter_mut().zip(&mut told);
        let Some((delivery, told)) = all.find(|(delivery, told)| !**told && waits(delivery)) else {
            continue;
        };
        *told = true;
        let said = escape_at_most(fate.said().as_bytes(), SAID_CHARS);
        delivery.at_ms = now_ms;
        match fate {
            Fate::Delivered(_) => {
                delivery.progress = Progress::Delivered;
                events.push(format!("delivered to {rcpt}: {said}"));
            }
            Fate::Never(_) => {
                delivery.progress = Progress::Failed;
                delivery.told_delay = false;
                events.push(format!("refused for {rcpt}: {said}"));
            }
            Fate::Later(_) if now_ms >= spool.expires_ms => {
                delivery.progress = Progress::Failed;
                delivery.told_delay = false;
                events.push(format!("given up for {rcpt}: {said}"));
            }
            Fate::Later(_) => {}
        }
        delivery.reply = Some(said);
    }
    let said = attempted.fates.iter().rev().map(|(_, fate)| fate);
    let worst = said.min_by_key(|f| matches!(f, Fate::Delivered(_)));
    if let Some(fate) = worst {
        let said = escape_at_most(fate.said().as_bytes(), SAID_CHARS);
        spool.last = Some(Attempt { at_ms: now_ms, said });
    }
    // The last attempt is right when the time is over.
    let next = next_attempt(rules, spool.attempts, now_ms);
    spool.next_ms = if now_ms < spool.expires_ms { next.min(spool.expires_ms) } else { next };
    if untried && attempted.fates.iter().any(|(_, fate)| matches!(fate, Fate::Delivered(_))) {
        // More recipients than one transaction takes: the others are next.
        spool.next_ms = now_ms;
    }
    let untouched = |d: &crate::vault::Delivery| d.progress == Progress::Waiting && d.at_ms < due;
    if several && !attempted.away && !lost && spool.deliveries.iter().any(untouched) {
        // Others get it in another form: they are next, and all of that is one attempt.
        (spool.attempts, spool.next_ms) = (attempts, due);
    }
    if lost {
        events.push("the connection was lost at the end of the message: may be delivered twice".to_owned());
    }
    tell(item, events, now_ms);
}

/// A message with a thousand recipients must not push its own beginning out of its history.
fn tell(item: &mut Item, events: Vec<String>, now_ms: i64) {
    const EACH: usize = 8;
    let more = events.len().saturating_sub(EACH);
    for event in events.into_iter().take(EACH) {
        item.happened(now_ms, OURSELVES, event);
    }
    if more > 0 {
        item.happened(now_ms, OURSELVES, format!("and {more} more recipients"));
    }
}

/// Whether it ended with this attempt, and not all of its recipients got the message.
pub(super) fn is_undelivered(item: &Item, attempted: &Attempted) -> bool {
    item.waiting() == 0 && attempted.fates.iter().any(|(_, fate)| !matches!(fate, Fate::Delivered(_)))
}

/// The attempt in a sentence.
pub(super) fn summary(item: &Item, attempted: &Attempted) -> String {
    let count = |wanted: fn(&Fate) -> bool| attempted.fates.iter().filter(|(_, f)| wanted(f)).count();
    let delivered = count(|f| matches!(f, Fate::Delivered(_)));
    let never = count(|f| matches!(f, Fate::Never(_)));
    let first = |wanted: fn(&Fate) -> bool| {
        attempted.fates.iter().find(|(_, f)| wanted(f)).map_or("", |(_, f)| f.said())
    };
    let mut parts = Vec::new();
    let total = attempted.fates.len();
    let of = |n: usize| if n == total { String::new() } else { format!(" ({n} of {total} recipients)") };
    if delivered > 0 {
        parts.push(format!("delivered{}: {}", of(delivered), first(|f| matches!(f, Fate::Delivered(_)))));
    }
    if never > 0 {
        parts.push(format!("refused{}: {}", of(never), first(|f| matches!(f, Fate::Never(_)))));
    }
    let later = total - delivered - never;
    if later > 0 {
        let said = first(|f| matches!(f, Fate::Later(_)));
        let next = item.spool.as_ref().filter(|_| item.waiting() > 0).map(|s| s.next_ms);
        let when = next.map_or_else(
            || "given up".to_owned(),
            |next| format!("in the spool, next attempt at {}", crate::mail::rfc3339(next)),
        );
        parts.push(format!("{when}{} ({said})", of(later)));
    }
    parts.join("; ")
}
