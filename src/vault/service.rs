//! The vault as a service: the handle that everybody has, and the threads behind it.

use super::error::VaultError;
use super::item::{Change, Item};
use super::view::{FolderStats, Group, Page, PageRequest, Row, Scope, Stats};
use crate::body::{Body, Budget};
use crate::mail::Id;
use crate::query::Query;
use std::path::Path;
use std::sync::Arc;

/// The handle.
pub struct Vault {}

/// The threads; closing it writes what waits.
pub struct VaultWriter {}

/// How the vault is, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VaultReport {
    /// Items, the trash included.
    pub items: u64,
    /// Deliveries that wait, and holds.
    pub spooled: u64,
    /// Held items.
    pub held: u64,
    /// Damaged files that were found and skipped since the start: the first ten, and how many.
    pub damaged: Vec<String>,
    /// How many.
    pub damaged_count: u64,
    /// Changes that are durable but not yet in files and index.
    pub behind: u64,
    /// What the canary found: `None` is all well.
    pub canary: Option<String>,
    /// What is wrong with disk or index, in one line each.
    pub troubles: Vec<String>,
}

/// A message that lies ready and is not ours yet. Dropping it forgets it.
pub struct Pending {}

impl Vault {
    /// Opens the vault of a state directory, replays its journal, starts its threads, and rebuilds the index in the
    /// background where it is missing or damaged. Only the process that holds the lock may do so.
    ///
    /// # Errors
    /// A folder can be neither made nor read.
    pub fn open(state_dir: &Path) -> Result<(Arc<Self>, VaultWriter), VaultError> {
        let _ = state_dir;
        Err(VaultError::Closed)
    }

    /// Seals a message: compressed and encrypted, on the blocking pool. Nothing is durable before [`Pending::commit`].
    /// `size`, `digest`, `order` and `likeness` of the item are filled in here.
    ///
    /// # Errors
    /// No space, or the body cannot be read.
    pub async fn put(self: &Arc<Self>, item: Item, body: &Body) -> Result<Pending, VaultError> {
        let _ = (item, body);
        Err(VaultError::Closed)
    }

    /// As [`Vault::put`], for octets in memory. Blocks.
    ///
    /// # Errors
    /// As there.
    pub fn put_octets(self: &Arc<Self>, item: Item, octets: &[u8]) -> Result<Pending, VaultError> {
        let _ = (item, octets);
        Err(VaultError::Closed)
    }

    /// Makes changes, each by itself, durable on return, in order of the input. A change made from an older version is
    /// `Conflict`.
    pub async fn change(&self, changes: Vec<Change>) -> Vec<Result<(), VaultError>> {
        changes.iter().map(|_| Err(VaultError::Closed)).collect()
    }

    /// The same, for whoever may block.
    pub fn change_blocking(&self, changes: Vec<Change>) -> Vec<Result<(), VaultError>> {
        changes.iter().map(|_| Err(VaultError::Closed)).collect()
    }

    /// Reads an item from its file. Blocks for a moment.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn item(&self, id: Id) -> Result<Item, VaultError> {
        Err(VaultError::Missing(id))
    }

    /// The message of an item, octet by octet as it came, inside the budget of bodies; its digest is verified.
    ///
    /// # Errors
    /// The body is missing, cut or tampered with, or the budget has no room.
    pub async fn body(&self, item: &Item, budget: &Arc<Budget>) -> Result<Body, VaultError> {
        let _ = budget;
        Err(VaultError::Missing(item.id))
    }

    /// The same for whoever may block: hands out pieces of at most 64 KiB; `take` says whether to go on.
    ///
    /// # Errors
    /// As there; pieces handed out before the error are true.
    pub fn read(&self, item: &Item, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), VaultError> {
        let _ = take;
        Err(VaultError::Missing(item.id))
    }

    /// Items whose reference begins so; at most `most`, from the index.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn find(&self, prefix: &str, most: usize) -> Result<Vec<Id>, VaultError> {
        let _ = (prefix, most);
        Ok(Vec::new())
    }

    /// One page. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn page(&self, request: &PageRequest) -> Result<Page, VaultError> {
        let _ = request;
        Ok(Page { rows: Vec::new(), next: None })
    }

    /// How many, and their octets. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn count(&self, query: &Query, scope: Scope) -> Result<(u64, u64), VaultError> {
        let _ = (query, scope);
        Ok((0, 0))
    }

    /// References in order of time, oldest first, behind `after` (an `order`), at most `most`: so that bulk work goes
    /// through a million in steps. With each its `order`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn ids(
        &self,
        query: &Query,
        scope: Scope,
        after: i64,
        most: usize,
    ) -> Result<Vec<(Id, i64)>, VaultError> {
        let _ = (query, scope, after, most);
        Ok(Vec::new())
    }

    /// Groups of near-identical messages, the largest first, and of how many messages.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn groups(&self, query: &Query, scope: Scope, most: usize) -> Result<(Vec<Group>, u64), VaultError> {
        let _ = (query, scope, most);
        Ok((Vec::new(), 0))
    }

    /// Figures.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn stats(&self) -> Result<Stats, VaultError> {
        Ok(Stats::default())
    }

    /// Items and octets of one folder, the trash not counted: kept in memory, for caps.
    #[must_use]
    pub fn folder(&self, folder: &str) -> (u64, u64) {
        let _ = folder;
        (0, 0)
    }

    /// Figures by folder.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn folders(&self) -> Result<Vec<FolderStats>, VaultError> {
        Ok(Vec::new())
    }

    /// Deliveries (`held`: scans) that are due at `now_ms`, the highest priority and the oldest first; and when the next
    /// one is due.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn due(&self, held: bool, now_ms: i64, most: usize) -> Result<(Vec<Id>, Option<i64>), VaultError> {
        let _ = (held, now_ms, most);
        Ok((Vec::new(), None))
    }

    /// Items of a folder, outside the trash, that came before `before_ms`, oldest first; or of the trash since before then
    /// (`folder` is `None`).
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn older(&self, folder: Option<&str>, before_ms: i64, most: usize) -> Result<Vec<Id>, VaultError> {
        let _ = (folder, before_ms, most);
        Ok(Vec::new())
    }

    /// The summaries' recipients: every recipient of the items that match, in order, behind `after`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn recipients(
        &self,
        query: &Query,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, u64)>, VaultError> {
        let _ = (query, after, most);
        Ok(Vec::new())
    }

    /// Rows of single items, for samples.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn rows(&self, ids: &[Id]) -> Result<Vec<Row>, VaultError> {
        let _ = ids;
        Ok(Vec::new())
    }

    /// Makes the index anew from the files; `progress` hears how many were read. Blocks.
    ///
    /// # Errors
    /// The files or the index cannot be read or written.
    pub fn rebuild(&self, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
        progress(0);
        Ok(0)
    }

    /// Octets free on the volume of the vault.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        None
    }

    /// Looks whether something else touches the files: writes a canary, reads it back. At start and every hour.
    pub fn canary(&self) -> Option<String> {
        None
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> VaultReport {
        VaultReport::default()
    }
}

impl Pending {
    /// Makes it ours: durable when this returns. Not before may a client hear 250.
    ///
    /// # Errors
    /// Not durable; the message is not ours.
    pub async fn commit(self) -> Result<Id, VaultError> {
        Err(VaultError::Closed)
    }

    /// The same for whoever may block.
    ///
    /// # Errors
    /// As there.
    pub fn commit_blocking(self) -> Result<Id, VaultError> {
        Err(VaultError::Closed)
    }

    /// The item as it will be.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        None
    }
}

impl VaultWriter {
    /// Writes what waits and ends the threads.
    pub fn close(&mut self) {}
}
