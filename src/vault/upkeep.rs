//! The third thread of the vault: it makes an index anew that is not complete or damaged, again and again until that succeeds, looks
//! for what such an index left over, and folds marks into files while little else goes on.
//!
//! State: how far the folding is. Failure: each step tells its own and is tried again; closing the vault ends it.

use super::core::Core;
use super::fold::Folding;
use super::writer::Job;
use super::{leftovers, rebuild};
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
        } else if leftovers::are_due(core) {
            leftovers::look_alone(core);
        }
        let pause = core.limits.fold_pause;
        let pause = if folding.step(core, jobs) { pause } else { (pause * IDLE).min(core.limits.retry) };
        if core.rest(pause) {
            return;
        }
    }
}
