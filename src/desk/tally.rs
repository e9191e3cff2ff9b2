//! What work on many messages came to, and its end: an answer, and a line in the audit log.
//!
//! Bounded: a hundred messages are spoken of, and fifty reasons.

use super::jobs::Ticket;
use super::refusal::Refusal;
use super::request::{Answer, Outcome};
use super::service::Desk;
use crate::mail::{Id, rfc3339};
use std::collections::BTreeMap;

/// Different reasons that are told.
const REASONS_MAX: usize = 50;

/// What has been done so far.
#[derive(Default)]
pub(super) struct Tally {
    pub outcome: Outcome,
    skipped: BTreeMap<String, (u64, Id)>,
}

impl Desk {
    /// The end of work: a line in the audit log, and what is said of it.
    pub(super) fn conclude(&self, ticket: &Ticket, tally: Tally) -> Answer {
        let (job, outcome) = (ticket.running().job(), &tally.outcome);
        if let Some(why) = &outcome.stopped {
            let (verb, by, changed) = (job.verb.as_str(), job.by.as_str(), outcome.changed);
            tracing::error!(verb, by, changed, error = why, "stopped before the end");
        }
        self.world.audit(serde_json::json!({
            "time": rfc3339(self.now_ms()),
            "kind": "desk",
            "verb": job.verb,
            "by": job.by,
            "changed": outcome.changed,
            "failed": outcome.failed,
            "batch": outcome.batch,
            "cancelled": outcome.cancelled,
            "error": outcome.stopped,
        }));
        tally.finish()
    }
}

impl Tally {
    /// Left alone.
    pub(super) fn skip(&mut self, id: Id, why: &str) {
        if let Some((count, _)) = self.skipped.get_mut(why) {
            *count += 1;
            return;
        }
        let why = if self.skipped.len() < REASONS_MAX { why } else { "other reasons" };
        self.skipped.entry(why.to_owned()).or_insert((0, id)).0 += 1;
    }

    /// Counted as done before; its delivery failed for good.
    pub(super) fn fail(&mut self) {
        self.outcome.changed = self.outcome.changed.saturating_sub(1);
        self.outcome.failed += 1;
    }

    /// The rest cannot be done; the first reason counts.
    pub(super) fn stop(&mut self, why: &Refusal) {
        self.outcome.stopped.get_or_insert_with(|| why.text.clone());
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.outcome.stopped.is_some()
    }

    /// Whether there was nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.outcome.changed == 0 && self.outcome.failed == 0 && self.skipped.is_empty()
    }

    /// The end.
    pub(super) fn finish(self) -> Answer {
        let mut outcome = self.outcome;
        let mut skipped: Vec<_> = self.skipped.into_iter().map(|(why, (n, id))| (why, n, id)).collect();
        skipped.sort_by_key(|(_, n, _)| std::cmp::Reverse(*n));
        outcome.skipped = skipped;
        Answer::Done(outcome)
    }
}
