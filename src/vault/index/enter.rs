//! Entering items and taking them out: all rows of one item, and the tallies.

use super::names::{self, Names};
use super::record::{Counted, Record};
use super::schema::{Kind, Tally};
use super::text::{domain_of, number};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Orders that are tried where the wanted one is taken.
const ORDERS_MAX: i64 = 4096;
/// Milliseconds of an hour and of a day.
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// One batch on its way into the index.
pub struct Batch<'c> {
    connection: &'c Connection,
    names: &'c mut Names,
    /// Whether the indexes that removal needs for its tidying are there.
    indexed: bool,
    tallies: HashMap<(Tally, String, i64), (i64, i64)>,
    skew_ms: i64,
}

/// A mark as the index takes it.
pub struct Marking {
    /// Reference, place and new version of the item.
    pub id: i64,
    pub ord: i64,
    pub version: i64,
    /// Its state behind it.
    pub state: i64,
    pub trash_at: Option<i64>,
}

/// What stands in the index of an item.
struct Standing {
    ord: i64,
    version: i64,
    text: i64,
    counted: Counted,
    sdomain: i64,
}

impl<'c> Batch<'c> {
    /// Begins one.
    pub fn new(connection: &'c Connection, names: &'c mut Names, indexed: bool) -> Self {
        Self { connection, names, indexed, tallies: HashMap::new(), skew_ms: 0 }
    }

    /// The item as it is now; an older or equal version changes nothing.
    pub fn put(&mut self, record: &Record) -> Result<()> {
        match self.standing(record.id)? {
            Some(standing) if standing.version >= record.version => Ok(()),
            Some(standing) if standing.text == record.text => self.update(&standing, record),
            Some(standing) => {
                self.take_out(&standing)?;
                self.insert(record, standing.ord)
            }
            None => {
                let ord = self.free(record.ord)?;
                self.insert(record, ord)
            }
        }
    }

    /// Takes an item out; one that is not there stays so.
    pub fn remove(&mut self, id: i64) -> Result<()> {
        match self.standing(id)? {
            Some(standing) => self.take_out(&standing),
            None => Ok(()),
        }
    }

    /// A mark on an item; on a newer or an equal version it changes nothing, nor where there is none.
    pub fn mark(&mut self, mark: &Marking) -> Result<()> {
        let standing = match self.standing_at(mark.ord, mark.id)? {
            Some(standing) => Some(standing),
            None => self.standing(mark.id)?,
        };
        let Some(standing) = standing.filter(|standing| standing.version < mark.version) else {
            return Ok(());
        };
        self.connection
            .prepare_cached("UPDATE item SET version = ?2, state = ?3, trash_at = ?4 WHERE ord = ?1")?
            .execute(params![standing.ord, mark.version, mark.state, mark.trash_at])?;
        self.tally(&standing.counted, -1);
        self.tally(&Counted { state: mark.state, ..standing.counted }, 1);
        Ok(())
    }

    fn standing(&self, id: i64) -> Result<Option<Standing>> {
        self.stands("item i INDEXED BY item_id", "i.id = ?1 AND ?2", id, 1)
    }

    /// By its place, which lies near that of its neighbours in time.
    fn standing_at(&self, ord: i64, id: i64) -> Result<Option<Standing>> {
        self.stands("item i NOT INDEXED", "i.ord = ?1 AND i.id = ?2", ord, id)
    }

    fn stands(&self, from: &str, condition: &str, one: i64, two: i64) -> Result<Option<Standing>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT i.ord, i.version, i.text, f.text, i.state, r.text, i.size, i.received, i.sdomain
             FROM {from} CROSS JOIN name f ON f.id = i.folder CROSS JOIN name r ON r.id = i.rule
             WHERE {condition}",
        ))?;
        let row = |row: &rusqlite::Row<'_>| {
            let counted = Counted {
                folder: row.get(3)?,
                state: row.get(4)?,
                rule: row.get(5)?,
                size: row.get(6)?,
                received: row.get(7)?,
            };
            let (ord, version, text, sdomain) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(8)?);
            Ok(Standing { ord, version, text, counted, sdomain })
        };
        statement.query_row([one, two], row).optional()
    }

    /// The wanted order, or the next one that no other item has: the vault gives each once, but files can be copied.
    fn free(&self, wanted: i64) -> Result<i64> {
        let mut taken = self.connection.prepare_cached("SELECT 1 FROM item WHERE ord = ?")?;
        for ord in wanted..wanted.saturating_add(ORDERS_MAX) {
            if !taken.exists([ord])? {
                return Ok(ord);
            }
        }
        Ok(wanted)
    }

    fn tally(&mut self, counted: &Counted, sign: i64) {
        let Counted { folder, state, rule, size, received } = counted;
        let keys = [
            (Tally::State, folder.clone(), *state),
            (Tally::Rule, rule.clone(), 0),
            (Tally::Day, String::new(), received.div_euclid(DAY_MS)),
            (Tally::Hour, folder.clone(), received.div_euclid(HOUR_MS)),
        ];
        for key in keys {
            let (items, octets) = self.tallies.entry(key).or_default();
            *items += sign;
            *octets = octets.saturating_add(size.saturating_mul(sign));
        }
    }

    /// What changes as an item is released, held or moved.
    fn update(&mut self, standing: &Standing, record: &Record) -> Result<()> {
        let counted = &record.counted;
        let folder = self.names.id(self.connection, Kind::Folder, &counted.folder)?;
        self.connection
            .prepare_cached(
                "UPDATE item SET version = ?2, folder = ?3, state = ?4, prio = ?5, spool_next = ?6, hold_next = ?7,
                 trash_at = ?8 WHERE ord = ?1",
            )?
            .execute(params![
                standing.ord,
                record.version,
                folder,
                counted.state,
                record.prio,
                record.spool_next,
                record.hold_next,
                record.trash_at,
            ])?;
        self.connection
            .prepare_cached("UPDATE shown SET reason = ?2, spool = ?3 WHERE ord = ?1")?
            .execute(params![standing.ord, record.reason, record.spool])?;
        if *counted != standing.counted {
            self.tally(&standing.counted, -1);
            self.tally(counted, 1);
        }
        Ok(())
    }

    fn insert(&mut self, record: &Record, ord: i64) -> Result<()> {
        self.insert_item(record, ord)?;
        self.insert_shown(record, ord)?;
        self.insert_recipients(record, ord)?;
        for tag in &record.tags {
            let tag = self.names.id(self.connection, Kind::Tag, tag)?;
            self.connection
                .prepare_cached("INSERT INTO tag (tag, ord) VALUES (?, ?)")?
                .execute([tag, ord])?;
        }
        self.connection
            .prepare_cached(
                "INSERT INTO words (rowid, subject, sender, header, rcpt) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                ord,
                record.subject,
                record.sender,
                record.header.join(" "),
                record.rcpts.join(" "),
            ])?;
        self.tally(&record.counted, 1);
        self.skew_ms = self.skew_ms.max((ord >> 10).saturating_sub(record.counted.received).saturating_abs());
        Ok(())
    }

    fn insert_item(&mut self, record: &Record, ord: i64) -> Result<()> {
        let (connection, counted, names) = (self.connection, &record.counted, &mut *self.names);
        let [l0, l1, l2] = record.likeness;
        connection
            .prepare_cached(
                "INSERT INTO item (ord, id, version, folder, state, size, received, score, rule, listener, direction,
                 user, client, session, sender, sdomain, digest, mid, l0, l1, l2, text, prio, spool_next, hold_next,
                 trash_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
            )?
            .execute(params![
                ord,
                record.id,
                record.version,
                names.id(connection, Kind::Folder, &counted.folder)?,
                counted.state,
                counted.size,
                counted.received,
                record.score,
                names.id(connection, Kind::Rule, &counted.rule)?,
                names.id(connection, Kind::Listener, &record.listener)?,
                record.direction,
                names.id(connection, Kind::User, &record.user)?,
                record.client,
                record.session,
                record.sender,
                names::domain(connection, domain_of(&record.sender))?,
                record.digest_number,
                (!record.mid.is_empty()).then(|| number(&[&record.mid])),
                l0,
                l1,
                l2,
                record.text,
                record.prio,
                record.spool_next,
                record.hold_next,
                record.trash_at,
            ])?;
        Ok(())
    }

    fn insert_shown(&self, record: &Record, ord: i64) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO shown (ord, sender, rcpts, rcpt, subject, skey, reason, helo, header, mid, digest, session,
                 spool) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                ord,
                record.sender_shown,
                record.rcpt_count,
                record.rcpt_shown,
                record.subject,
                record.subject_key,
                record.reason,
                record.helo,
                serde_json::to_string(&record.header).unwrap_or_default(),
                record.mid,
                record.digest,
                record.odd_session,
                record.spool,
            ])?;
        Ok(())
    }

    fn insert_recipients(&self, record: &Record, ord: i64) -> Result<()> {
        let mut rcpt = self.connection.prepare_cached("INSERT INTO rcpt (addr, ord) VALUES (?, ?)")?;
        let mut reach =
            self.connection.prepare_cached("INSERT OR IGNORE INTO reach (domain, ord) VALUES (?, ?)")?;
        for text in &record.rcpts {
            let (addr, domain) = names::address(self.connection, text)?;
            rcpt.execute([addr, ord])?;
            reach.execute([domain, ord])?;
        }
        Ok(())
    }

    fn take_out(&mut self, standing: &Standing) -> Result<()> {
        let (connection, ord) = (self.connection, standing.ord);
        let mut of = connection.prepare_cached(
            "SELECT a.id, a.domain FROM rcpt r INDEXED BY rcpt_item CROSS JOIN addr a ON a.id = r.addr
             WHERE r.ord = ?",
        )?;
        let pairs: Vec<(i64, i64)> =
            of.query_map([ord], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
        for (addr, domain) in &pairs {
            connection
                .prepare_cached("DELETE FROM rcpt WHERE addr = ? AND ord = ?")?
                .execute([addr, &ord])?;
            connection
                .prepare_cached("DELETE FROM reach WHERE domain = ? AND ord = ?")?
                .execute([domain, &ord])?;
        }
        for delete in [
            "DELETE FROM tag WHERE ord = ?",
            "DELETE FROM words WHERE rowid = ?",
            "DELETE FROM shown WHERE ord = ?",
            "DELETE FROM item WHERE ord = ?",
        ] {
            connection.prepare_cached(delete)?.execute([ord])?;
        }
        if self.indexed {
            names::tidy(connection, &pairs, standing.sdomain)?;
        }
        self.tally(&standing.counted, -1);
        Ok(())
    }

    /// Writes the tallies.
    pub fn end(self) -> Result<()> {
        let mut add = self.connection.prepare_cached(
            "INSERT INTO tally (kind, one, two, items, octets) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, one, two) DO UPDATE SET items = items + ?4, octets = octets + ?5",
        )?;
        let mut drop = self
            .connection
            .prepare_cached("DELETE FROM tally WHERE kind = ?1 AND one = ?2 AND two = ?3 AND items <= 0")?;
        for ((kind, one, two), (items, octets)) in self.tallies {
            if (items, octets) != (0, 0) {
                add.execute(params![kind.number(), one, two, items, octets])?;
            }
            if items < 0 {
                drop.execute(params![kind.number(), one, two])?;
            }
        }
        self.connection
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'skew' AND value < ?1")?
            .execute([self.skew_ms])?;
        Ok(())
    }
}
