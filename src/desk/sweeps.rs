//! Where the sweeps of block list entries have got to, so that what an exception keeps does not hide what is behind it.
//!
//! Owner of: two places by entry, in memory: up to where messages were looked at since they came, and up to where those
//! were looked at again. Gone with the entry; after a reload the second look begins anew, for the lists may say something
//! else of the same messages. As many as there are entries that sweep, which the lists bound.

use crate::config::model::Policy;
use crate::rules::{List, Swept};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How far one entry has got, as `order` of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Everything up to here was looked at.
    pub seen: i64,
    /// And this much of it again.
    pub again: i64,
}

/// See the module head.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Which policy, by its place in memory: another one at the same place only makes the second look come later.
    of: usize,
    /// Entries are known by what they say, for their lines move.
    places: HashMap<String, Place>,
}

impl Default for Place {
    fn default() -> Self {
        Self { seen: i64::MIN, again: i64::MIN }
    }
}

/// The name of an entry.
pub(super) fn name(list: &List, swept: &Swept) -> String {
    format!("{} {:?} {:?} {:?}", list.file, swept.kind, swept.source, swept.sweep)
}

impl Sweeps {
    /// Where the entries of these rules have got to. Those of others are forgotten with [`Self::keep`].
    pub(super) fn places(&self, policy: &Arc<Policy>) -> HashMap<String, Place> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { of, places } = &mut *known;
        let now = Arc::as_ptr(policy).addr();
        if std::mem::replace(of, now) != now {
            places.values_mut().for_each(|place| place.again = i64::MIN);
        }
        places.clone()
    }

    /// These are all.
    pub(super) fn keep(&self, places: HashMap<String, Place>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).places = places;
    }
}
