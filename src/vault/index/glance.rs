//! What the index knows of items by their place in it: enough to put a mark on them, and cheap, for it is read in the
//! order in which it lies.

use super::row;
use super::schema::state_of_number;
use crate::mail::Id;
use crate::query::State;
use rusqlite::{Connection, OptionalExtension as _};

/// Some of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Its reference.
    pub id: Id,
    /// Its place.
    pub order: i64,
    /// Version.
    pub version: u64,
    /// Folder.
    pub folder: String,
    /// Octets.
    pub octets: i64,
    /// State.
    pub state: State,
}

/// The item at a place; `None` where it is another or none.
pub fn glance(
    connection: &Connection,
    id: Id,
    order: i64,
) -> std::result::Result<Option<Glance>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT i.id, i.version, f.text, i.size, i.state FROM item i CROSS JOIN name f ON f.id = i.folder
         WHERE i.ord = ?",
    )?;
    let found = statement
        .query_row([order], |row| {
            Ok(Glance {
                id: row::id(row.get(0)?)?,
                order,
                version: row.get::<_, i64>(1)?.unsigned_abs(),
                folder: row.get(2)?,
                octets: row.get(3)?,
                state: state_of_number(row.get(4)?),
            })
        })
        .optional()?;
    Ok(found.filter(|glance| glance.id == id))
}
