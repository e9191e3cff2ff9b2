//! What the vault is asked: lists, counts and searches, from the index.

use super::core::Newest;
use super::error::VaultError;
use super::service::Vault;
use super::view::{FolderStats, Group, Page, PageRequest, Row, Scope, Stats};
use crate::mail::Id;
use crate::query::Query;

impl Vault {
    /// Items whose reference begins so; at most `most`, from the index, and from memory where it is behind. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn find(&self, prefix: &str, most: usize) -> Result<Vec<Id>, VaultError> {
        let mut found = self.core.index.find(prefix, most)?;
        let Ok(prefix) = Id::prefix(prefix) else { return Ok(found) };
        let state = self.core.state();
        let newer = state.newer.iter().filter(|(id, _)| id.to_string().starts_with(&prefix));
        for (id, newer) in newer {
            found.retain(|known| known != id);
            if !matches!(newer.what, Newest::Gone) {
                found.insert(0, *id);
            }
        }
        found.truncate(most);
        Ok(found)
    }

    /// One page. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn page(&self, request: &PageRequest) -> Result<Page, VaultError> {
        self.core.index.page(request)
    }

    /// How many, and their octets. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn count(&self, query: &Query, scope: Scope) -> Result<(u64, u64), VaultError> {
        self.core.index.count(query, scope)
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
        self.core.disk.look(&self.core.layout.index)?;
        self.core.index.ids(query, scope, after, most)
    }

    /// Groups of near-identical messages, the largest first, and of how many messages.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn groups(&self, query: &Query, scope: Scope, most: usize) -> Result<(Vec<Group>, u64), VaultError> {
        self.core.index.groups(query, scope, most)
    }

    /// Figures.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn stats(&self) -> Result<Stats, VaultError> {
        self.core.index.stats()
    }

    /// Figures by folder.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn folders(&self) -> Result<Vec<FolderStats>, VaultError> {
        self.core.index.folders()
    }

    /// Deliveries (`held`: scans) that are due at `now_ms`, the highest priority and the oldest first; and when the next
    /// one is due.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn due(&self, held: bool, now_ms: i64, most: usize) -> Result<(Vec<Id>, Option<i64>), VaultError> {
        self.core.index.due(held, now_ms, most)
    }

    /// Items of a folder, outside the trash, that came before `before_ms`, oldest first; or of the trash since before then
    /// (`folder` is `None`).
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn older(&self, folder: Option<&str>, before_ms: i64, most: usize) -> Result<Vec<Id>, VaultError> {
        self.core.disk.look(&self.core.layout.index)?;
        self.core.index.older(folder, before_ms, most)
    }

    /// Messages and octets that are in the trash since before then.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn trash_before(&self, before_ms: i64) -> Result<(u64, u64), VaultError> {
        self.core.index.trash_before(before_ms)
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
        self.core.disk.look(&self.core.layout.index)?;
        self.core.index.recipients(query, after, most)
    }

    /// Reads the index ahead, for whoever is going to ask for much of it, as long as that is wanted. Blocks for seconds.
    pub fn warm(&self, wanted: &dyn Fn() -> bool) {
        self.core.index.warm(wanted);
    }

    /// Rows of single items, for samples.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn rows(&self, ids: &[Id]) -> Result<Vec<Row>, VaultError> {
        self.core.index.rows(ids)
    }
}
