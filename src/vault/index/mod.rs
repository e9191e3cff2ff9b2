//! The index of the vault: what lists, counts, searches and clocks ask, in SQLite. It holds nothing that the files do
//! not say; it is made anew from them at any time.

use super::error::VaultError;
use super::item::Item;
use crate::mail::Id;
use std::path::Path;

/// The index.
pub struct Index {}

/// What is to be entered.
#[derive(Debug)]
pub enum Entry {
    /// An item as it is now.
    Put(Box<Item>),
    /// Gone.
    Removed(Id),
}

/// How it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Whole; the journal up to this sequence number is in it.
    Whole(u64),
    /// Missing, damaged (then set aside as `vault.db.damaged`) or of another version: empty, to be filled from the files.
    Empty,
}

impl Index {
    /// Opens it.
    ///
    /// # Errors
    /// The file can be neither opened nor made.
    pub fn open(path: &Path) -> Result<(Self, Found), VaultError> {
        let _ = path;
        Err(VaultError::Closed)
    }

    /// Enters a batch in one transaction, with the sequence number of the journal that it reaches. An item of an older
    /// or the same version than the one that stands there changes nothing.
    ///
    /// # Errors
    /// It cannot be written; nothing of the batch is in.
    pub fn enter(&self, batch: &[Entry], sequence: u64) -> Result<(), VaultError> {
        let _ = (batch, sequence);
        Err(VaultError::Closed)
    }

    /// Makes everything that was entered durable: after it the journal is not needed any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&self) -> Result<(), VaultError> {
        Err(VaultError::Closed)
    }

    /// Whether an item has this body.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn uses_body(&self, digest: &str) -> Result<bool, VaultError> {
        let _ = digest;
        Err(VaultError::Closed)
    }

    /// Empties it, to be filled from the files: entered by [`Index::enter`] in large batches, ended by `settle`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn clear(&self) -> Result<(), VaultError> {
        Err(VaultError::Closed)
    }
}
