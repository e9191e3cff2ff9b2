//! Messages that are being delivered or scanned right now: nobody else takes them meanwhile.

use crate::mail::Id;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The set.
#[derive(Default)]
pub(super) struct UnderWay {
    ids: Mutex<HashSet<Id>>,
}

/// One of them; out of the set when dropped, also by a panic.
pub(super) struct Claim {
    of: Arc<UnderWay>,
    id: Id,
}

impl UnderWay {
    /// `None`: somebody has it.
    pub(super) fn claim(self: &Arc<Self>, id: Id) -> Option<Claim> {
        let new = self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        new.then(|| Claim { of: Arc::clone(self), id })
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.of.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
