//! Verbs that only change what is known of messages: delete, undelete, move, order in the spool.

use super::access::may_release;
use super::bulk::Run;
use super::edit::Decision;
use super::refusal::Refusal;
use super::request::{Answer, Pick};
use super::service::Desk;
use super::spooling::{HELD, OURSELVES, SPOOL, undelivered};
use crate::config::model::QuarantineFolder;
use crate::rules::nearest;
use crate::vault::{Deed, Item, Mark, Priority, Progress, RecipientView, SpoolCause};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

impl Desk {
    /// To the trash, all under one name by which they come back; or for good.
    pub(super) async fn delete(
        self: &Arc<Self>,
        pick: &Pick,
        forever: bool,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let batch = format!("{}-{}", if forever { "forever" } else { "delete" }, self.ids.next());
        let of_trash = pick.query.asks_for_trash();
        let mut run = self.begin("delete", by, pick, answers).await?;
        while let Some(places) = run.step().await {
            let mark = self.mark(Deed::Trash { batch: batch.clone() }, by);
            let act = |item: &mut Item| {
                if self.under_way.has(item.id) {
                    return Decision::Leave("a delivery of it is under way: try again in a moment".into());
                }
                if forever && of_trash && item.trash.is_none() {
                    return Decision::Leave("taken back from the trash meanwhile".into());
                }
                if forever {
                    return Decision::Remove;
                }
                if item.trash.is_some() {
                    return Decision::Leave("in the trash already; delete it for good with --forever".into());
                }
                mark.apply(item);
                Decision::Write
            };
            if forever {
                let items = run.read(places).await;
                run.apply(items, act).await;
            } else {
                run.mark(places, &mark, act).await;
            }
        }
        tracing::info!(by, batch, "messages deleted");
        Ok(if forever { run.finish().await } else { run.finish_batch(batch).await })
    }

    pub(super) fn mark(&self, deed: Deed, by: &str) -> Mark {
        Mark { at_ms: self.now_ms(), by: by.to_owned(), deed, copy: false }
    }

    /// Out of the trash, to where they were.
    pub(super) async fn undelete(
        self: &Arc<Self>,
        pick: &Pick,
        batch: Option<String>,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        let pick = Pick { query: pick.query.clone().in_trash(), ..pick.clone() };
        if pick.dry_run {
            return self.preview(&pick).await;
        }
        let mut run = self.begin("undelete", by, &pick, answers).await?;
        while let Some(places) = run.step().await {
            let mark = self.mark(Deed::Untrash, by);
            let act = |item: &mut Item| {
                if item.trash.is_none() {
                    return Decision::Leave("not in the trash".into());
                }
                mark.apply(item);
                Decision::Write
            };
            let Some(batch) = batch.as_deref() else {
                run.mark(places, &mark, act).await;
                continue;
            };
            // Which command it was is in memory, or in the message's file.
            let (mut of_batch, mut unknown) = (Vec::new(), Vec::new());
            for place in places {
                match self.vault.newest_mark(place.0).as_deref().map(|mark| &mark.deed) {
                    Some(Deed::Trash { batch: known }) if known == batch => of_batch.push(place),
                    Some(Deed::Trash { .. } | Deed::Untrash) => {}
                    None => unknown.push(place),
                }
            }
            run.mark(of_batch, &mark, act).await;
            let mut items = run.read(unknown).await;
            items.retain(|item| item.trash.as_ref().is_some_and(|trash| trash.batch == batch));
            run.apply(items, act).await;
        }
        self.nudge();
        Ok(run.finish().await)
    }

    /// To another folder. Deliveries and scans that waited are over then; who had the message already is no
    /// recipient any more.
    pub(super) async fn put_elsewhere(
        self: &Arc<Self>,
        pick: &Pick,
        folder: &str,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        self.check_folder(folder)?;
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let mut run = self.begin("move", by, pick, answers).await?;
        while let Some(items) = run.next().await {
            self.put_step(&mut run, items, folder, by).await;
        }
        Ok(run.finish().await)
    }

    pub(super) async fn put_step(&self, run: &mut Run<'_>, items: Vec<Item>, folder: &str, by: &str) {
        let (now, policy) = (self.now_ms(), self.world.policy());
        run.apply(items, |item| {
            if item.folder == folder {
                return Decision::Leave(format!("in {folder} already"));
            }
            if self.under_way.has(item.id) {
                return Decision::Leave("a delivery of it is under way: try again in a moment".into());
            }
            // Elsewhere others may release it.
            let barred = |f: &&Arc<QuarantineFolder>| *f.name == *item.folder && !may_release(f, by);
            if by != OURSELVES
                && let Some(folder) = policy.quarantine.folders.iter().find(barred)
            {
                let who = folder.release.join(", ");
                return Decision::Leave(format!("from {} only {who} may move it, not {by}", folder.name));
            }
            item.happened(now, by, format!("moved from {} to {folder}", item.folder));
            // Deliveries that wait are over, in whatever folder the message waits.
            if item.folder == SPOOL || item.waiting() > 0 {
                take_out_of_spool(item);
            }
            item.hold = None;
            folder.clone_into(&mut item.folder);
            Decision::Write
        })
        .await;
    }

    /// Whether messages may be put there.
    pub(super) fn check_folder(&self, folder: &str) -> Result<(), Refusal> {
        let policy = self.world.policy();
        let folders = &policy.quarantine.folders;
        if folder == HELD || folder == SPOOL {
            let text = format!("{folder} is for messages that wait by themselves; move to another folder");
            return Err(Refusal::new(text));
        }
        if folders.iter().any(|f| &*f.name == folder) {
            return Ok(());
        }
        let hint = nearest(folder, folders.iter().map(|f| &*f.name));
        let hint = hint.map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near}?"));
        let names: Vec<&str> = folders.iter().map(|f| &*f.name).collect();
        let text = format!("there is no folder {folder}{hint} There are {}", names.join(", "));
        Err(Refusal::new(text))
    }

    /// Order in the spool.
    pub(super) async fn prioritise(
        self: &Arc<Self>,
        pick: &Pick,
        priority: Priority,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let mut run = self.begin("priority", by, pick, answers).await?;
        while let Some(items) = run.next().await {
            let now = self.now_ms();
            run.apply(items, |item| {
                let Some(spool) = item.spool.as_mut().filter(|s| s.priority != priority) else {
                    return Decision::Leave("nothing to change".into());
                };
                spool.priority = priority;
                let word = match priority {
                    Priority::Low => "low",
                    Priority::Normal => "normal",
                    Priority::High => "high",
                };
                item.happened(now, by, format!("priority {word}"));
                Decision::Write
            })
            .await;
        }
        self.nudge();
        Ok(run.finish().await)
    }
}

/// What was never in quarantine becomes a quarantined message for those who do not have it yet.
fn take_out_of_spool(item: &mut Item) {
    let Some(spool) = item.spool.take() else { return };
    if spool.cause == SpoolCause::Released {
        // It may have been released to others than its recipients.
        let has =
            |rcpt: &str| spool.deliveries.iter().any(|d| d.rcpt == rcpt && d.progress == Progress::Delivered);
        if item.recipients.iter().any(|r| !has(&r.rcpt)) {
            item.recipients.retain(|r| !has(&r.rcpt));
        }
        return;
    }
    let old = std::mem::take(&mut item.recipients);
    item.recipients = undelivered(&spool)
        .map(|d| {
            let known = old.iter().find(|r| r.rcpt == d.rcpt).cloned();
            known.unwrap_or_else(|| RecipientView {
                rcpt: d.rcpt.clone(),
                line: d.line.clone(),
                ..RecipientView::default()
            })
        })
        .collect();
}
