//! Entering items and taking them out: all rows of one item, and the tallies.

use super::names::Names;
use super::schema::{Kind, Tally, state_number};
use super::state::{count, hold_next, spool_next, spool_row, state_of};
use super::text::{digest_range, domain_of, folded, header_addresses, message_id, number, octets, sorted};
use crate::mail::Id;
use crate::vault::item::{Item, Priority};
use crate::verdict::Direction;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Recipients that a list shows.
const SHOWN_RCPTS: usize = 8;
/// Characters of texts that are only shown.
const SHOWN_CHARS: usize = 500;
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

/// What stands in the index of an item.
struct Standing {
    ord: i64,
    version: i64,
    text: i64,
    counted: Counted,
    sdomain: i64,
}

/// What of an item is in the tallies.
#[derive(Clone, PartialEq)]
struct Counted {
    folder: String,
    state: i64,
    rule: String,
    size: i64,
    received: i64,
}

/// What of an item does not change as it is released, held or moved.
struct Lasting<'i> {
    item: &'i Item,
    sender: String,
    header: Vec<String>,
    rcpts: Vec<String>,
    tags: Vec<String>,
    digest: i64,
    mid: String,
    text: i64,
}

/// A number as it is kept.
pub fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn priority(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
    }
}

/// The number of a direction; 0 is none.
pub fn direction(direction: Option<Direction>) -> i64 {
    match direction {
        None => 0,
        Some(Direction::Inbound) => 1,
        Some(Direction::Outbound) => 2,
    }
}

fn bits(id: Id) -> i64 {
    kept(id.bits())
}

impl Counted {
    fn of(item: &Item) -> Self {
        Self {
            folder: item.folder.clone(),
            state: state_number(state_of(item)),
            rule: folded(&item.rule),
            size: kept(item.size),
            received: item.received_ms,
        }
    }
}

impl<'i> Lasting<'i> {
    fn of(item: &'i Item) -> Self {
        let sender = folded(&item.envelope.from);
        let header = header_addresses(item.header.from.as_deref());
        let mut rcpts: Vec<String> = item.recipients.iter().map(|r| folded(&r.rcpt)).collect();
        rcpts.sort();
        rcpts.dedup();
        let mut tags: Vec<String> = item.tags.iter().map(|tag| folded(tag)).collect();
        tags.sort();
        tags.dedup();
        let digest = digest_range(&item.digest).filter(|_| item.digest.len() == 64).map_or(0, |(low, _)| low);
        let mid = item.header.message_id.as_deref().map(message_id).unwrap_or_default();
        let client = format!(
            "{:?} {:?} {:?} {:?} {} {} {}",
            item.client.ip,
            item.client.helo,
            item.client.user,
            item.client.direction,
            item.client.listener,
            item.client.session,
            item.rule
        );
        let figures = format!("{} {} {} {:?}", item.size, item.received_ms, item.score_milli, item.likeness);
        let (subject, from) = (item.header.subject.as_deref(), item.header.from.as_deref());
        let text = number(&[
            &item.envelope.from,
            subject.unwrap_or_default(),
            from.unwrap_or_default(),
            &rcpts.join("\n"),
            &tags.join("\n"),
            &item.digest,
            &mid,
            &client,
            &figures,
        ]);
        Self { item, sender, header, rcpts, tags, digest, mid, text }
    }
}

impl<'c> Batch<'c> {
    /// Begins one.
    pub fn new(connection: &'c Connection, names: &'c mut Names, indexed: bool) -> Self {
        Self { connection, names, indexed, tallies: HashMap::new(), skew_ms: 0 }
    }

    /// The item as it is now; an older or equal version changes nothing.
    pub fn put(&mut self, item: &Item) -> Result<()> {
        let lasting = Lasting::of(item);
        match self.standing(item.id)? {
            Some(standing) if standing.version >= kept(item.version) => Ok(()),
            Some(standing) if standing.text == lasting.text => self.update(&standing, item),
            Some(standing) => {
                self.take_out(&standing)?;
                self.insert(&lasting, standing.ord)
            }
            None => {
                let ord = self.free(item.order)?;
                self.insert(&lasting, ord)
            }
        }
    }

    /// Takes an item out; one that is not there stays so.
    pub fn remove(&mut self, id: Id) -> Result<()> {
        match self.standing(id)? {
            Some(standing) => self.take_out(&standing),
            None => Ok(()),
        }
    }

    fn standing(&self, id: Id) -> Result<Option<Standing>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT i.ord, i.version, i.text, f.text, i.state, r.text, i.size, i.received, i.sdomain
             FROM item i JOIN name f ON f.id = i.folder JOIN name r ON r.id = i.rule WHERE i.id = ?",
        )?;
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
        statement.query_row([bits(id)], row).optional()
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

    fn update(&mut self, standing: &Standing, item: &Item) -> Result<()> {
        let counted = Counted::of(item);
        let folder = self.names.id(self.connection, Kind::Folder, &item.folder)?;
        self.connection
            .prepare_cached(
                "UPDATE item SET version = ?2, folder = ?3, state = ?4, prio = ?5, spool_next = ?6, hold_next = ?7,
                 trash_at = ?8 WHERE ord = ?1",
            )?
            .execute(params![
                standing.ord,
                kept(item.version),
                folder,
                counted.state,
                item.spool.as_ref().map(|spool| priority(spool.priority)),
                spool_next(item),
                hold_next(item),
                item.trash.as_ref().map(|trash| trash.at_ms),
            ])?;
        self.connection
            .prepare_cached("UPDATE shown SET reason = ?2, spool = ?3 WHERE ord = ?1")?
            .execute(params![standing.ord, cut(&item.reason), spool_text(item)])?;
        if counted != standing.counted {
            self.tally(&standing.counted, -1);
            self.tally(&counted, 1);
        }
        Ok(())
    }

    fn insert(&mut self, lasting: &Lasting<'_>, ord: i64) -> Result<()> {
        let item = lasting.item;
        let counted = Counted::of(item);
        self.insert_item(lasting, ord, counted.state)?;
        self.insert_shown(lasting, ord)?;
        self.insert_recipients(lasting, ord)?;
        for tag in &lasting.tags {
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
                item.header.subject.as_deref().unwrap_or_default(),
                lasting.sender,
                lasting.header.join(" "),
                lasting.rcpts.join(" "),
            ])?;
        self.tally(&counted, 1);
        self.skew_ms = self.skew_ms.max((ord >> 10).saturating_sub(item.received_ms).saturating_abs());
        Ok(())
    }

    fn insert_item(&mut self, lasting: &Lasting<'_>, ord: i64, state: i64) -> Result<()> {
        let Lasting { item, sender, digest, mid, text, .. } = lasting;
        let (connection, client) = (self.connection, &item.client);
        let names = &mut *self.names;
        let [l0, l1, l2] = item.likeness;
        connection
            .prepare_cached(
                "INSERT INTO item (ord, id, version, folder, state, size, received, score, rule, listener, direction,
                 user, client, session, sender, sdomain, digest, mid, l0, l1, l2, text, prio, spool_next, hold_next,
                 trash_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
            )?
            .execute(params![
                ord,
                bits(item.id),
                kept(item.version),
                names.id(connection, Kind::Folder, &item.folder)?,
                state,
                kept(item.size),
                item.received_ms,
                item.score_milli,
                names.id(connection, Kind::Rule, &folded(&item.rule))?,
                names.id(connection, Kind::Listener, &folded(&client.listener))?,
                direction(client.direction),
                names.id(connection, Kind::User, &folded(client.user.as_deref().unwrap_or_default()))?,
                client.ip.map(octets),
                client.session.parse::<Id>().ok().map(bits),
                sender,
                super::names::domain(connection, domain_of(sender))?,
                digest,
                (!mid.is_empty()).then(|| number(&[mid])),
                l0,
                l1,
                l2,
                text,
                item.spool.as_ref().map(|spool| priority(spool.priority)),
                spool_next(item),
                hold_next(item),
                item.trash.as_ref().map(|trash| trash.at_ms),
            ])?;
        Ok(())
    }

    fn insert_shown(&self, lasting: &Lasting<'_>, ord: i64) -> Result<()> {
        let Lasting { item, sender, header, mid, .. } = lasting;
        let subject = item.header.subject.as_deref().unwrap_or_default();
        let to: Vec<&str> = item.recipients.iter().take(SHOWN_RCPTS).map(|r| r.rcpt.as_str()).collect();
        // A session that reads back as it is shown is kept as its number.
        let session = &item.client.session;
        let odd = session.parse::<Id>().map_or(true, |id| id.to_string() != *session);
        self.connection
            .prepare_cached(
                "INSERT INTO shown (ord, sender, rcpts, rcpt, subject, skey, reason, helo, header, mid, digest, session,
                 spool) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                ord,
                (item.envelope.from != *sender).then_some(&item.envelope.from),
                count(item.recipients.len()),
                to.join("\n"),
                cut(subject),
                sorted(subject),
                cut(&item.reason),
                folded(item.client.helo.as_deref().unwrap_or_default()),
                serde_json::to_string(header).unwrap_or_default(),
                mid,
                item.digest,
                odd.then_some(session),
                spool_text(item),
            ])?;
        Ok(())
    }

    fn insert_recipients(&self, lasting: &Lasting<'_>, ord: i64) -> Result<()> {
        let mut rcpt = self.connection.prepare_cached("INSERT INTO rcpt (addr, ord) VALUES (?, ?)")?;
        let mut reach =
            self.connection.prepare_cached("INSERT OR IGNORE INTO reach (domain, ord) VALUES (?, ?)")?;
        for text in &lasting.rcpts {
            let (addr, domain) = super::names::address(self.connection, text)?;
            rcpt.execute([addr, ord])?;
            reach.execute([domain, ord])?;
        }
        Ok(())
    }

    fn take_out(&mut self, standing: &Standing) -> Result<()> {
        let (connection, ord) = (self.connection, standing.ord);
        let mut of = connection.prepare_cached(
            "SELECT a.id, a.domain FROM rcpt r CROSS JOIN addr a ON a.id = r.addr WHERE r.ord = ?",
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
            super::names::tidy(connection, &pairs, standing.sdomain)?;
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

fn spool_text(item: &Item) -> Option<String> {
    let row = spool_row(item)?;
    serde_json::to_string(&row).ok()
}
