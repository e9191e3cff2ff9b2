//! What follows when recipients failed or wait for long: a report to the sender where one may be sent, else the admin
//! hears of it; and a message that nobody waits for any more leaves the spool.
//!
//! A report goes only to a sender that cannot have been forged (`answerable`), never for a message from the null
//! sender or of our own, never for a released one (the admin released it, the sender knows nothing of it), and never
//! more than `max_per_hour`. [`crate::vault::Delivery::told_delay`] says of a waiting recipient that the delay was
//! reported, of a failed one that the failure was.

use super::edit::Decision;
use super::notices::Happening;
use super::refusal::{Refusal, blocking};
use super::service::Desk;
use super::spooling::{DEAD, OURSELVES, SPOOL, millis, path_of};
use crate::mail::{Id, Path};
use crate::message::report::{self, Kind};
use crate::query::{Query, State, Term, What};
use crate::vault::{Delivery, Item, Progress, RecipientView, Scope, Spool, SpoolCause};
use std::sync::Arc;

/// Octets of a message that go back with a report at most; of a larger one only the header.
const RETURNED_MAX: usize = 64 * 1024;
/// Messages of one step of the look at start.
const STEP: usize = 200;

impl Desk {
    /// Tells whoever is to be told of what an attempt came to, and ends what is over.
    pub(super) async fn settle(self: &Arc<Self>, item: Item) -> Result<(), Refusal> {
        let Some(spool) = &item.spool else { return Ok(()) };
        let now = self.now_ms();
        let policy = self.world.policy();
        let failed: Vec<String> = untold(spool, Progress::Failed);
        let warn = policy.quarantine.spool.warn.map_or(i64::MAX, millis);
        let late = if now.saturating_sub(spool.since_ms) >= warn {
            untold(spool, Progress::Waiting)
        } else {
            Vec::new()
        };
        let over = item.waiting() == 0;
        if failed.is_empty() && late.is_empty() && !(over && item.folder == SPOOL) {
            return Ok(());
        }
        let told_failed = Box::pin(self.report(&item, Kind::Failed, &failed)).await?;
        let told_late = Box::pin(self.report(&item, Kind::Delayed, &late)).await?;
        // As long as others wait, a report may still become possible; the admin hears of the rest in the end.
        let rest = failed.iter().filter(|r| over && !told_failed.contains(r));
        let silent: Vec<String> = rest.cloned().collect();
        let told: Vec<&String> = told_failed.iter().chain(&told_late).collect();
        let (item, decision) = self.edit(item.id, |item| end(item, &told, &silent, now)).await?;
        let spool = item.spool.as_ref();
        let own = spool.is_some_and(|s| s.cause == SpoolCause::Notice);
        if !silent.is_empty() && decision != Decision::Remove && !own {
            let said = spool.and_then(|s| s.last.as_ref()).map_or("", |l| &l.said);
            let text = format!("to {}: {said}", silent.join(", "));
            self.notices.note(Happening::of("not delivered", &item, &text, now));
        }
        Ok(())
    }

    /// Sends a report about these recipients as far as it may. Returns those that it tells of.
    async fn report(
        self: &Arc<Self>,
        item: &Item,
        kind: Kind,
        rcpts: &[String],
    ) -> Result<Vec<String>, Refusal> {
        let Some(spool) = item.spool.as_ref().filter(|_| !rcpts.is_empty()) else { return Ok(Vec::new()) };
        if matches!(spool.cause, SpoolCause::Notice | SpoolCause::Released) || !item.client.answerable {
            return Ok(Vec::new());
        }
        let Some((path, Path::Mailbox { .. })) = path_of(&item.envelope.line) else { return Ok(Vec::new()) };
        let wanted = |d: &&Delivery| {
            rcpts.contains(&d.rcpt)
                && report::is_wanted(kind, view(item, d).and_then(|v| v.notify.as_deref()))
        };
        let deliveries: Vec<&Delivery> = spool.deliveries.iter().filter(wanted).collect();
        if deliveries.is_empty() || !self.may_send_one() {
            return Ok(Vec::new());
        }
        let original = self.original(item).await;
        let (now, policy, id) = (self.now_ms(), self.world.policy(), self.ids.next());
        let told: Vec<_> = deliveries.iter().map(|d| told(item, d, spool)).collect();
        let text = report::dsn(&report::Dsn {
            kind,
            id,
            hostname: &policy.hostname,
            sender: &item.envelope.from,
            envid: item.envelope.envid.as_deref(),
            arrival_ms: item.received_ms,
            now_ms: now,
            recipients: &told,
            original: &original,
        });
        let name = policy.quarantine.notices.downstream.as_deref().unwrap_or(&spool.downstream);
        self.send_own(id, path, &item.envelope.from, name, &text).await?;
        tracing::info!(item = %item.id, report = %id, "a delivery report goes to the sender");
        Ok(deliveries.iter().map(|d| d.rcpt.clone()).collect())
    }

    /// What goes back with a report: the message where it is small and RET does not say otherwise, else its header.
    async fn original(&self, item: &Item) -> Vec<u8> {
        let headers_only = item.envelope.ret_headers || item.size > RETURNED_MAX as u64;
        let (vault, wanted) = (Arc::clone(&self.vault), item.clone());
        let read = blocking(move || {
            let mut octets = Vec::new();
            let read = vault.read(&wanted, &mut |piece| {
                octets.extend_from_slice(piece);
                octets.len() <= RETURNED_MAX
            });
            read.map(|()| octets)
        });
        // A report without the message is still a report.
        let mut octets = read.await.ok().and_then(Result::ok).unwrap_or_default();
        if headers_only || octets.len() > RETURNED_MAX {
            octets.truncate(RETURNED_MAX);
            octets.truncate(report::header_length(&octets));
        }
        octets
    }

    /// At start: messages whose deliveries ended while nobody could be told.
    pub(super) async fn settle_all(self: &Arc<Self>) -> Result<(), Refusal> {
        let mut after = i64::MIN;
        loop {
            let vault = Arc::clone(&self.vault);
            let step: Vec<(Id, i64)> = blocking(move || {
                let folder = Term { not: false, what: What::Folder(SPOOL.to_owned()) };
                let waits = Term { not: true, what: What::State(State::Spooled) };
                vault.ids(&Query { terms: vec![folder, waits] }, Scope::Everything, after, STEP)
            })
            .await??;
            let Some((_, last)) = step.last() else { return Ok(()) };
            after = *last;
            for (id, _) in step {
                match self.item(id).await {
                    Ok(item) if item.waiting() == 0 && item.trash.is_none() => {
                        Box::pin(self.settle(item)).await?;
                    }
                    Ok(_) => {}
                    Err(refusal) => tracing::warn!(item = %id, error = refusal.text, "skipped"),
                }
            }
        }
    }
}

/// Marks who was told; a message without deliveries to come leaves the spool.
fn end(item: &mut Item, told: &[&String], silent: &[String], now_ms: i64) -> Decision {
    let over = item.waiting() == 0;
    let Some(spool) = item.spool.as_mut() else { return Decision::Leave("no deliveries".into()) };
    for delivery in &mut spool.deliveries {
        // Who is not told by a report is told to the admin, once.
        delivery.told_delay |= told.contains(&&delivery.rcpt) || silent.contains(&delivery.rcpt);
    }
    let undelivered = spool.deliveries.iter().any(|d| d.progress == Progress::Failed);
    if !told.is_empty() {
        let who: Vec<&str> = told.iter().take(8).map(|t| t.as_str()).collect();
        item.happened(now_ms, OURSELVES, format!("a report about {} went to the sender", who.join(", ")));
    }
    if !over || item.folder != SPOOL || item.trash.is_some() {
        return Decision::Write;
    }
    if undelivered && !silent.is_empty() {
        item.happened(now_ms, OURSELVES, format!("moved to {DEAD}: it could not be delivered"));
        DEAD.clone_into(&mut item.folder);
        return Decision::Write;
    }
    Decision::Remove
}

/// Recipients of that kind of whom nobody was told.
fn untold(spool: &Spool, progress: Progress) -> Vec<String> {
    let wanted = |d: &&Delivery| d.progress == progress && !d.told_delay;
    spool.deliveries.iter().filter(wanted).map(|d| d.rcpt.clone()).collect()
}

fn view<'i>(item: &'i Item, delivery: &Delivery) -> Option<&'i RecipientView> {
    item.recipients.iter().find(|r| r.rcpt == delivery.rcpt)
}

fn told<'i>(item: &'i Item, delivery: &'i Delivery, spool: &'i Spool) -> report::Recipient<'i> {
    report::Recipient {
        rcpt: &delivery.rcpt,
        orcpt: view(item, delivery).and_then(|v| v.orcpt.as_deref()),
        said: delivery.reply.as_deref().unwrap_or("no attempt succeeded"),
        at_ms: delivery.at_ms,
        until_ms: Some(spool.expires_ms).filter(|_| delivery.progress == Progress::Waiting),
        given_up: delivery.progress == Progress::Failed && delivery.at_ms >= spool.expires_ms,
    }
}
