//! What clocks and workers ask: what is due, what is too old, who gets a summary, which body is used.

use super::plan::{Ground, Plan, meta, rows};
use super::row;
use super::schema::{Kind, state_number};
use super::sql::Sql;
use super::text::{digest_range, id_range};
use crate::mail::Id;
use crate::query::{Query, State};
use crate::vault::view::Scope;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Most references of one answer.
const IDS_MAX: usize = 100_000;
/// Priorities, the highest first.
const PRIORITIES: [i64; 3] = [2, 1, 0];

type Result<T> = std::result::Result<T, rusqlite::Error>;

fn limit(most: usize) -> i64 {
    i64::try_from(most.min(IDS_MAX)).unwrap_or(i64::MAX)
}

fn ids(connection: &Connection, sql: &Sql) -> Result<Vec<Id>> {
    rows(connection, sql, |row| row::id(row.get(0)?))
}

/// References that begin so, the newest first.
pub fn find(connection: &Connection, prefix: &str, most: usize) -> Result<Vec<Id>> {
    let Some((low, high)) = Id::prefix(prefix).ok().and_then(|prefix| id_range(&prefix)) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT id FROM item INDEXED BY item_id WHERE id BETWEEN ? AND ? ORDER BY ord DESC LIMIT ?";
    ids(connection, &Sql::new(sql).with(low).with(high).with(limit(most)))
}

/// Whether an item has one of these bodies: every item is looked at, without the help of an index.
pub fn names_any_of(connection: &Connection, digests: &[&str]) -> Result<bool> {
    let low = |digest: &&str| digest_range(digest).map_or(0, |(low, _)| low);
    let wanted: HashMap<i64, &str> = digests.iter().map(|digest| (low(digest), *digest)).collect();
    let mut all = connection.prepare_cached("SELECT digest, ord FROM item NOT INDEXED")?;
    let mut exact = connection.prepare_cached("SELECT digest = ? FROM shown WHERE ord = ?")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let Some(digest) = wanted.get(&row.get(0)?) else { continue };
        let at = params![digest, row.get::<_, i64>(1)?];
        // One without its other half is damage too.
        if exact.query_row(at, |row| row.get::<_, bool>(0)).optional()? != Some(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is due, the highest priority first, in it what is due for the longest; and when something that is not due yet
/// will be.
pub fn due(connection: &Connection, held: bool, now_ms: i64, most: usize) -> Result<(Vec<Id>, Option<i64>)> {
    let mut found = Vec::new();
    let mut next: Option<i64> = None;
    if held {
        let sql =
            "SELECT id FROM item INDEXED BY item_hold WHERE hold_next <= ? ORDER BY hold_next, ord LIMIT ?";
        found = ids(connection, &Sql::new(sql).with(now_ms).with(limit(most)))?;
        let sql =
            "SELECT hold_next FROM item INDEXED BY item_hold WHERE hold_next > ? ORDER BY hold_next LIMIT 1";
        next = rows(connection, &Sql::new(sql).with(now_ms), |row| row.get(0))?.first().copied();
        return Ok((found, next));
    }
    for priority in PRIORITIES {
        let sql = "SELECT id FROM item INDEXED BY item_spool WHERE prio = ? AND spool_next <= ?
            ORDER BY spool_next, ord LIMIT ?";
        let left = most.saturating_sub(found.len());
        found.extend(ids(connection, &Sql::new(sql).with(priority).with(now_ms).with(limit(left)))?);
        let sql = "SELECT spool_next FROM item INDEXED BY item_spool WHERE prio = ? AND spool_next > ?
            ORDER BY spool_next LIMIT 1";
        let later = rows(connection, &Sql::new(sql).with(priority).with(now_ms), |row| row.get(0))?;
        next = next.into_iter().chain(later).min();
    }
    Ok((found, next))
}

/// Items of a folder, outside the trash, that came before a moment, oldest first; or, without a folder, those that
/// are in the trash since before then.
pub fn older(connection: &Connection, folder: Option<&str>, before_ms: i64, most: usize) -> Result<Vec<Id>> {
    let Some(folder) = folder else {
        let sql =
            "SELECT id FROM item INDEXED BY item_trash WHERE trash_at < ? ORDER BY trash_at, ord LIMIT ?";
        return ids(connection, &Sql::new(sql).with(before_ms).with(limit(most)));
    };
    let Some(folder) = super::names::find(connection, Kind::Folder, folder)? else { return Ok(Vec::new()) };
    let skew = meta(connection, "skew")?.saturating_add(1);
    let sql = "SELECT id FROM item INDEXED BY item_folder WHERE folder = ? AND ord < ? AND received < ? AND state <> ?
        ORDER BY ord LIMIT ?";
    let bound = before_ms.saturating_add(skew).saturating_mul(1024);
    let sql = Sql::new(sql).with(folder).with(bound).with(before_ms);
    ids(connection, &sql.with(state_number(State::Trash)).with(limit(most)))
}

/// Items and octets that are in the trash since before then.
pub fn trash_before(connection: &Connection, before_ms: i64) -> Result<(u64, u64)> {
    let sql = "SELECT count(*), coalesce(sum(size), 0) FROM item INDEXED BY item_trash WHERE trash_at < ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([before_ms], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    Ok((found.0.unsigned_abs(), found.1.unsigned_abs()))
}

/// Recipients of the items that match, in order, behind `after`, with how many of these items each has.
pub fn recipients(
    connection: &Connection,
    query: &Query,
    after: &str,
    most: usize,
    ground: Ground,
) -> Result<Vec<(String, u64)>> {
    let plan = Plan::new(connection, query, Scope::Quarantine, ground)?;
    let chosen = plan.choose(connection, false)?;
    let mut sql =
        Sql::new("SELECT a.text, n FROM (SELECT y.addr, count(*) AS n FROM (SELECT i.ord AS ord FROM ");
    sql.add(&chosen.from).push(" WHERE ").add(&chosen.condition);
    sql.push(
        ") m CROSS JOIN rcpt y INDEXED BY rcpt_item ON y.ord = m.ord GROUP BY y.addr) g
         CROSS JOIN addr a ON a.id = g.addr WHERE a.text > ? ORDER BY a.text LIMIT ?",
    );
    rows(connection, &sql.with(after.to_owned()).with(limit(most)), |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })
}

/// Whether an item has this body.
pub fn uses_body(connection: &Connection, digest: &str) -> Result<bool> {
    let number = digest_range(digest).filter(|_| digest.len() == 64).map_or(0, |(low, _)| low);
    let sql = "SELECT 1 FROM item i INDEXED BY item_digest CROSS JOIN shown s ON s.ord = i.ord
        WHERE i.digest = ? AND s.digest = ? LIMIT 1";
    connection.prepare_cached(sql)?.exists(params![number, digest])
}
