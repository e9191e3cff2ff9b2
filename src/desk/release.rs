//! Release: one change that puts a message into the spool, then an attempt at once.
//!
//! Two admins at once: the vault takes the change of the first; the other is told who released it and when. A folder
//! that wants a scan gets one first: infected or not scanned, the message stays. A copy of a message that was never ours
//! to deliver goes only where `again` says so.

use super::access::may_release;
use super::bulk::Run;
use super::edit::Decision;
use super::judge::Scanned;
use super::refusal::Refusal;
use super::request::{Answer, Pick};
use super::service::Desk;
use super::spooling::{SPOOL, deliveries, downstream_of, mark, recipient, spool};
use super::terms::Terms;
use crate::config::model::{Policy, QuarantineFolder};
use crate::mail::{Id, rfc3339};
use crate::query::State;
use crate::vault::{Delivery, Item, SpoolCause, state_of};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

/// How the history of a released message says so.
const RELEASED: &str = "released";
/// Recipients that one command may name.
const TO_MAX: usize = 100;
/// Different senders that one command enters into a list.
const SENDERS_MAX: usize = 100;

impl Desk {
    /// Releases all that match.
    pub(super) async fn release(
        self: &Arc<Self>,
        pick: &Pick,
        terms: Terms,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if terms.to.len() > TO_MAX {
            return Err(Refusal::new(format!("at most {TO_MAX} recipients can be named")));
        }
        let to: Vec<Delivery> =
            terms.to.iter().map(|t| recipient(t)).collect::<Result<_, _>>().map_err(Refusal::new)?;
        for grant in terms.allow_sender.iter().chain(&terms.block_sender) {
            super::grant::check(grant).map_err(Refusal::new)?;
        }
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let mut run = self.begin("release", by, pick, answers).await?;
        let mut senders = BTreeSet::new();
        let mut example = None;
        while let Some(items) = run.next().await {
            let ready = Box::pin(self.scanned(&mut run, items, &terms, by)).await;
            let direct = run.room();
            let now = self.now_ms();
            let policy = self.world.policy();
            let mut budget = direct;
            let released = run
                .apply(ready, |item| {
                    let decision = let_go(item, &to, &terms, by, now, &policy);
                    if decision == Decision::Write && budget > 0 {
                        budget -= 1;
                        lease(item, now);
                    }
                    decision
                })
                .await;
            for item in &released {
                example.get_or_insert(item.id);
                if senders.len() < SENDERS_MAX {
                    senders.insert(item.envelope.from.clone());
                }
                self.audit_desk("release", item, by);
            }
            self.deliver_now(&mut run, released, direct).await;
        }
        self.nudge();
        if let Some(id) = example {
            for said in self.enter_senders(senders, &terms, by).await {
                run.say(id, said);
            }
        }
        Ok(run.finish().await)
    }

    /// Those that may go, as far as a scan is asked for.
    async fn scanned(
        self: &Arc<Self>,
        run: &mut Run<'_>,
        items: Vec<Item>,
        terms: &Terms,
        by: &str,
    ) -> Vec<Item> {
        let policy = self.world.policy();
        let mut ready = Vec::with_capacity(items.len());
        for item in items {
            let folder = policy.quarantine.folders.iter().find(|f| *f.name == *item.folder);
            let wanted = item.hold.is_some() || folder.is_some_and(|f| f.rescan);
            // What will not be released need not be scanned.
            let refused = not_released(&item, terms, by, &policy);
            if !wanted || terms.unscanned || refused.is_some() {
                ready.push(item);
                continue;
            }
            if run.is_cancelled() {
                break;
            }
            run.tell();
            match Box::pin(self.scan(&item)).await.scanned {
                // What rules have against it the admin knows.
                Scanned::Clean | Scanned::Objected(_) => ready.push(item),
                Scanned::Infected(what) => {
                    let said = format!("not released: scanned again and infected: {what}");
                    self.remember(run, item.id, by, &said, "infected, not released").await;
                }
                Scanned::Unknown(what) => {
                    let said = format!(
                        "not released: it could not be scanned ({what}); --unscanned releases it all the same"
                    );
                    self.remember(run, item.id, by, &said, "could not be scanned, not released").await;
                }
            }
        }
        ready
    }

    /// Said, and entered into the history.
    async fn remember(&self, run: &mut Run<'_>, id: Id, by: &str, said: &str, why: &str) {
        run.say(id, said.to_owned());
        run.skip(id, why);
        let now = self.now_ms();
        let done = self.edit(id, |item| {
            item.happened(now, by, said);
            Decision::Write
        });
        if let Err(refusal) = done.await {
            tracing::warn!(item = %id, error = refusal.text, "the history could not be written");
        }
    }

    /// Attempts at once, some at a time, for as many as can be spoken of; the worker takes the others.
    pub(super) async fn deliver_now(self: &Arc<Self>, run: &mut Run<'_>, items: Vec<Item>, most: usize) {
        let together = self.world.policy().quarantine.spool.concurrency.max(1);
        let mut left = items.into_iter().map(|item| item.id);
        let mut now: Vec<Id> = left.by_ref().take(most).collect();
        now.reverse();
        if left.next().is_some() {
            self.nudge();
        }
        let mut attempts = JoinSet::new();
        loop {
            while attempts.len() < together
                && let Some(id) = now.pop()
            {
                let desk = Arc::clone(self);
                attempts.spawn(async move { (id, Box::pin(desk.attempt(id, true)).await) });
            }
            match attempts.join_next().await {
                None => return,
                Some(Ok((id, report))) => {
                    self.heard(&report);
                    if report.undelivered {
                        run.failed();
                    }
                    run.say(id, report.said);
                }
                Some(Err(error)) => tracing::error!(%error, "a delivery broke off"),
            }
            run.tell();
        }
    }

    /// An audit line of something that somebody did.
    pub(super) fn audit_desk(&self, verb: &str, item: &Item, by: &str) {
        self.world.audit(serde_json::json!({
            "time": rfc3339(self.now_ms()),
            "kind": "desk",
            "verb": verb,
            "by": by,
            "message": item.id,
            "session": item.client.session,
            "folder": item.folder,
            "from": item.envelope.from,
        }));
    }
}

/// Why it is not released.
fn not_released(item: &Item, terms: &Terms, by: &str, policy: &Policy) -> Option<String> {
    if item.trash.is_some() {
        return Some("in the trash: undelete it first".to_owned());
    }
    let folder: Option<&QuarantineFolder> =
        policy.quarantine.folders.iter().find(|f| *f.name == *item.folder).map(|f| &**f);
    if let Some(folder) = folder.filter(|f| !may_release(f, by)) {
        let who = folder.release.join(", ");
        return Some(format!("from {} only {who} may release, not {by}", folder.name));
    }
    if item.copy && !terms.again {
        return Some(
            "a copy only: the message itself was refused or delivered; --again releases it".to_owned(),
        );
    }
    if item.spool.is_some() && item.folder == SPOOL {
        return Some("it waits for delivery already: `spool force` tries it now".to_owned());
    }
    if item.spool.is_some() && (item.waiting() > 0 || !terms.again) {
        return Some(released_by(item));
    }
    (item.recipients.is_empty() && terms.to.is_empty())
        .then(|| "no recipients are known: --to names some".to_owned())
}

/// The change that makes deliveries of it.
fn let_go(
    item: &mut Item,
    to: &[Delivery],
    terms: &Terms,
    by: &str,
    now_ms: i64,
    policy: &Policy,
) -> Decision {
    if let Some(why) = not_released(item, terms, by, policy) {
        return Decision::Leave(why);
    }
    let deliveries = if to.is_empty() { deliveries(&item.recipients) } else { to.to_vec() };
    let downstream = downstream_of(item, policy);
    let who: Vec<&str> = deliveries.iter().take(8).map(|d| &*d.rcpt).collect();
    let more = if deliveries.len() > who.len() { " and others" } else { "" };
    let unscanned = if terms.unscanned { ", unscanned" } else { "" };
    let event = format!("{RELEASED} to {}{more}{unscanned}", who.join(", "));
    let mut spool = spool(SpoolCause::Released, deliveries, downstream, now_ms, &policy.quarantine.spool);
    spool.mark = mark(item, by, now_ms);
    if !to.is_empty() && !to.iter().all(|d| d.line.0.is_ascii()) && !item.envelope.smtputf8 {
        return Decision::Leave("the message came without SMTPUTF8: it cannot go to such a recipient".into());
    }
    item.spool = Some(spool);
    item.hold = None;
    item.happened(now_ms, by, event);
    Decision::Write
}

/// The attempt that follows at once has it for a minute; if it breaks off, the worker takes it then.
fn lease(item: &mut Item, now_ms: i64) {
    const LEASE_MS: i64 = 60_000;
    if let Some(spool) = &mut item.spool {
        spool.next_ms = now_ms + LEASE_MS;
    }
}

fn released_by(item: &Item) -> String {
    if state_of(item) == State::Failed {
        let last = item.spool.as_ref().and_then(|spool| spool.last.as_ref());
        let said = last.map(|last| format!(" ({})", last.said)).unwrap_or_default();
        return format!(
            "its delivery failed{said}: `spool retry` begins anew, `release --again --to` sends it to others"
        );
    }
    let event = item.history.iter().rev().find(|e| e.what.starts_with(RELEASED));
    match event {
        Some(event) => format!("released by {} at {}", event.by, rfc3339(event.at_ms)),
        None => "it waits for delivery already".to_owned(),
    }
}
