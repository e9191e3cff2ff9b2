//! How a making of the index begins: one at a time, with a mark on disk that it is not complete, and an empty file.
//!
//! State: the mark, and whether somebody is at it, in the vault's state. Failure: a whole index stays as it is.

use super::core::Core;
use super::error::VaultError;
use std::sync::atomic::Ordering;

/// That somebody makes it, or looks for what is left over, until this is dropped.
pub(super) struct Making<'a>(&'a Core);

impl<'a> Making<'a> {
    pub(super) fn begin(core: &'a Core) -> Option<Self> {
        (!core.rebuilds.swap(true, Ordering::AcqRel)).then_some(Self(core))
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.rebuilds.store(false, Ordering::Release);
    }
}

/// The mark, durable before the index is emptied.
pub(super) fn mark(core: &Core) -> Result<(), VaultError> {
    core.state().rebuilding.get_or_insert(0);
    let file = core.disk.create(&core.layout.rebuilding())?;
    core.disk.flush(&file)?;
    core.disk.flush_folder(&core.layout.root)
}

/// Empties it. Where not even that can be begun, a whole index stays as it is.
pub(super) fn clear(core: &Core) -> Result<(), VaultError> {
    let _applying = core.applying();
    let whole = core.state().rebuilding.is_none() && !core.index.is_damaged();
    if let Err(error) = mark(core).and_then(|()| core.disk.other(&core.layout.index)) {
        if whole {
            core.state().rebuilding = None;
            // Where it stays, the next start makes the index anew.
            let _ = core.disk.unlink(&core.layout.rebuilding());
        }
        return Err(error);
    }
    core.index.clear()
}
