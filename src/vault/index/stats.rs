//! Figures, from the tallies.

use super::look::states;
use super::names::find;
use super::plan::{one, rows};
use super::schema::{Kind, Tally};
use super::sql::Sql;
use crate::query::State;
use crate::vault::view::{FolderStats, Stats};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Rules that are told.
const RULES_MAX: i64 = 50;
/// Days that are told.
const DAYS_MAX: i64 = 31;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// Figures of everything; the octets on disk are those of the index alone.
pub fn stats(connection: &Connection, now_ms: i64, index_octets: u64) -> Result<Stats> {
    let pair = |row: &rusqlite::Row<'_>| {
        Ok::<_, rusqlite::Error>((row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, i64>(2)?.unsigned_abs()))
    };
    let rules = Sql::new(
        "SELECT one, items FROM tally WHERE kind = ? AND items > 0 ORDER BY items DESC, one LIMIT ?",
    );
    let rules = rows(connection, &rules.with(Tally::Rule.number()).with(RULES_MAX), |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    let days = Sql::new(
        "SELECT two, items, octets FROM tally WHERE kind = ? AND items > 0 ORDER BY two DESC LIMIT ?",
    );
    let days = rows(connection, &days.with(Tally::Day.number()).with(DAYS_MAX), |row| {
        let (items, octets) = pair(row)?;
        Ok((day(row.get(0)?), items, octets))
    })?;
    let bodies = one(connection, &Sql::new("SELECT count(*) FROM (SELECT DISTINCT digest FROM item)"))?;
    Ok(Stats {
        folders: folders(connection, now_ms)?,
        rules,
        days,
        bodies: bodies.unsigned_abs(),
        disk_octets: index_octets,
    })
}

/// `2026-11-21` of a number of days.
fn day(days: i64) -> String {
    let at =
        jiff::Timestamp::from_millisecond(days.saturating_mul(DAY_MS)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d").to_string()
}

/// Figures by folder, by name. Caps are not known here; see [`FolderStats::capped`].
pub fn folders(connection: &Connection, now_ms: i64) -> Result<Vec<FolderStats>> {
    let mut folders: BTreeMap<String, FolderStats> = BTreeMap::new();
    for (folder, state, items, octets) in states(connection)? {
        let one = folders.entry(folder.clone()).or_insert_with(|| FolderStats::empty(&folder));
        one.items += items;
        one.octets = one.octets.saturating_add(octets);
        one.trash += if state == State::Trash { items } else { 0 };
    }
    for (name, one) in &mut folders {
        let Some(folder) = find(connection, Kind::Folder, name)? else { continue };
        (one.day_items, one.day_octets) = last_day(connection, folder, name, now_ms)?;
        // The first hour that has any, and in it the first item.
        let hour = Sql::new("SELECT min(two) FROM tally WHERE kind = ? AND one = ? AND items > 0");
        let hour = hour.with(Tally::Hour.number()).with(name.clone());
        let Some(hour) =
            rows(connection, &hour, |row| row.get::<_, Option<i64>>(0))?.into_iter().flatten().next()
        else {
            continue;
        };
        let (from, until) = (hour.saturating_mul(HOUR_MS), (hour.saturating_add(1)).saturating_mul(HOUR_MS));
        one.oldest_ms = between(connection, folder, from, until)?.2;
    }
    Ok(folders.into_values().collect())
}

/// Items and octets of the last 24 hours: whole hours from the tallies, the part of the first one from the items.
fn last_day(connection: &Connection, folder: i64, name: &str, now_ms: i64) -> Result<(u64, u64)> {
    let from = now_ms.saturating_sub(DAY_MS).saturating_add(1);
    let whole = from.div_euclid(HOUR_MS).saturating_add(1);
    let sql = Sql::new(
        "SELECT ifnull(sum(items), 0), ifnull(sum(octets), 0) FROM tally WHERE kind = ? AND one = ? AND two >= ?",
    );
    let sql = sql.with(Tally::Hour.number()).with(name.to_owned()).with(whole);
    let hours: Vec<(i64, i64)> = rows(connection, &sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (items, octets) = hours.first().copied().unwrap_or_default();
    let (some, size, _) = between(connection, folder, from, whole.saturating_mul(HOUR_MS))?;
    Ok((items.unsigned_abs() + some, octets.unsigned_abs().saturating_add(size)))
}

/// Items of a folder that came between two moments: how many, their octets, the first.
fn between(connection: &Connection, folder: i64, from: i64, until: i64) -> Result<(u64, u64, Option<i64>)> {
    let skew = super::plan::meta(connection, "skew")?.saturating_add(1);
    let order = |ms: i64| ms.saturating_mul(1024);
    let sql = Sql::new(
        "SELECT count(*), ifnull(sum(size), 0), min(received) FROM item INDEXED BY item_folder
         WHERE folder = ? AND ord >= ? AND ord < ? AND received >= ? AND received < ?",
    );
    let sql = sql.with(folder).with(order(from.saturating_sub(skew))).with(order(until.saturating_add(skew)));
    let found: Vec<(i64, i64, Option<i64>)> =
        rows(connection, &sql.with(from).with(until), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (items, octets, first) = found.first().copied().unwrap_or_default();
    Ok((items.unsigned_abs(), octets.unsigned_abs(), first))
}
