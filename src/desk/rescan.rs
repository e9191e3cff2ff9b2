//! Judging again on request, with everything there is. What is held goes its way; of what is kept only malware moves, to
//! `virus`: what else the rules of now have against it is told.

use super::judge::{Objection, Scanned};
use super::refusal::Refusal;
use super::request::{Answer, Pick};
use super::service::Desk;
use crate::mail::Id;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

impl Desk {
    /// Scans all that match, some at a time.
    pub(super) async fn rescan(
        self: &Arc<Self>,
        pick: &Pick,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let mut run = self.begin("rescan", by, pick, answers).await?;
        while let Some(items) = run.next().await {
            let together = self.world.policy().quarantine.hold.concurrency.max(1);
            let mut left = items.into_iter();
            let mut scans: JoinSet<(Id, Result<String, Refusal>)> = JoinSet::new();
            loop {
                while scans.len() < together
                    && !run.is_cancelled()
                    && let Some(item) = left.next()
                {
                    let (desk, by) = (Arc::clone(self), by.to_owned());
                    scans.spawn(async move { (item.id, Box::pin(desk.scan_one(item.id, &by)).await) });
                }
                match scans.join_next().await {
                    None => break,
                    Some(Ok((id, Ok(said)))) => {
                        run.changed();
                        run.say(id, said);
                    }
                    Some(Ok((id, Err(refusal)))) => run.skip(id, &refusal.text),
                    Some(Err(error)) => tracing::error!(%error, "a scan broke off"),
                }
                run.tell();
            }
        }
        Ok(run.finish().await)
    }

    async fn scan_one(self: &Arc<Self>, id: Id, by: &str) -> Result<String, Refusal> {
        let claim = self.under_way.claim(id);
        let claim = claim.ok_or_else(|| Refusal::new("a delivery or scan of it is under way"))?;
        let item = self.item(id).await?;
        if item.trash.is_some() {
            return Err(Refusal::new("in the trash: undelete it first"));
        }
        let judged = Box::pin(self.scan(&item)).await;
        let held = item.hold.is_some();
        let deliver = self.after_scan(id, &judged, by).await? && held;
        drop(claim);
        let mut said = match judged.scanned {
            Scanned::Clean => "clean".to_owned(),
            Scanned::Objected(Objection { folder, finding }) if held => {
                format!("{}: {}: moved to {folder}", finding.id, finding.text)
            }
            Scanned::Objected(Objection { folder, finding }) => {
                format!("no malware; the rules of now: {}: {} ({folder})", finding.id, finding.text)
            }
            Scanned::Infected(what) => format!("infected: {what}"),
            Scanned::Unknown(what) => format!("could not be scanned: {what}"),
        };
        if deliver {
            let report = Box::pin(self.attempt(id, true)).await;
            self.heard(&report);
            said = format!("{said}; {}", report.said);
        }
        Ok(said)
    }
}
