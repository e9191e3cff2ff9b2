//! Bodies that no item names: what was removed while the index was not complete leaves its body, because nobody could
//! say who else had it. They are looked for behind every making of the index, and go.
//!
//! The index is asked for each body, and for those that it does not have every item is looked at once more before they go:
//! a page that is damaged may say no without an error, and a body that is gone does not come back. Where most bodies are
//! without items, these were lost, and all bodies stay.
//!
//! State: a mark on disk, `vault/leftovers`, that takes the place of the mark of the making; when the next look is due, in
//! the vault's state. Failure: a crash, a closed vault or a folder that cannot be listed leaves the mark: the next start
//! looks again, and so does `upkeep`, after a minute or ten times what the look took. Nothing that has its items depends on it.

use super::anew::Making;
use super::core::{Core, Leftovers};
use super::error::VaultError;
use super::layout::body_digest;
use super::walk::walk;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bodies that are removed at once.
const AT_ONCE: usize = 1_000;
/// So many may be without items in any case: what a crash in the midst of work leaves.
const FEW: u64 = 16;
/// A look that failed is made again behind so many times what it took.
const RESTS: u32 = 10;

/// What an earlier process left.
pub(super) fn find(core: &Core) -> Option<Leftovers> {
    // Where that cannot be told, a look does no harm.
    fs::exists(core.layout.leftovers()).unwrap_or(true).then(Leftovers::due_now)
}

/// The index is complete: its mark becomes this one. `unsure`: who knows what has these bodies, and then all stay.
pub(super) fn expect(core: &Core, unsure: bool) -> Result<Option<Leftovers>, VaultError> {
    if unsure {
        core.disk.unlink(&core.layout.leftovers())?;
        core.disk.unlink(&core.layout.rebuilding())?;
        return Ok(None);
    }
    core.disk.rename(&core.layout.rebuilding(), &core.layout.leftovers())?;
    Ok(Some(Leftovers::due_now()))
}

/// Whether it is time for a look, and the index is well.
pub(super) fn are_due(core: &Core) -> bool {
    let state = core.state();
    !core.index.is_damaged()
        && state.rebuilding.is_none()
        && state.leftovers.as_ref().is_some_and(|left| left.due <= Instant::now())
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
    let due = Instant::now() + core.limits.retry.max(begun.elapsed() * RESTS);
    let before = state.leftovers.replace(Leftovers { due, failed: true });
    drop(state);
    if !matches!(error, VaultError::Closed) && !before.is_some_and(|before| before.failed) {
        tracing::warn!("bodies that no message has could not all be removed, it is tried again: {error}");
    }
}

fn remove(core: &Core) -> Result<(), VaultError> {
    let (used, unused) = survey(core)?;
    if unused > used.max(FEW) {
        // Rather than so many removals that nobody finished, the items of these were lost.
        let what = "most of its files belong to no message that is there";
        core.damaged(&VaultError::Damaged { path: core.layout.bodies.clone(), what });
        return Ok(());
    }
    let (mut found, mut removed) = (Vec::new(), 0);
    if unused > 0 {
        each(core, &mut |path, is_used| {
            if !is_used {
                found.push(path.to_owned());
            }
            if found.len() >= AT_ONCE {
                removed += unlink(core, &std::mem::take(&mut found))?;
            }
            Ok(())
        })?;
        removed += unlink(core, &found)?;
    }
    if removed > 0 {
        tracing::info!(bodies = removed, "bodies that no message had were removed");
    }
    if core.index.is_damaged() {
        // It says that it uses all of them.
        let what = "it was found damaged meanwhile".to_owned();
        return Err(VaultError::Index { path: core.layout.index.clone(), what });
    }
    Ok(())
}

/// How many bodies items have, and how many none has.
fn survey(core: &Core) -> Result<(u64, u64), VaultError> {
    let (mut used, mut unused) = (0, 0);
    each(core, &mut |_, is_used| {
        *if is_used { &mut used } else { &mut unused } += 1;
        Ok(())
    })?;
    Ok((used, unused))
}

/// Every body, and whether the index has it.
fn each(core: &Core, take: &mut dyn FnMut(&Path, bool) -> Result<(), VaultError>) -> Result<(), VaultError> {
    let unread = walk(core, &core.layout.bodies, 2, &mut |path| match body_digest(path) {
        Some(digest) => take(path, core.index.uses_body(digest)?),
        None => Ok(()),
    })?;
    unread.map_or(Ok(()), Err)
}

/// Those of them that no item has; how many went.
fn unlink(core: &Core, paths: &[PathBuf]) -> Result<u64, VaultError> {
    let digests: Vec<&str> = paths.iter().filter_map(|path| body_digest(path)).collect();
    if digests.is_empty() {
        return Ok(0);
    }
    core.index.has_none_of(&digests)?;
    // Bodies come into their place and items into the index under this lock together; unless the index could not be
    // written, and then the item is still on its way.
    let _applying = core.applying();
    let mut removed = 0;
    for (path, digest) in paths.iter().filter_map(|path| Some((path, body_digest(path)?))) {
        // Who makes the index anew looks for them at its end.
        let may_go = core.state().rebuilding.is_none() && !core.index.uses_body(digest)?;
        if may_go && !core.state().awaits_body(digest) {
            removed += u64::from(core.disk.unlink(path)?);
        }
    }
    Ok(removed)
}
