//! Retention: what is older than its folder keeps it, what is over the caps of a folder that lets its oldest go, and
//! what has been in the trash long enough, is gone for good.
//!
//! In bounded steps, every minute or on request. What is to be delivered or scanned is never pruned. A folder that the
//! rules do not know keeps everything.

use super::jobs::Ticket;
use super::refusal::{Refusal, blocking};
use super::request::Answer;
use super::service::Desk;
use super::spooling::{HELD, is_waiting, millis};
use super::tally::Tally;
use crate::config::model::{Overflow, QuarantineFolder};
use crate::mail::Id;
use crate::query::{Comparison, Query, Term, What};
use crate::vault::{Change, Item, Scope, VaultError};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Messages of one step.
const STEP: usize = 500;
/// Steps for one folder at a time; the next minute goes on.
const STEPS_MAX: usize = 200;

impl Desk {
    /// Applies the retention now, or says what would go.
    pub(super) async fn expire(
        self: &Arc<Self>,
        dry_run: bool,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if dry_run {
            return self.would_go().await;
        }
        let ticket = self.ticket("expire", by, 0)?;
        let mut tally = Tally::default();
        let done = self.prune(true, Some((&ticket, answers)), &mut tally.outcome.changed).await;
        match done {
            Ok(cancelled) => tally.outcome.cancelled = cancelled,
            // What is gone by then is gone.
            Err(refusal) if tally.outcome.changed > 0 => tally.stop(&refusal),
            Err(refusal) => return Err(refusal),
        }
        tracing::info!(by, changed = tally.outcome.changed, "retention applied");
        Ok(self.conclude(&ticket, tally))
    }

    /// Removes what is over, and counts it. Returns whether it was cancelled.
    pub(super) async fn prune(
        self: &Arc<Self>,
        all: bool,
        job: Option<(&Ticket, &Sender<Answer>)>,
        done: &mut u64,
    ) -> Result<bool, Refusal> {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let rules = &policy.quarantine;
        let steps = if all { usize::MAX } else { STEPS_MAX };
        let trash = now.saturating_sub(millis(rules.trash));
        let mut work: Vec<(Option<&QuarantineFolder>, i64)> = vec![(None, trash)];
        let kept = |f: &QuarantineFolder| f.keep.map(|keep| now.saturating_sub(millis(keep)));
        work.extend(rules.folders.iter().filter_map(|f| kept(f).map(|before| (Some(&**f), before))));
        for (folder, before) in work {
            let name = folder.map(|f| f.name.to_string());
            let mut left = Vec::new();
            for _ in 0..steps {
                if is_cancelled(job) {
                    return Ok(true);
                }
                let all = (u64::MAX, u64::MAX);
                let gone = self.remove_older(name.clone(), before, all, &mut left, done).await?;
                progress(job, *done);
                if gone == 0 {
                    break;
                }
                self.settled().await;
            }
        }
        for folder in rules.folders.iter().filter(|f| f.overflow == Overflow::Oldest) {
            self.make_room(folder, steps, job, done).await?;
            progress(job, *done);
        }
        Ok(is_cancelled(job))
    }

    /// The oldest go until the folder is within its caps.
    async fn make_room(
        self: &Arc<Self>,
        folder: &QuarantineFolder,
        steps: usize,
        job: Option<(&Ticket, &Sender<Answer>)>,
        done: &mut u64,
    ) -> Result<(), Refusal> {
        let mut left = Vec::new();
        for _ in 0..steps {
            let (items, octets) = self.vault.folder(&folder.name);
            let (items, octets) =
                (items.saturating_sub(folder.max_items), octets.saturating_sub(folder.max_octets));
            if (items == 0 && octets == 0) || is_cancelled(job) {
                break;
            }
            let name = Some(folder.name.to_string());
            if self.remove_older(name, i64::MAX, (items, octets), &mut left, done).await? == 0 {
                break;
            }
            self.settled().await;
        }
        Ok(())
    }

    /// The figures of folders follow when the changes are in the index.
    async fn settled(&self) {
        self.give_way().await;
        let vault = Arc::clone(&self.vault);
        let _ = blocking(move || vault.catch_up()).await;
    }

    /// One step: the oldest of a folder (the trash: `None`) from before then, until so many or so many octets are gone.
    /// `left` are those that stay although they are old; they are not counted again. Returns how many went, `done` counts
    /// them too.
    async fn remove_older(
        &self,
        folder: Option<String>,
        before_ms: i64,
        (items, octets): (u64, u64),
        left: &mut Vec<Id>,
        done: &mut u64,
    ) -> Result<u64, Refusal> {
        let (vault, most) = (Arc::clone(&self.vault), STEP.saturating_add(left.len()));
        let (skip, limited) = (left.clone(), before_ms == i64::MAX);
        let of = folder.clone();
        let step = blocking(move || {
            let ids = vault.older(folder.as_deref(), before_ms, most)?;
            let ids = ids.into_iter().filter(|id| !skip.contains(id));
            Ok::<_, VaultError>(ids.map(|id| (id, vault.item(id))).collect::<Vec<_>>())
        })
        .await??;
        let (mut changes, mut of_items, mut of_octets) = (Vec::new(), 0, 0);
        for (id, item) in step {
            match item {
                Ok(item) if stays(&item) || !is_over(&item, of.as_deref(), before_ms) => left.push(id),
                Ok(item) => {
                    if limited && of_items >= items && of_octets >= octets {
                        break;
                    }
                    of_items += 1;
                    of_octets += item.size;
                    changes.push(Change::Remove { id, version: item.version });
                }
                Err(VaultError::Missing(_)) => {}
                Err(error) => {
                    tracing::warn!(item = %id, %error, "not pruned");
                    left.push(id);
                }
            }
        }
        if changes.is_empty() {
            return Ok(0);
        }
        let results = self.vault.change(changes).await;
        let gone = results.iter().filter(|r| r.is_ok()).count() as u64;
        *done += gone;
        // Somebody else was faster: the next round sees it as it is then. Everything else is an error.
        let error = results
            .into_iter()
            .find_map(|r| r.err().filter(|e| !matches!(e, VaultError::Conflict(_) | VaultError::Missing(_))));
        match error {
            Some(error) => Err(error.into()),
            None => Ok(gone),
        }
    }

    /// By age; the trash first, which nothing brings back.
    async fn would_go(&self) -> Result<Answer, Refusal> {
        let policy = self.world.policy();
        let before = self.now_ms().saturating_sub(millis(policy.quarantine.trash));
        let vault = Arc::clone(&self.vault);
        let (mut items, mut octets) = blocking(move || vault.trash_before(before)).await??;
        for folder in &policy.quarantine.folders {
            let Some(keep) = folder.keep else { continue };
            let what = [What::Folder(folder.name.to_string()), What::Age(Comparison::More, millis(keep))];
            let terms = what.into_iter().map(|what| Term { not: false, what }).collect();
            let vault = Arc::clone(&self.vault);
            let scope = if &*folder.name == HELD { Scope::Held } else { Scope::Quarantine };
            let found = blocking(move || vault.count(&Query { terms }, scope)).await??;
            items += found.0;
            octets += found.1;
            if folder.overflow == Overflow::Oldest {
                let (now, of) = self.vault.folder(&folder.name);
                items += now.saturating_sub(folder.max_items).saturating_sub(found.0);
                octets += of.saturating_sub(folder.max_octets).saturating_sub(found.1);
            }
        }
        Ok(Answer::Count { items, octets, sample: Vec::new() })
    }
}

/// The index may be behind: what was taken back or moved meanwhile is not what was asked about.
fn is_over(item: &Item, folder: Option<&str>, before_ms: i64) -> bool {
    match (folder, &item.trash) {
        (None, Some(trash)) => trash.at_ms < before_ms,
        (Some(folder), None) => item.folder == folder && item.received_ms < before_ms,
        (None, None) | (Some(_), Some(_)) => false,
    }
}

/// What somebody waits for.
fn stays(item: &Item) -> bool {
    item.trash.is_none() && (is_waiting(item) || item.hold.is_some())
}

fn is_cancelled(job: Option<(&Ticket, &Sender<Answer>)>) -> bool {
    job.is_some_and(|(ticket, _)| ticket.is_cancelled())
}

fn progress(job: Option<(&Ticket, &Sender<Answer>)>, done: u64) {
    if let Some((ticket, answers)) = job {
        ticket.running().at(done);
        ticket.tell(answers);
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;
    use crate::vault::Trash;

    #[tokio::test]
    async fn what_came_back_meanwhile_is_not_over() {
        let some = Stage::new().item("spam", &["a@example.org"]);
        let at = |folder: &str, received_ms, trash: Option<i64>| {
            let trash = trash.map(|at_ms| Trash { at_ms, ..Trash::default() });
            Item { folder: folder.into(), received_ms, trash, ..some.clone() }
        };
        for (item, folder, want) in [
            (at("spam", 5, Some(9)), None, true),
            (at("spam", 5, Some(10)), None, false),
            (at("spam", 5, None), None, false),
            (at("spam", 9, None), Some("spam"), true),
            (at("spam", 10, None), Some("spam"), false),
            (at("policy", 9, None), Some("spam"), false),
            (at("spam", 9, Some(1)), Some("spam"), false),
        ] {
            assert_eq!(is_over(&item, folder, 10), want, "{item:?} {folder:?}");
        }
    }
}
