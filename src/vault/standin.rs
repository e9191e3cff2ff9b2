//! An index in memory, saved when it is settled: stands in until the one in `index` is there.

use super::error::VaultError;
use super::index::{Entry, Found};
use super::item::Item;
use super::view::{FolderStats, Group, Page, PageRequest, Row, Scope, Stats};
use crate::mail::Id;
use crate::query::{Query, State, What};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct All {
    items: BTreeMap<Id, Item>,
    sequence: u64,
}

pub struct Index {
    path: PathBuf,
    all: Mutex<All>,
}

impl Index {
    pub fn open(path: &Path) -> Result<(Self, Found), VaultError> {
        let saved = std::fs::read(path).ok();
        let saved = saved.and_then(|octets| serde_json::from_slice::<(u64, Vec<Item>)>(&octets).ok());
        let found = saved.as_ref().map_or(Found::Empty, |(sequence, _)| Found::Whole(*sequence));
        let (sequence, items) = saved.unwrap_or_default();
        let items = items.into_iter().map(|item| (item.id, item)).collect();
        Ok((Self { path: path.to_owned(), all: Mutex::new(All { items, sequence }) }, found))
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn enter(&self, batch: &[Entry], sequence: u64) -> Result<(), VaultError> {
        let mut all = self.all();
        for entry in batch {
            match entry {
                Entry::Put(item) => {
                    if all.items.get(&item.id).is_none_or(|old| old.version < item.version) {
                        all.items.insert(item.id, Item::clone(item));
                    }
                }
                Entry::Removed(id) => drop(all.items.remove(id)),
            }
        }
        all.sequence = sequence;
        Ok(())
    }

    pub fn settle(&self) -> Result<(), VaultError> {
        let all = self.all();
        let items: Vec<&Item> = all.items.values().collect();
        let octets = serde_json::to_vec(&(all.sequence, items)).unwrap_or_default();
        std::fs::write(&self.path, octets).map_err(|_| VaultError::Closed)
    }

    pub fn uses_body(&self, digest: &str) -> Result<bool, VaultError> {
        Ok(self.all().items.values().any(|item| item.digest == digest))
    }

    pub fn clear(&self) -> Result<(), VaultError> {
        self.all().items.clear();
        Ok(())
    }

    fn matching(&self, query: &Query) -> Vec<Item> {
        let holds = |item: &Item| {
            query.terms.iter().all(|term| {
                term.not
                    != match &term.what {
                        What::Folder(folder) => item.folder == *folder,
                        What::State(State::Trash) => item.trash.is_some(),
                        What::State(State::Held) => item.hold.is_some(),
                        What::State(State::Spooled) => item.waiting() > 0,
                        What::Id(prefix) => item.id.to_string().starts_with(prefix),
                        _ => true,
                    }
            })
        };
        let mut items: Vec<Item> = self.all().items.values().filter(|item| holds(item)).cloned().collect();
        items.sort_by_key(|item| item.order);
        items
    }

    pub fn find(&self, prefix: &str, most: usize) -> Result<Vec<Id>, VaultError> {
        let all = self.all();
        Ok(all.items.keys().filter(|id| id.to_string().starts_with(prefix)).take(most).copied().collect())
    }

    pub fn page(&self, _: &PageRequest) -> Result<Page, VaultError> {
        Ok(Page { rows: Vec::new(), next: None })
    }

    pub fn count(&self, query: &Query, _: Scope) -> Result<(u64, u64), VaultError> {
        let items = self.matching(query);
        Ok((items.len() as u64, items.iter().map(|item| item.size).sum()))
    }

    pub fn ids(
        &self,
        query: &Query,
        _: Scope,
        after: i64,
        most: usize,
    ) -> Result<Vec<(Id, i64)>, VaultError> {
        let items = self.matching(query).into_iter().map(|item| (item.id, item.order));
        Ok(items.filter(|(_, order)| *order > after).take(most).collect())
    }

    pub fn groups(&self, _: &Query, _: Scope, _: usize) -> Result<(Vec<Group>, u64), VaultError> {
        Ok((Vec::new(), 0))
    }

    pub fn stats(&self) -> Result<Stats, VaultError> {
        Ok(Stats::default())
    }

    pub fn folders(&self) -> Result<Vec<FolderStats>, VaultError> {
        let mut folders: BTreeMap<String, FolderStats> = BTreeMap::new();
        for item in self.all().items.values() {
            let folder = folders.entry(item.folder.clone()).or_insert_with(|| FolderStats {
                folder: item.folder.clone(),
                items: 0,
                octets: 0,
                trash: 0,
                oldest_ms: None,
                day_items: 0,
                day_octets: 0,
                max_items: None,
                max_octets: None,
                seconds_to_full: None,
            });
            folder.items += 1;
            folder.octets += item.size;
        }
        Ok(folders.into_values().collect())
    }

    pub fn due(&self, held: bool, now_ms: i64, most: usize) -> Result<(Vec<Id>, Option<i64>), VaultError> {
        let next = |item: &Item| match held {
            true => item.hold.as_ref().map(|hold| hold.next_ms),
            false => item.spool.as_ref().filter(|s| item.waiting() > 0 && !s.frozen).map(|s| s.next_ms),
        };
        let items = self.matching(&Query::default());
        let due = items.iter().filter(|item| next(item).is_some_and(|at| at <= now_ms));
        let later = items.iter().filter_map(next).filter(|at| *at > now_ms).min();
        Ok((due.take(most).map(|item| item.id).collect(), later))
    }

    pub fn older(&self, folder: Option<&str>, before_ms: i64, most: usize) -> Result<Vec<Id>, VaultError> {
        let old = |item: &Item| match folder {
            Some(folder) => item.folder == folder && item.trash.is_none() && item.received_ms < before_ms,
            None => item.trash.as_ref().is_some_and(|trash| trash.at_ms < before_ms),
        };
        Ok(self.matching(&Query::default()).iter().filter(|i| old(i)).take(most).map(|i| i.id).collect())
    }

    pub fn recipients(&self, _: &Query, _: &str, _: usize) -> Result<Vec<(String, u64)>, VaultError> {
        Ok(Vec::new())
    }

    pub fn rows(&self, _: &[Id]) -> Result<Vec<Row>, VaultError> {
        Ok(Vec::new())
    }
}
