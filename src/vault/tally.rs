//! How many items and octets there are by folder, for caps and `status`. Pure.

use super::index::{Glance, state_of};
use super::item::Item;
use super::mark::Mark;
use crate::query::State;
use std::collections::BTreeMap;

/// What of an item is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) version: u64,
    pub(super) digest: String,
    order: i64,
    folder: String,
    octets: i64,
    state: State,
}

impl Counted {
    pub(super) fn of(item: &Item) -> Self {
        Self {
            version: item.version,
            digest: item.digest.clone(),
            order: item.order,
            folder: item.folder.clone(),
            octets: item.size.cast_signed(),
            state: state_of(item),
        }
    }

    /// Of what the index says: enough to count with, and no more.
    pub(super) fn of_glance(glance: &Glance) -> Self {
        Self {
            version: glance.version,
            digest: String::new(),
            order: glance.order,
            folder: glance.folder.clone(),
            octets: glance.octets,
            state: glance.state,
        }
    }

    pub(super) fn is_glance(&self) -> bool {
        self.digest.is_empty()
    }

    /// The same behind a mark.
    pub(super) fn marked(&self, mark: &Mark) -> Self {
        Self { version: self.version + 1, state: mark.state(), ..self.clone() }
    }

    /// Whether it may become this: body and place in time stay.
    pub(super) fn may_become(&self, item: &Item) -> bool {
        let same = (&self.digest, self.order, self.octets);
        same == (&item.digest, item.order, item.size.cast_signed())
    }
}

/// Sums. They are differences too, and so may be below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Items and octets outside the trash.
    pub(super) folders: BTreeMap<String, (i64, i64)>,
    pub(super) items: i64,
    pub(super) spooled: i64,
    pub(super) held: i64,
}

impl Tally {
    /// `times` is 1 or -1.
    pub(super) fn add(&mut self, item: &Counted, times: i64) {
        self.items += times;
        self.spooled += times * i64::from(matches!(item.state, State::Spooled | State::Held));
        self.held += times * i64::from(item.state == State::Held);
        if item.state == State::Trash {
            return;
        }
        let folder = match self.folders.get_mut(&item.folder) {
            Some(folder) => folder,
            None => self.folders.entry(item.folder.clone()).or_default(),
        };
        folder.0 += times;
        folder.1 += times * item.octets;
    }

    pub(super) fn folder(&self, folder: &str) -> (i64, i64) {
        self.folders.get(folder).copied().unwrap_or_default()
    }
}
