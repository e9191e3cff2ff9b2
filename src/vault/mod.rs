//! The vault: every message that we own. What is in quarantine, what is held until it can be scanned, and what waits
//! in the spool until a downstream takes it are items of one store, so that a release is one change of one file and
//! never a copy between two stores.
//!
//! Owner of: `state_dir/vault/`, its journal, item files, bodies, and the index `state_dir/vault.db`. An item and its
//! changes are durable when [`Pending::commit`] or a change has returned: the journal is flushed once for all that
//! wait, the files follow. Into the trash and out of it, many at once, an item goes by a mark: in the journal, then in a
//! log of its own, and in the file when something else changes it (`marks`) or much later (`fold`). Failure: no space is
//! [`VaultError::NoSpace`], for the client 452; a damaged file is named, skipped and kept; a damaged or missing index is
//! rebuilt from the files (`rebuild`), until that succeeds (`upkeep`).

mod anew;
mod apply;
mod ask;
mod block;
mod bodies;
mod canary;
mod change;
mod core;
mod counts;
mod disk;
mod error;
mod fold;
mod index;
mod intake;
mod item;
mod journal;
mod layout;
mod leftovers;
mod limits;
mod mark;
mod marks;
mod rebuild;
mod record;
mod report;
mod service;
mod start;
mod tally;
#[cfg(test)]
mod tests;
mod upkeep;
mod view;
mod walk;
mod writer;

pub use change::Change;
pub use error::VaultError;
pub use index::state_of;
pub use item::{
    Attempt, BodyKind, ClientView, Delivery, EnvelopeView, Event, FindingView, Form, HeaderView, Hold, Item,
    Line, Priority, Progress, RecipientView, Replaced, Spool, SpoolCause, Trash,
};
pub use mark::{Deed, Mark};
pub use report::{RebuildReport, VaultReport};
pub use service::{Pending, Vault, VaultWriter};
pub use view::{Cursor, FolderStats, Group, Page, PageRequest, Row, Scope, Sort, SpoolRow, Stats};
