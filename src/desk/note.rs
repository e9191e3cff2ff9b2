//! The note of a delivery: in the audit log right after the reply, then in the message, durable.
//!
//! Failure: where something was delivered and that cannot be written (a full disk), the note is tried again with pauses,
//! beside all other work, and the claim is kept until it is written: nothing is delivered a second time by the same
//! process. Where nothing was delivered, the message is as it was, and is tried again.

use super::attempt::Report;
use super::edit::Decision;
use super::outcome::{Attempted, Fate, enter, is_undelivered, summary};
use super::refusal::Refusal;
use super::service::Desk;
use super::spooling::SPOOL;
use super::under_way::Claim;
use super::unnoted::{Entry, UnnotedReport};
use crate::mail::{Id, rfc3339};
use crate::vault::{Item, Progress};
use std::sync::Arc;
use std::time::Duration;

/// Recipients of an audit line.
const RCPTS_MAX: usize = 1_000;
/// Between two tries, doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What is to be noted.
struct Done {
    id: Id,
    attempted: Attempted,
    at_ms: i64,
}

impl Desk {
    /// Makes the result durable; a message that was only ever to be delivered, and was, is gone with it.
    pub(super) async fn record(
        self: &Arc<Self>,
        item: &Item,
        attempted: Attempted,
        downstream: &str,
        claim: Claim,
    ) -> Result<Report, Refusal> {
        let doubtful = item.spool.as_ref().is_some_and(|s| s.in_doubt);
        self.audit_delivery(item, &attempted, downstream, doubtful || attempted.doubt == Some(true));
        let delivered = attempted.fates.iter().any(|(_, f)| matches!(f, Fate::Delivered(_)));
        let away = attempted.away.then(|| downstream.to_owned());
        let back = (delivered || !attempted.away).then(|| downstream.to_owned());
        let done = Done { id: item.id, attempted, at_ms: self.now_ms() };
        let mut undelivered = false;
        let said = match self.note(&done).await {
            Ok(now_is) => {
                undelivered = is_undelivered(&now_is, &done.attempted);
                summary(&now_is, &done.attempted)
            }
            // Somebody deleted it for good meanwhile.
            Err(refusal) if delivered && refusal.nothing => summary(item, &done.attempted),
            Err(refusal) if delivered => {
                let said = summary(item, &done.attempted);
                tracing::error!(item = %item.id, error = refusal.text, "delivered, and that cannot be noted yet");
                let entry = self.unnoted.enter(done.id, done.at_ms, refusal.text.clone());
                tokio::spawn(Arc::clone(self).note_late(done, entry, claim));
                format!("{said}; that cannot be noted yet: {}", refusal.text)
            }
            Err(refusal) => return Err(refusal),
        };
        Ok(Report { said, away, back, undelivered, failed: false })
    }

    /// Writes it, and does what follows.
    async fn note(self: &Arc<Self>, done: &Done) -> Result<Item, Refusal> {
        let policy = self.world.policy();
        let recorded = self.edit(done.id, |item| {
            enter(item, &done.attempted, done.at_ms, &policy.quarantine.spool);
            let all = |p| item.spool.as_ref().is_some_and(|s| s.deliveries.iter().all(|d| d.progress == p));
            let over = item.folder == SPOOL && item.trash.is_none() && all(Progress::Delivered);
            if over { Decision::Remove } else { Decision::Write }
        });
        let (now_is, decision) = recorded.await?;
        if decision == Decision::Write
            && let Err(refusal) = Box::pin(self.settle(now_is.clone())).await
        {
            tracing::warn!(item = %done.id, error = refusal.text, "the end of a delivery could not be told; tried again at the next start");
        }
        Ok(now_is)
    }

    /// Tries until it is written. The claim is given back behind it.
    async fn note_late(self: Arc<Self>, done: Done, entry: Entry, claim: Claim) {
        let mut pause = PAUSE_FIRST;
        loop {
            self.unnoted.pause(pause).await;
            match Box::pin(self.note(&done)).await {
                Ok(_) => break,
                Err(refusal) if refusal.nothing => break,
                Err(refusal) => entry.failed(refusal.text),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        tracing::info!(item = %done.id, "the delivery is noted");
        drop((entry, claim));
        // Other recipients of it may wait.
        self.nudge();
    }

    /// Deliveries that are not noted yet.
    #[must_use]
    pub fn unnoted(&self) -> UnnotedReport {
        self.unnoted.report()
    }

    fn audit_delivery(&self, item: &Item, attempted: &Attempted, downstream: &str, doubt: bool) {
        let to: Vec<_> = attempted
            .fates
            .iter()
            .take(RCPTS_MAX)
            .map(|(rcpt, fate)| {
                let result = match fate {
                    Fate::Delivered(_) => "delivered",
                    Fate::Later(_) => "later",
                    Fate::Never(_) => "failed",
                };
                serde_json::json!({ "rcpt": rcpt, "result": result, "reply": fate.said() })
            })
            .collect();
        let note = doubt.then_some("may be delivered twice");
        self.world.audit(serde_json::json!({
            "time": rfc3339(self.now_ms()),
            "kind": "delivery",
            "message": item.id,
            "session": item.client.session,
            "folder": item.folder,
            "cause": item.spool.as_ref().map(|s| s.cause),
            "attempt": item.spool.as_ref().map(|s| s.attempts.saturating_add(1)),
            "from": item.envelope.from,
            "to": to,
            "downstream": downstream,
            "note": note,
        }));
    }
}
