//! One attempt to deliver one message: claimed, marked in doubt before its end of data goes down, and its result
//! durable after the reply.
//!
//! Dropped at any await (a stop, a panic) it leaves a message that is tried again: without a mark of doubt where our
//! end of data cannot have gone down, with it where it may have. Only one attempt of a message runs at a time, and none
//! while the result of the last one is not durable.

use super::dressing::in_one_form;
use super::edit::Decision;
use super::outcome::{AWAY, Attempted, Fate, NOT_DUE, enter};
use super::refusal::Refusal;
use super::service::Desk;
use super::spooling::OURSELVES;
use super::transaction::{Answered, Opened, hand_over, is_away, is_doubt, open};
use super::under_way::Claim;
use super::unnoted::NotNoted;
use crate::body::Body;
use crate::downstream::{DownstreamError, Pool};
use crate::mail::{Id, escape_at_most, rfc3339};
use crate::vault::{Item, Progress};
use std::sync::Arc;

/// Recipients of one transaction; the others go in the next.
const RCPTS_MAX: usize = 1_000;
/// Characters of an error that are kept.
const ERROR_CHARS: usize = 300;

/// What an attempt came to, for whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Report {
    /// In a sentence.
    pub said: String,
    /// The downstream, where it does not answer.
    pub away: Option<String>,
    /// The downstream, where it took something.
    pub back: Option<String>,
    /// It ended, and not all have it.
    pub undelivered: bool,
    /// It could not even be tried, and nothing of it was noted.
    pub failed: bool,
}

impl Report {
    fn only(said: impl Into<String>) -> Self {
        Self { said: said.into(), ..Self::default() }
    }
}

impl Desk {
    /// Tries to deliver a message now. `forced`: also before its time.
    pub(super) async fn attempt(self: &Arc<Self>, id: Id, forced: bool) -> Report {
        let Some(claim) = self.under_way.claim(id) else {
            return Report::only(self.busy_with(id));
        };
        match Box::pin(self.attempt_claimed(id, forced, claim)).await {
            Ok(report) => report,
            Err(refusal) => {
                tracing::warn!(item = %id, error = refusal.text, "a delivery could not be tried");
                Report { failed: true, ..Report::only(refusal.text) }
            }
        }
    }

    /// What keeps others from a message.
    fn busy_with(&self, id: Id) -> String {
        match self.unnoted.get(id) {
            Some(NotNoted { since_unix_ms, why, .. }) => {
                format!("it was delivered at {}, and that cannot be noted yet: {why}", rfc3339(since_unix_ms))
            }
            None => "a delivery of it is under way".to_owned(),
        }
    }

    async fn attempt_claimed(
        self: &Arc<Self>,
        id: Id,
        forced: bool,
        claim: Claim,
    ) -> Result<Report, Refusal> {
        let item = self.item(id).await?;
        let now = self.now_ms();
        let Some(spool) = item.spool.as_ref().filter(|_| item.waiting() > 0) else {
            return Ok(Report::only("nothing waits for delivery"));
        };
        if item.trash.is_some() || (!forced && (spool.frozen || spool.next_ms > now)) {
            return Ok(Report::only(NOT_DUE));
        }
        let name = spool.downstream.clone();
        let item = in_one_form(item);
        let rcpts: Vec<String> = waiting(&item).map(|d| d.rcpt.clone()).collect();
        let Some(pool) = self.world.pool(&name) else {
            let said = format!("there is no downstream {name} in gateway.toml any more");
            return self.record(&item, Attempted::all(&rcpts, &Fate::Later(said)), &name, claim).await;
        };
        if self.unnoted.is_full() {
            return Err(Refusal::new(
                "nothing is delivered while many deliveries cannot be noted: make room",
            ));
        }
        let body = match Box::pin(self.vault.body(&item, &self.budget)).await {
            Ok(body) => body,
            Err(error) => return self.unreadable(&item, &error.to_string()).await,
        };
        let body = match Box::pin(self.dressed(&item, body)).await {
            Ok(body) => body,
            Err(why) => {
                let said = format!("the message cannot be edited: {why}");
                return self.record(&item, Attempted::all(&rcpts, &Fate::Later(said)), &name, claim).await;
            }
        };
        let attempted = Box::pin(self.transact(&pool, &item, &body, &rcpts)).await?;
        drop(body);
        self.record(&item, attempted, &name, claim).await
    }

    /// The transaction, and what it came to.
    async fn transact(
        &self,
        pool: &Pool,
        item: &Item,
        body: &Body,
        rcpts: &[String],
    ) -> Result<Attempted, Refusal> {
        let lines: Vec<&[u8]> = waiting(item).map(|d| &*d.line.0).collect();
        let (session, replies) = match Box::pin(open(pool, item, &lines)).await {
            Err(error) => return Ok(failed(rcpts, &error)),
            Ok(Opened::Refused(reply)) => return Ok(Attempted::all(rcpts, &Fate::of(&reply))),
            Ok(Opened::Envelope(session, replies)) => (session, replies),
        };
        let mut attempted = Attempted::default();
        let mut accepted = Vec::new();
        for (rcpt, reply) in rcpts.iter().zip(&replies) {
            match Fate::of(reply) {
                Fate::Delivered(_) => accepted.push(rcpt.clone()),
                other => attempted.fates.push((rcpt.clone(), other)),
            }
        }
        if accepted.is_empty() {
            drop(session);
            return Ok(attempted);
        }
        self.mark_doubt(item).await?;
        let mut head = item.trace.0.clone();
        head.extend_from_slice(item.spool.as_ref().map_or(&[], |s| &s.mark.0));
        let rest = match Box::pin(hand_over(pool, session, &head, body)).await {
            Ok(Answered { reply, whole }) => {
                let over = whole && accepted.len() == rcpts.len();
                Attempted { doubt: over.then_some(false), ..Attempted::all(&accepted, &Fate::of(&reply)) }
            }
            Err(error) => failed(&accepted, &error),
        };
        attempted.fates.extend(rest.fates);
        // Without an answer for all of them the mark is taken back, unless it was there before.
        let doubtful = item.spool.as_ref().is_some_and(|s| s.in_doubt);
        attempted.doubt = rest.doubt.or((!doubtful).then_some(false));
        Ok(attempted)
    }

    /// From here on the downstream may have it, whatever becomes of us.
    async fn mark_doubt(&self, item: &Item) -> Result<(), Refusal> {
        let now = self.now_ms();
        let asked: Vec<&str> = waiting(item).map(|d| d.rcpt.as_str()).collect();
        let marked = self.edit(item.id, |item| {
            // Taken back, or to others, since the transaction began: nothing has been said to the downstream yet.
            let known = in_one_form(item.clone());
            let doubted = known.spool.as_ref().is_some_and(|s| s.in_doubt);
            if item.trash.is_some() || !waiting(&known).map(|d| d.rcpt.as_str()).eq(asked.iter().copied()) {
                return Decision::Leave("it was changed while it was about to be delivered".into());
            }
            let Some(spool) = item.spool.as_mut() else {
                return Decision::Leave("it was taken out of the spool".into());
            };
            spool.set_doubt(asked.first().copied().unwrap_or_default(), true);
            if doubted {
                item.happened(
                    now,
                    OURSELVES,
                    "tried again although the last attempt may have arrived: may be delivered twice",
                );
            }
            Decision::Write
        });
        match marked.await? {
            (_, Decision::Leave(why)) => Err(Refusal::new(why)),
            (_, Decision::Write | Decision::Remove) => Ok(()),
        }
    }

    /// The octets of the message cannot be had: it waits, and an admin has to look.
    async fn unreadable(self: &Arc<Self>, item: &Item, why: &str) -> Result<Report, Refusal> {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let rcpts: Vec<String> = waiting(item).map(|d| d.rcpt.clone()).collect();
        let said = format!("the message cannot be read: {why}");
        tracing::error!(item = %item.id, error = why, "a message that is to be delivered cannot be read");
        let attempted = Attempted::all(&rcpts, &Fate::Later(said.clone()));
        let edited = self.edit(item.id, |item| {
            enter(item, &attempted, now, &policy.quarantine.spool);
            Decision::Write
        });
        let (item, _) = edited.await?;
        // Also such a message is given up in the end.
        Box::pin(self.settle(item)).await?;
        Ok(Report::only(said))
    }
}

/// What a broken transaction means for these recipients.
fn failed(rcpts: &[String], error: &DownstreamError) -> Attempted {
    let away = is_away(error);
    let said = escape_at_most(error.to_string().as_bytes(), ERROR_CHARS);
    let said = if away { format!("{AWAY}: {said}") } else { said };
    let doubt = is_doubt(error).then_some(true);
    Attempted { doubt, away, ..Attempted::all(rcpts, &Fate::Later(said)) }
}

/// Deliveries of the next transaction.
fn waiting(item: &Item) -> impl Iterator<Item = &crate::vault::Delivery> {
    let all = item.spool.iter().flat_map(|s| &s.deliveries);
    all.filter(|d| d.progress == Progress::Waiting).take(RCPTS_MAX)
}
