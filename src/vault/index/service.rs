//! The index as everybody in the vault has it.

use super::damage::Damage;
use super::enter::{Batch, Marking};
use super::fill::{Fill, Taken};
use super::glance::{self, Glance};
use super::names::Names;
use super::plan::{Bounds, Ground, meta};
use super::record::{Record, bits, kept};
use super::schema::{INDEXES, SHAPE, state_number};
use super::{groups, look, row, stats, work};
use crate::mail::Id;
use crate::query::Query;
use crate::store::sqlite::{Database, DatabaseError, Opened};
use crate::vault::error::VaultError;
use crate::vault::item::Item;
use crate::vault::mark::Mark;
use crate::vault::view::{FolderStats, Group, Page, PageRequest, Row, Scope, Stats};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a question may take. What is asked by people takes milliseconds; this is for patterns that nothing helps.
const QUESTION_MAX: Duration = Duration::from_secs(30);
/// Full text in memory while items are taken in by order, and otherwise, in octets.
const WORDS_FILLING: i64 = 16 << 20;
const WORDS_OCTETS: i64 = 1 << 20;
/// A larger file is not read ahead: it would drive everything else out of memory.
const WARM_MAX: u64 = 2 << 30;

/// The index.
pub struct Index {
    database: Database,
    names: Mutex<Names>,
    phase: RwLock<Phase>,
    bounds: Bounds,
    damage: Damage,
}

/// Where it is between empty and whole.
enum Phase {
    /// Items of files are noted down.
    Noting(Fill),
    /// They are taken in; what comes meanwhile is entered at once. Indexes without an order in time are not there.
    Taking(Fill),
    /// All indexes are there.
    Whole,
}

/// What is to be entered.
#[derive(Debug)]
pub enum Entry {
    /// An item as it is now.
    Put(Box<Item>),
    /// Gone.
    Removed(Id),
    /// A mark on what stands there, whose place is `order`; not while the index is filled.
    Marked {
        /// Reference.
        id: Id,
        /// Place.
        order: i64,
        /// Version behind it.
        version: u64,
        /// The mark.
        mark: Arc<Mark>,
    },
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
        let phase = match found {
            Found::Whole(_) => Phase::Whole,
            Found::Empty => {
                database.bulk(true).map_err(wrong)?;
                Phase::Noting(Fill::begin(path).map_err(wrong)?)
            }
        };
        let (names, bounds) = (Mutex::default(), Bounds::default());
        let damage = Damage::default();
        Ok((Self { database, names, phase: RwLock::new(phase), bounds, damage }, found))
    }

    /// With other bounds of what is much.
    #[cfg(test)]
    pub(super) fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Enters a batch in one transaction, with the sequence number of the journal that it reaches. An item of an older
    /// or the same version than the one that stands there changes nothing. Large batches are entered much faster; while
    /// the index is filled they are only noted down.
    ///
    /// # Errors
    /// It cannot be written; nothing of the batch is in.
    pub fn enter(&self, batch: &[Entry], sequence: u64) -> Result<(), VaultError> {
        let (removed, mut put) = last_words(batch);
        let marks: Vec<Marking> = batch.iter().filter_map(marking).collect();
        let phase = self.phase.read().unwrap_or_else(PoisonError::into_inner);
        let file = self.damage.file();
        let said = |put| Said { removed: &removed, put, marks: &marks };
        let done = match &*phase {
            Phase::Noting(fill) if put.len() >= self.bounds.noted => {
                let (mut due, mut rest): (Vec<Record>, Vec<Record>) =
                    put.into_iter().partition(Record::is_due);
                rest.extend(due.split_off(fill.room(self.bounds.due, due.len())));
                fill.note(&rest).and_then(|()| self.transaction(&said(&due), sequence, Some(fill)))
            }
            Phase::Noting(fill) | Phase::Taking(fill) => self.transaction(&said(&put), sequence, Some(fill)),
            Phase::Whole => {
                // The full text wants its rows in order.
                put.sort_by_key(|record| record.ord);
                self.transaction(&said(&put), sequence, None)
            }
        };
        done.map_err(|error| self.error(file, error))
    }

    /// `fill`: what is noted down while it is filled; without it all indexes are there.
    fn transaction(&self, said: &Said<'_>, sequence: u64, fill: Option<&Fill>) -> Result<(), DatabaseError> {
        let Said { removed, put, marks } = said;
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.database.write(|connection| {
            if let Some(fill) = fill.filter(|_| !removed.is_empty()) {
                // In here nobody takes it in meanwhile.
                fill.forget(removed)?;
            }
            let mut batch = Batch::new(connection, &mut names, fill.is_none());
            removed.iter().try_for_each(|id| batch.remove(*id))?;
            put.iter().try_for_each(|record| batch.put(record))?;
            marks.iter().try_for_each(|mark| batch.mark(mark))?;
            batch.end()?;
            connection
                .prepare_cached("UPDATE meta SET value = max(value, ?) WHERE key = 'sequence'")?
                .execute([kept(sequence)])?;
            Ok::<_, DatabaseError>(())
        });
        if done.is_err() {
            names.forget();
        }
        done
    }

    /// Makes everything that was entered durable: after it the journal is not needed any more. It ends filling, so while
    /// files are read it is called when all of them are in, and not before; it then takes half a minute for a million.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn settle(&self) -> Result<(), VaultError> {
        let file = self.damage.file();
        let done = if self.begin_taking() { self.take_in() } else { Ok(()) };
        let settled = done.and_then(|()| {
            self.database.durable(|connection| {
                connection.execute_batch("UPDATE meta SET value = value WHERE key = 'sequence'")
            })
        });
        settled.map_err(|error| self.error(file, error))
    }

    /// From noting to taking in; whether there is something to do.
    fn begin_taking(&self) -> bool {
        let mut phase = self.phase.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *phase, Phase::Whole) {
            Phase::Whole => false,
            Phase::Noting(fill) | Phase::Taking(fill) => {
                *phase = Phase::Taking(fill);
                true
            }
        }
    }

    /// Takes in what was noted, makes the indexes, and is whole.
    fn take_in(&self) -> Result<(), DatabaseError> {
        let words = |what: &str, value: i64| {
            let sql = format!("INSERT INTO words (words, rank) VALUES ('{what}', {value})");
            self.database.write(|connection| connection.execute_batch(&sql))
        };
        words("hashsize", WORDS_FILLING)?;
        words("automerge", 0)?;
        self.take_noted()?;
        for (name, on) in INDEXES {
            let sql = format!("CREATE INDEX IF NOT EXISTS {name} ON {on}");
            self.database.write(|connection| connection.execute_batch(&sql))?;
        }
        self.database
            .write(|connection| connection.execute_batch("INSERT INTO words (words) VALUES ('optimize')"))?;
        words("automerge", 4)?;
        words("hashsize", WORDS_OCTETS)?;
        self.database.bulk(false)?;
        let whole = "UPDATE meta SET value = 0 WHERE key = 'filling'";
        self.database.durable(|connection| connection.execute_batch(whole))?;
        *self.phase.write().unwrap_or_else(PoisonError::into_inner) = Phase::Whole;
        Ok(())
    }

    fn take_noted(&self) -> Result<(), DatabaseError> {
        let phase = self.phase.read().unwrap_or_else(PoisonError::into_inner);
        let Phase::Taking(fill) = &*phase else { return Ok(()) };
        fill.sort()?;
        let mut taken = Taken::NONE;
        loop {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            // What is read is entered in the same transaction: nothing is removed in between.
            let next = self.database.write(|connection| {
                let Some((records, last)) = fill.next(taken)? else { return Ok(None) };
                let mut batch = Batch::new(connection, &mut names, false);
                records.iter().try_for_each(|record| batch.put(record))?;
                batch.end()?;
                Ok::<_, DatabaseError>(Some(last))
            });
            if next.is_err() {
                names.forget();
            }
            match next? {
                Some(last) => taken = last,
                None => return Ok(()),
            }
        }
    }

    /// Empties it, to be filled from the files: entered by [`Index::enter`] in large batches, ended by `settle`. A damaged
    /// file is set aside.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn clear(&self) -> Result<(), VaultError> {
        let mut phase = self.phase.write().unwrap_or_else(PoisonError::into_inner);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).forget();
        let file = self.damage.file();
        if self.is_damaged()
            && let Err(error) = self.database.set_aside()
        {
            tracing::warn!("a damaged index of the quarantine is not kept: {error}");
        }
        let made = self.database.remake().and_then(|()| self.database.bulk(true));
        let fill =
            made.and_then(|()| Fill::begin(self.database.path())).map_err(|error| self.error(file, error))?;
        *phase = Phase::Noting(fill);
        self.damage.made();
        Ok(())
    }

    /// Whether something that was read or written since the last [`Index::clear`] met damage.
    pub fn is_damaged(&self) -> bool {
        self.damage.is()
    }

    /// Removes a damaged file that was set aside: somebody needs the room.
    pub fn drop_damaged(&self) {
        self.database.drop_aside();
    }

    /// `file`: what was worked with.
    fn error(&self, file: u64, error: DatabaseError) -> VaultError {
        if matches!(error, DatabaseError::Damaged(_)) {
            self.damage.note(file);
        }
        error_of(self.database.path(), error)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, VaultError> {
        let file = self.damage.file();
        self.database.read(QUESTION_MAX, work).map_err(|error| self.error(file, error))
    }

    /// Reads what a query asks, as it is at a moment.
    fn ask<T>(
        &self,
        now_ms: i64,
        work: impl FnOnce(&Connection, Ground) -> Result<T, rusqlite::Error>,
    ) -> Result<T, VaultError> {
        self.read(|connection| {
            let indexed = whole(connection)?;
            work(connection, Ground { now_ms, indexed, bounds: self.bounds })
        })
    }

    /// Whether an item has this body; while the index is filled or damaged, which it cannot know, always.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn uses_body(&self, digest: &str) -> Result<bool, VaultError> {
        let used = self.read(|connection| Ok(!whole(connection)? || work::uses_body(connection, digest)?))?;
        Ok(used || self.is_damaged())
    }

    /// Makes sure that no item has one of these bodies, by a look at every item: a damaged page may say no to a question
    /// without an error.
    ///
    /// # Errors
    /// Some item has one, and then the index is damaged; or it cannot be read.
    pub fn has_none_of(&self, digests: &[&str]) -> Result<(), VaultError> {
        let file = self.damage.file();
        if !self.read(|connection| work::names_any_of(connection, digests))? {
            return Ok(());
        }
        let what = "it has items of bodies that it did not find".to_owned();
        Err(self.error(file, DatabaseError::Damaged(what)))
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
        self.ask(now_ms, |connection, ground| look::page(connection, request, ground))
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
        self.ask(now_ms, |connection, ground| look::count(connection, query, scope, ground))
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
        self.ask(now_ms(), |connection, ground| look::ids(connection, (query, scope), (after, most), ground))
    }

    /// Groups of near-identical messages, the largest first, and of how many messages they were made: the newest
    /// 200,000 at most.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn groups(&self, query: &Query, scope: Scope, most: usize) -> Result<(Vec<Group>, u64), VaultError> {
        self.ask(now_ms(), |connection, ground| groups::groups(connection, (query, scope), most, ground))
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

    /// Items and octets that are in the trash since before then.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn trash_before(&self, before_ms: i64) -> Result<(u64, u64), VaultError> {
        self.read(|connection| work::trash_before(connection, before_ms))
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
        self.ask(now_ms(), |connection, ground| work::recipients(connection, query, after, most, ground))
    }

    /// What is known of items at their places; those that are not there, or elsewhere, are left out.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn glances(&self, places: &[(Id, i64)]) -> Result<HashMap<Id, Glance>, VaultError> {
        self.read(|connection| {
            let found = places.iter().map(|(id, order)| glance::glance(connection, *id, *order));
            found.filter_map(Result::transpose).map(|glance| glance.map(|g| (g.id, g))).collect()
        })
    }

    /// Before much of it is asked for: it is read ahead, as long as that is wanted. Blocks for seconds.
    pub fn warm(&self, wanted: &dyn Fn() -> bool) {
        self.database.warm(WARM_MAX, wanted);
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

/// Whether filling has ended: what is read and the indexes that are there belong together.
fn whole(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(meta(connection, "filling")? == 0)
}

fn error_of(path: &Path, error: DatabaseError) -> VaultError {
    match error {
        DatabaseError::NoSpace => VaultError::NoSpace(path.to_owned()),
        DatabaseError::Slow(most) => VaultError::Slow(most),
        other => VaultError::Index { path: path.to_owned(), what: other.to_string() },
    }
}

/// What is entered in one transaction, in this order.
struct Said<'a> {
    removed: &'a [i64],
    put: &'a [Record],
    marks: &'a [Marking],
}

fn marking(entry: &Entry) -> Option<Marking> {
    let Entry::Marked { id, order, version, mark } = entry else { return None };
    Some(Marking {
        id: bits(*id),
        ord: *order,
        version: kept(*version),
        state: state_number(mark.state()),
        trash_at: mark.trash_at(),
    })
}

/// What a batch says in the end of each item: whether it goes, and what it is then.
fn last_words(batch: &[Entry]) -> (Vec<i64>, Vec<Record>) {
    let (mut removed, mut put): (Vec<i64>, HashMap<Id, &Item>) = (Vec::new(), HashMap::new());
    for entry in batch {
        match entry {
            Entry::Removed(id) => {
                put.remove(id);
                removed.push(bits(*id));
            }
            Entry::Put(item) => {
                let newest = put.entry(item.id).or_insert(item);
                if newest.version < item.version {
                    *newest = item;
                }
            }
            Entry::Marked { .. } => {}
        }
    }
    (removed, put.into_values().map(Record::of).collect())
}
