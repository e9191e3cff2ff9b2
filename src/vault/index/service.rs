//! The index as everybody in the vault has it.

use super::enter::{Batch, kept};
use super::names::Names;
use super::plan::meta;
use super::schema::{INDEXES, SHAPE};
use super::{groups, look, row, stats, work};
use crate::mail::Id;
use crate::query::Query;
use crate::store::sqlite::{Database, DatabaseError, Opened};
use crate::vault::error::VaultError;
use crate::vault::item::Item;
use crate::vault::view::{FolderStats, Group, Page, PageRequest, Row, Scope, Stats};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a question may take. What is asked by people takes milliseconds; this is for patterns that nothing helps.
const QUESTION_MAX: Duration = Duration::from_secs(30);
/// Pages of the full text that are merged when filling ends.
const MERGED_PAGES: i64 = 4000;

/// The index.
pub struct Index {
    database: Database,
    names: Mutex<Names>,
    /// Files are being read into it: indexes without an order in time are not there yet.
    filling: AtomicBool,
}

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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Index {
    /// Opens it. One that is found empty is being *filled* until [`Index::settle`]: it answers, but slowly, and whoever
    /// opens it before that finds it empty again.
    ///
    /// # Errors
    /// The file can be neither opened nor made.
    pub fn open(path: &Path) -> Result<(Self, Found), VaultError> {
        let wrong = |error| error_of(path, error);
        let (database, opened) = Database::open(path, SHAPE).map_err(wrong)?;
        let state = |c: &Connection| Ok((meta(c, "filling")?, meta(c, "sequence")?));
        let found = match opened {
            Opened::Whole => match database.read(QUESTION_MAX, state) {
                Ok((0, sequence)) => Found::Whole(sequence.unsigned_abs()),
                Ok(_) | Err(_) => {
                    database.remake().map_err(wrong)?;
                    Found::Empty
                }
            },
            Opened::New | Opened::Damaged => Found::Empty,
        };
        let filling = AtomicBool::new(found == Found::Empty);
        let index = Self { database, names: Mutex::default(), filling };
        if found == Found::Empty {
            index.database.bulk(true).map_err(wrong)?;
        }
        Ok((index, found))
    }

    /// Enters a batch in one transaction, with the sequence number of the journal that it reaches. An item of an older
    /// or the same version than the one that stands there changes nothing. Large batches are entered much faster.
    ///
    /// # Errors
    /// It cannot be written; nothing of the batch is in.
    pub fn enter(&self, batch: &[Entry], sequence: u64) -> Result<(), VaultError> {
        let (removed, mut put) = last_words(batch);
        // The full text wants its rows in order.
        put.sort_by_key(|item| item.order);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.database.write(|connection| {
            let mut batch = Batch::new(connection, &mut names, !self.filling());
            for id in removed {
                batch.remove(id)?;
            }
            for item in put {
                batch.put(item)?;
            }
            batch.end()?;
            connection
                .prepare_cached("UPDATE meta SET value = max(value, ?) WHERE key = 'sequence'")?
                .execute([kept(sequence)])?;
            Ok(())
        });
        if done.is_err() {
            names.forget();
        }
        done.map_err(|error| self.error(error))
    }

    /// Makes everything that was entered durable: after it the journal is not needed any more. It ends filling, so while
    /// files are read it is called when all of them are in, and not before; it then takes some seconds for a million.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&self) -> Result<(), VaultError> {
        self.settle_all().map_err(|error| self.error(error))
    }

    fn settle_all(&self) -> Result<(), DatabaseError> {
        if self.filling() {
            for (name, on) in INDEXES {
                let sql = format!("CREATE INDEX IF NOT EXISTS {name} ON {on}");
                self.database.write(|connection| connection.execute_batch(&sql))?;
            }
            self.database.write(|connection| {
                connection
                    .prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?)")?
                    .execute([-MERGED_PAGES])?;
                Ok(())
            })?;
            self.database.bulk(false)?;
            self.database.durable(|connection| {
                connection.execute_batch("UPDATE meta SET value = 0 WHERE key = 'filling'")
            })?;
            self.filling.store(false, Ordering::Release);
            return Ok(());
        }
        self.database.durable(|connection| {
            connection.execute_batch("UPDATE meta SET value = value WHERE key = 'sequence'")
        })
    }

    /// Empties it, to be filled from the files: entered by [`Index::enter`] in large batches, ended by `settle`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn clear(&self) -> Result<(), VaultError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        self.filling.store(true, Ordering::Release);
        names.forget();
        let done = self.database.remake().and_then(|()| self.database.bulk(true));
        done.map_err(|error| self.error(error))
    }

    fn filling(&self) -> bool {
        self.filling.load(Ordering::Acquire)
    }

    fn error(&self, error: DatabaseError) -> VaultError {
        error_of(self.database.path(), error)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, VaultError> {
        self.database.read(QUESTION_MAX, work).map_err(|error| self.error(error))
    }

    /// Whether an item has this body.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn uses_body(&self, digest: &str) -> Result<bool, VaultError> {
        self.read(|connection| work::uses_body(connection, digest, !self.filling()))
    }

    /// References that begin so, the newest first, at most `most`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn find(&self, prefix: &str, most: usize) -> Result<Vec<Id>, VaultError> {
        self.read(|connection| work::find(connection, prefix, most))
    }

    /// One page.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn page(&self, request: &PageRequest) -> Result<Page, VaultError> {
        self.page_at(request, now_ms())
    }

    /// One page, as it is at a moment.
    pub(super) fn page_at(&self, request: &PageRequest, now_ms: i64) -> Result<Page, VaultError> {
        self.read(|connection| look::page(connection, request, now_ms, !self.filling()))
    }

    /// How many, and their octets.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn count(&self, query: &Query, scope: Scope) -> Result<(u64, u64), VaultError> {
        self.count_at(query, scope, now_ms())
    }

    /// How many, as it is at a moment.
    pub(super) fn count_at(
        &self,
        query: &Query,
        scope: Scope,
        now_ms: i64,
    ) -> Result<(u64, u64), VaultError> {
        self.read(|connection| look::count(connection, query, scope, now_ms, !self.filling()))
    }

    /// References in order of time, oldest first, behind `after` (an `order`), at most `most` (and 100,000).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn ids(
        &self,
        query: &Query,
        scope: Scope,
        after: i64,
        most: usize,
    ) -> Result<Vec<(Id, i64)>, VaultError> {
        let at = now_ms();
        self.read(|connection| look::ids(connection, (query, scope), (after, most), (at, !self.filling())))
    }

    /// Groups of near-identical messages, the largest first, and of how many messages they were made: the newest
    /// 200,000 at most.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn groups(&self, query: &Query, scope: Scope, most: usize) -> Result<(Vec<Group>, u64), VaultError> {
        let at = now_ms();
        self.read(|connection| groups::groups(connection, (query, scope), most, (at, !self.filling())))
    }

    /// Figures; `disk_octets` are those of the index alone, caps are not known here ([`FolderStats::capped`]).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn stats(&self) -> Result<Stats, VaultError> {
        let (at, octets) = (now_ms(), self.database.octets());
        self.read(|connection| stats::stats(connection, at, octets))
    }

    /// Figures by folder, by name; caps are not known here ([`FolderStats::capped`]).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn folders(&self) -> Result<Vec<FolderStats>, VaultError> {
        let at = now_ms();
        self.read(|connection| stats::folders(connection, at))
    }

    /// Items and octets by folder, the trash not counted: what caps are held against.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn totals(&self) -> Result<HashMap<String, (u64, u64)>, VaultError> {
        let states = self.read(look::states)?;
        let mut totals: HashMap<String, (u64, u64)> = HashMap::new();
        for (folder, _, items, octets) in states.into_iter().filter(|s| s.1 != crate::query::State::Trash) {
            let (all, size) = totals.entry(folder).or_default();
            (*all, *size) = (*all + items, size.saturating_add(octets));
        }
        Ok(totals)
    }

    /// Deliveries (`held`: scans) that are due, the highest priority first, in it what is due for the longest; and when
    /// the next one that is not due yet will be.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn due(&self, held: bool, now_ms: i64, most: usize) -> Result<(Vec<Id>, Option<i64>), VaultError> {
        self.read(|connection| work::due(connection, held, now_ms, most))
    }

    /// Items of a folder, outside the trash, that came before `before_ms`, oldest first; or of the trash since before
    /// then (`folder` is `None`).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn older(&self, folder: Option<&str>, before_ms: i64, most: usize) -> Result<Vec<Id>, VaultError> {
        self.read(|connection| work::older(connection, folder, before_ms, most))
    }

    /// Recipients of the items of the quarantine that match, in order, behind `after`, lower case, with how many of
    /// these items each has.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn recipients(
        &self,
        query: &Query,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, u64)>, VaultError> {
        let at = now_ms();
        self.read(|connection| work::recipients(connection, query, after, most, (at, !self.filling())))
    }

    /// Rows of single items, in the order asked for; those that are not there are left out.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn rows(&self, ids: &[Id]) -> Result<Vec<Row>, VaultError> {
        self.read(|connection| {
            let mut out = Vec::new();
            for id in ids {
                if let Some(ord) = row::ord_of(connection, *id)? {
                    out.extend(row::read(connection, ord)?);
                }
            }
            Ok(out)
        })
    }
}

fn error_of(path: &Path, error: DatabaseError) -> VaultError {
    match error {
        DatabaseError::NoSpace => VaultError::NoSpace(path.to_owned()),
        DatabaseError::Slow(most) => VaultError::Slow(most),
        other => VaultError::Index { path: path.to_owned(), what: other.to_string() },
    }
}

/// What a batch says in the end of each item: whether it goes, and what it is then.
fn last_words(batch: &[Entry]) -> (Vec<Id>, Vec<&Item>) {
    let (mut removed, mut put): (Vec<Id>, HashMap<Id, &Item>) = (Vec::new(), HashMap::new());
    for entry in batch {
        match entry {
            Entry::Removed(id) => {
                put.remove(id);
                removed.push(*id);
            }
            Entry::Put(item) => {
                let newest = put.entry(item.id).or_insert(item);
                if newest.version < item.version {
                    *newest = item;
                }
            }
        }
    }
    (removed, put.into_values().collect())
}
