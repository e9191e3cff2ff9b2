//! Items on their way into an empty index, in a scratch file beside it.
//!
//! Files are read in the order of their names, which is none in time; an index that is entered in that order is written
//! over and over. So a filling index only notes items down, and takes them in by order when all are there: ten times as
//! fast. What waits for delivery or a scan is entered at once all the same, as long as it is not much. Whoever dies before
//! has nothing but an empty index.

use super::record::Record;
use crate::store::sqlite::{DatabaseError, Scratch};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Items that are taken in by one transaction.
const TAKEN_ITEMS: i64 = 20_000;

const SCHEMA: &str =
    "CREATE TABLE fill (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, ord INTEGER NOT NULL,
  record TEXT NOT NULL);";

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// The scratch file.
pub struct Fill {
    scratch: Scratch,
    /// Items that were entered at once.
    entered: AtomicUsize,
}

/// The last item that was taken in.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    ord: i64,
    id: i64,
}

impl Taken {
    /// Before the first.
    pub const NONE: Self = Self { ord: i64::MIN, id: i64::MIN };
}

fn record(text: &str) -> Result<Record> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })
}

impl Fill {
    /// An empty one.
    pub fn begin(index: &Path) -> std::result::Result<Self, DatabaseError> {
        Ok(Self { scratch: Scratch::make(index, "-filling", SCHEMA)?, entered: AtomicUsize::new(0) })
    }

    /// Damage of the scratch file says nothing about the index.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, DatabaseError> {
        self.scratch.write(work).map_err(|error| match error {
            DatabaseError::Damaged(what) => {
                DatabaseError::Other(format!("its scratch file is damaged: {what}"))
            }
            other => other,
        })
    }

    /// How many of so many may be entered at once, if `most` may in all.
    pub fn room(&self, most: usize, wanted: usize) -> usize {
        let before = self.entered.fetch_add(wanted, Ordering::AcqRel);
        most.saturating_sub(before).min(wanted)
    }

    /// Notes items down; the newest version of each counts.
    pub fn note(&self, records: &[Record]) -> std::result::Result<(), DatabaseError> {
        self.write(|connection| -> Result<_> {
            let mut note = connection.prepare_cached(
                "INSERT INTO fill (id, version, ord, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE
                 SET version = ?2, ord = ?3, record = ?4 WHERE version < ?2",
            )?;
            for record in records {
                let text = serde_json::to_string(record).unwrap_or_default();
                note.execute(params![record.id, record.version, record.ord, text])?;
            }
            Ok(())
        })
    }

    /// Forgets items.
    pub fn forget(&self, ids: &[i64]) -> std::result::Result<(), DatabaseError> {
        self.write(|connection| -> Result<_> {
            let mut forget = connection.prepare_cached("DELETE FROM fill WHERE id = ?")?;
            ids.iter().try_for_each(|id| forget.execute([id]).map(drop))
        })
    }

    /// All are there.
    pub fn sort(&self) -> std::result::Result<(), DatabaseError> {
        self.write(|connection: &Connection| {
            connection.execute_batch("CREATE INDEX fill_ord ON fill (ord, id)")
        })
    }

    /// The next ones in order, and where it goes on; `None` at the end.
    pub fn next(&self, after: Taken) -> std::result::Result<Option<(Vec<Record>, Taken)>, DatabaseError> {
        self.write(|connection| -> Result<_> {
            let mut next = connection.prepare_cached(
                "SELECT record, ord, id FROM fill INDEXED BY fill_ord WHERE (ord, id) > (?, ?) ORDER BY ord, id LIMIT ?",
            )?;
            let (mut records, mut taken) = (Vec::new(), after);
            let mut rows = next.query(params![after.ord, after.id, TAKEN_ITEMS])?;
            while let Some(row) = rows.next()? {
                records.push(record(row.get_ref(0)?.as_str()?)?);
                taken = Taken { ord: row.get(1)?, id: row.get(2)? };
            }
            Ok((!records.is_empty()).then_some((records, taken)))
        })
    }
}
