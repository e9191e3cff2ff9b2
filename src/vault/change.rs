//! What can be asked of the vault for an item that it has. Values only.

use super::item::Item;
use super::mark::Mark;
use crate::mail::Id;
use std::sync::Arc;

/// A change of one item.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The item as it shall be; its `version` is the one it was read with.
    Write(Box<Item>),
    /// Gone for good, with its body where no other item has it.
    Remove {
        /// Which.
        id: Id,
        /// The version it was read with.
        version: u64,
    },
    /// A mark on whatever it is now. `Conflict` where that is not to be done without its file: read it, and write it.
    Mark {
        /// Which.
        id: Id,
        /// Its place in the index, as [`super::Vault::ids`] gives it.
        order: i64,
        /// What.
        mark: Arc<Mark>,
    },
}
