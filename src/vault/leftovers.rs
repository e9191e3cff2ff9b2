//! Bodies that no item names: what was removed while the index was not complete leaves its body, because nobody could
//! say who else had it. They are looked for behind every making of the index, and go.
//!
//! State: a mark on disk, `vault/leftovers`, that takes the place of the mark of the making; when the next look is due, in
//! the vault's state. Failure: a crash, a closed vault or a folder that cannot be listed leaves the mark: the next start
//! looks again, and so does `upkeep` every minute. Nothing that has its items depends on it.

use super::core::Core;
use super::error::VaultError;
use super::layout::body_digest;
use super::rebuild::{Making, walk};
use std::fs;
use std::time::Instant;

/// There may be some.
pub(super) struct Leftovers {
    /// When they are looked for.
    due: Instant,
    /// The last look failed.
    pub(super) failed: bool,
}

impl Leftovers {
    pub(super) fn due_now() -> Self {
        Self { due: Instant::now(), failed: false }
    }
}

/// What an earlier process left.
pub(super) fn find(core: &Core) -> Option<Leftovers> {
    // Where that cannot be told, a look does no harm.
    fs::exists(core.layout.leftovers()).unwrap_or(true).then(Leftovers::due_now)
}

/// The index is complete: its mark becomes this one. A `damaged` item may name any body, and then all stay.
pub(super) fn expect(core: &Core, damaged: bool) -> Result<Option<Leftovers>, VaultError> {
    if damaged {
        core.disk.unlink(&core.layout.leftovers())?;
        core.disk.unlink(&core.layout.rebuilding())?;
        return Ok(None);
    }
    core.disk.rename(&core.layout.rebuilding(), &core.layout.leftovers())?;
    Ok(Some(Leftovers::due_now()))
}

/// Whether it is time for a look, and nobody makes the index anew.
pub(super) fn are_due(core: &Core) -> bool {
    let state = core.state();
    state.rebuilding.is_none() && state.leftovers.as_ref().is_some_and(|left| left.due <= Instant::now())
}

/// A look, unless somebody makes the index anew: that ends with one.
pub(super) fn look_alone(core: &Core) {
    if let Some(_making) = Making::begin(core) {
        look(core);
    }
}

/// Looks for them, and removes them. Whoever calls has said that nobody makes the index anew meanwhile.
pub(super) fn look(core: &Core) {
    if core.state().leftovers.is_none() {
        return;
    }
    let begun = Instant::now();
    let done = remove(core).and_then(|()| core.disk.unlink(&core.layout.leftovers()).map(drop));
    let mut state = core.state();
    let Err(error) = done else {
        state.leftovers = None;
        return;
    };
    let due = Instant::now() + core.limits.retry.max(begun.elapsed());
    let before = state.leftovers.replace(Leftovers { due, failed: true });
    drop(state);
    if !matches!(error, VaultError::Closed) && !before.is_some_and(|before| before.failed) {
        tracing::warn!(
            "bodies that no message has could not all be removed, it is tried again every minute: {error}"
        );
    }
}

fn remove(core: &Core) -> Result<(), VaultError> {
    let mut removed = 0_u64;
    let unread = walk(core, &core.layout.bodies, 2, &mut |path| {
        let Some(digest) = body_digest(path) else { return Ok(()) };
        // Bodies come into their place and items into the index under this lock together; unless the index could not be
        // written, and then the item is still on its way.
        let _applying = core.applying();
        let may_go = core.state().rebuilding.is_none() && !core.index.uses_body(digest)?;
        if may_go && !core.state().awaits_body(digest) {
            removed += u64::from(core.disk.unlink(path)?);
        }
        Ok(())
    });
    if removed > 0 {
        tracing::info!(bodies = removed, "bodies that no message had were removed");
    }
    unread?.map_or(Ok(()), Err)
}
