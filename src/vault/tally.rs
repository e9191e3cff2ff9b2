//! How many items and octets there are by folder, for caps and `status`. Pure.

use super::item::Item;
use std::collections::BTreeMap;

/// What of an item is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) version: u64,
    pub(super) digest: String,
    folder: String,
    octets: i64,
    trash: bool,
    waiting: bool,
    held: bool,
}

impl Counted {
    pub(super) fn of(item: &Item) -> Self {
        Self {
            version: item.version,
            digest: item.digest.clone(),
            folder: item.folder.clone(),
            octets: item.size.cast_signed(),
            trash: item.trash.is_some(),
            waiting: item.waiting() > 0,
            held: item.hold.is_some(),
        }
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
        self.spooled += times * i64::from(item.waiting || item.held);
        self.held += times * i64::from(item.held);
        if item.trash {
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
