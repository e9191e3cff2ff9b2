//! The index of the vault: what lists, counts, searches and clocks ask, in SQLite. It holds nothing that the files and
//! the log of marks do not say; it is made anew from them at any time.
//!
//! Owner of: `vault.db`. Reads are bounded in time ([`VaultError::Slow`](super::error::VaultError)), memory is that of
//! the page caches (one that writes, four that read). Failure: nothing of a batch is in; a damaged file is set aside when
//! it is opened, or by `clear`, which the vault calls when it hears of the damage.

mod damage;
mod enter;
mod fill;
mod glance;
mod groups;
mod like;
mod look;
mod names;
mod people;
mod plan;
mod record;
mod row;
mod schema;
mod service;
mod source;
mod sql;
mod state;
mod stats;
mod terms;
mod text;
mod work;

pub use glance::Glance;
pub use service::{Entry, Found, Index};
pub use state::state_of;

#[cfg(test)]
mod million;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
