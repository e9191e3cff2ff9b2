//! Trying now: deliveries, and scans of what is held.

use super::edit::Decision;
use super::refusal::Refusal;
use super::request::{Answer, Pick};
use super::service::Desk;
use super::spooling::{DEAD, SPOOL, millis};
use crate::config::model::Policy;
use crate::vault::{Item, Progress};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

impl Desk {
    /// Makes deliveries and scans due now; `reset`: attempts and expiry begin anew, also of what was given up.
    pub(super) async fn try_now(
        self: &Arc<Self>,
        pick: &Pick,
        reset: bool,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let mut run = self.begin(if reset { "retry" } else { "force" }, by, pick, answers).await?;
        while let Some(items) = run.next().await {
            let (now, policy) = (self.now_ms(), self.world.policy());
            let changed = run.apply(items, |item| due_now(item, reset, by, now, &policy)).await;
            let (held, spooled): (Vec<Item>, Vec<Item>) = changed.into_iter().partition(|i| i.hold.is_some());
            for item in held.into_iter().take(run.room()) {
                let said = Box::pin(self.look_again(item.id, true)).await;
                run.say(item.id, said);
                run.tell();
            }
            let room = run.room();
            self.deliver_now(&mut run, spooled, room).await;
        }
        self.nudge();
        Ok(run.finish().await)
    }
}

fn due_now(item: &mut Item, reset: bool, by: &str, now_ms: i64, policy: &Policy) -> Decision {
    if item.trash.is_some() {
        return Decision::Leave("in the trash: undelete it first".into());
    }
    let what = if reset { "attempts begin anew" } else { "to be tried now" };
    if let Some(hold) = &mut item.hold {
        hold.next_ms = now_ms;
        item.happened(now_ms, by, what);
        return Decision::Write;
    }
    let Some(spool) = &mut item.spool else { return Decision::Leave("it waits for nothing".into()) };
    if reset {
        spool.attempts = 0;
        spool.since_ms = now_ms;
        spool.expires_ms = now_ms.saturating_add(millis(policy.quarantine.spool.expire));
        for delivery in spool.deliveries.iter_mut().filter(|d| d.progress == Progress::Failed) {
            delivery.progress = Progress::Waiting;
            delivery.told_delay = false;
        }
    }
    if !spool.deliveries.iter().any(|d| d.progress == Progress::Waiting) {
        return Decision::Leave(
            "all its deliveries ended; `spool retry` tries those again that failed".into(),
        );
    }
    spool.frozen = false;
    spool.next_ms = now_ms;
    if item.folder == DEAD {
        SPOOL.clone_into(&mut item.folder);
    }
    item.happened(now_ms, by, what);
    Decision::Write
}
