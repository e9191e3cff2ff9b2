//! Folding: items of old marks are written with what their marks say, slowly and while little else goes on, so that there
//! is always room for more marks.
//!
//! It begins when there are more than a quarter of what there may be, and ends at half of that: the oldest go, in the order
//! in which their files lie. An item is written as everybody sees it already, with the version that it has, through the
//! journal like every other change; only its marks go. Nothing shows it.
//!
//! State: [`Folding`], with the thread of `upkeep`: references of what is left of a round, 8 octets each, and 16 of every
//! marked item while it begins. Failure: whoever changed an item meanwhile is left alone; a file that cannot be read is
//! named and skipped; any other error ends the round, and after a minute another one begins.

use super::block;
use super::core::Core;
use super::error::VaultError;
use super::intake::sealed_item;
use super::item::Item;
use super::writer::{Job, Proposal};
use crate::mail::Id;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Items in one step: about fifty a second.
const STEP: usize = 16;
/// With more changes than these since the step before, somebody works.
const QUIET: u64 = 16;

#[derive(Default)]
pub(super) struct Folding {
    /// What is left of this round, the next ones last.
    left: Vec<Id>,
    /// Changes by others up to the last step.
    deeds: u64,
    /// No round before then.
    rests_until: Option<Instant>,
}

impl Folding {
    /// A step, if it is time for one. Whether there will be another one soon.
    pub(super) fn step(&mut self, core: &Core, jobs: &mpsc::Sender<Job>) -> bool {
        let most = core.limits.marks_max;
        let (marks, quiet) = self.look(core);
        if marks <= most / 8 {
            self.left = Vec::new();
            return false;
        }
        if self.left.is_empty() {
            if marks <= most / 4 || self.rests_until.is_some_and(|until| until > Instant::now()) {
                return false;
            }
            self.left = round(core, marks - most / 8);
            tracing::debug!(marks, items = self.left.len(), "marks of messages go into their files");
        }
        if !quiet {
            return true;
        }
        let some = self.left.split_off(self.left.len().saturating_sub(STEP.min(marks - most / 8)));
        if let Err(error) = write(core, jobs, &some) {
            tracing::debug!(%error, "marks of messages stay as they are for now");
            self.left = Vec::new();
        }
        if self.left.is_empty() {
            self.rests_until = Some(Instant::now() + core.limits.retry);
        }
        !self.left.is_empty()
    }

    /// How many marks there are, and whether little else goes on.
    fn look(&mut self, core: &Core) -> (usize, bool) {
        let state = core.state();
        let deeds = state.deeds - std::mem::replace(&mut self.deeds, state.deeds);
        let well = state.rebuilding.is_none() && state.stuck.is_none() && state.refusing.is_none();
        (state.marks.len(), well && deeds <= QUIET && state.durable == state.applied)
    }
}

/// Items of the oldest marks, so many, in order of their files, the first ones last.
fn round(core: &Core, most: usize) -> Vec<Id> {
    let mut all = core.state().marks.ages();
    if most < all.len() {
        all.select_nth_unstable(most);
        all.truncate(most);
    }
    let mut ids: Vec<Id> = all.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids
}

fn write(core: &Core, jobs: &mpsc::Sender<Job>, ids: &[Id]) -> Result<(), VaultError> {
    let mut items = Vec::with_capacity(ids.len());
    let marked = |id: &&Id| core.state().marks.has(**id);
    for id in ids.iter().rev().filter(marked) {
        match core.item(*id) {
            Ok(item) => items.push(item),
            // Removed meanwhile.
            Err(VaultError::Missing(_)) => {}
            Err(error) if error.passes() => return Err(error),
            Err(error) => core.damaged(&error),
        }
    }
    let serious = |error: &VaultError| !matches!(error, VaultError::Conflict(_) | VaultError::Missing(_));
    let mut errors = asked(core, jobs, items)?.into_iter().filter_map(Result::err);
    errors.find(serious).map_or(Ok(()), Err)
}

/// Has them written as they are.
pub(super) fn asked(
    core: &Core,
    jobs: &mpsc::Sender<Job>,
    items: Vec<Arc<Item>>,
) -> Result<Vec<Result<(), VaultError>>, VaultError> {
    let sealed = |item: Arc<Item>| sealed_item(core, Arc::unwrap_or_clone(item));
    let proposals: Result<Vec<Proposal>, VaultError> =
        items.into_iter().map(|item| sealed(item).map(|(item, file)| Proposal::Fold(item, file))).collect();
    let (tell, told) = oneshot::channel();
    let job = Job::Change(proposals?, tell);
    block::on(async {
        jobs.send(job).await.map_err(|_| VaultError::Closed)?;
        told.await.map_err(|_| VaultError::Closed)
    })
}
