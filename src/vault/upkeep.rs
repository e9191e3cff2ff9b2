//! The third thread of the vault: it makes an index anew that is not complete, again and again until that succeeds, and
//! folds marks into files while little else goes on.
//!
//! State: how far the folding is. Failure: each step tells its own and is tried again; closing the vault ends it.

use super::core::Core;
use super::fold::Folding;
use super::rebuild;
use super::writer::Job;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Pauses of the folding between two looks while there is nothing to do.
const IDLE: u32 = 10;

/// Until the vault is closed.
pub(super) fn run(core: &Arc<Core>, jobs: &mpsc::Sender<Job>) {
    let mut folding = Folding::default();
    loop {
        if rebuild::is_due(core) {
            rebuild::in_background(core);
        }
        let pause = core.limits.fold_pause;
        let pause = if folding.step(core, jobs) { pause } else { (pause * IDLE).min(core.limits.retry) };
        if core.rest(pause) {
            return;
        }
    }
}
