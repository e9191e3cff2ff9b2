//! Pages, counts and references: what lists and bulk work ask.

use super::plan::{Chosen, Ground, Plan, rows};
use super::row;
use super::schema::{Tally, state_of_number};
use super::sql::Sql;
use super::state::{DEAD, SPOOL};
use crate::mail::Id;
use crate::query::{Query, State, What};
use crate::vault::view::{Cursor, Page, PageRequest, Scope, Sort};
use rusqlite::Connection;
use rusqlite::types::Value;

/// Most rows of a page.
const ROWS_MAX: usize = 1000;
/// Most references of one step.
const IDS_MAX: usize = 100_000;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// What a page is sorted by: the expression, the index that has it, whether `shown` is needed, whether it is a number.
struct Key {
    expression: &'static str,
    index: &'static str,
    shown: bool,
    number: bool,
}

fn key(sort: Sort) -> Option<Key> {
    let by = |expression, index, shown, number| Some(Key { expression, index, shown, number });
    match sort {
        Sort::Received => None,
        Sort::Size => by("i.size", "item i INDEXED BY item_size", false, true),
        Sort::From => by("i.sender", "item i INDEXED BY item_sender", false, false),
        Sort::Subject => by("s.skey", "shown s INDEXED BY shown_subject", true, false),
        // What is not due comes last.
        Sort::Next => by(
            "coalesce(i.spool_next, i.hold_next, 9223372036854775807)",
            "item i INDEXED BY item_next",
            false,
            true,
        ),
    }
}

/// One page.
pub fn page(connection: &Connection, request: &PageRequest, ground: Ground) -> Result<Page> {
    let most = request.rows.clamp(1, ROWS_MAX);
    let plan = Plan::new(connection, &request.query, request.scope, ground)?;
    let key = key(request.sort);
    let chosen = plan.choose(connection, key.is_some())?;
    let sql = match &key {
        None => by_time(&chosen, request, most + 1),
        Some(key) => by_key(&chosen, key, request, most + 1, ground.indexed),
    };
    let mut found: Vec<(i64, Value)> = rows(connection, &sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let more = found.len() > most;
    found.truncate(most);
    let text = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
    };
    let last = found.last().map(|(order, value)| Cursor { key: text(value), order: *order });
    let rows =
        found.iter().filter_map(|(ord, _)| row::read(connection, *ord).transpose()).collect::<Result<_>>()?;
    Ok(Page { rows, next: last.filter(|_| more) })
}

/// By time: the order of the rows is that of the index.
fn by_time(chosen: &Chosen, request: &PageRequest, most: usize) -> Sql {
    let ord = chosen.ord;
    let mut sql = Sql::new(format!("SELECT {ord}, '' FROM "));
    sql.add(&chosen.from).push(" WHERE ").add(&chosen.condition);
    if let Some(after) = &request.after {
        let behind = if request.ascending { ">" } else { "<" };
        sql.add(&Sql::new(format!(" AND {ord} {behind} ?")).with(after.order));
    }
    let direction = if request.ascending { "ASC" } else { "DESC" };
    sql.push(&format!(" ORDER BY {ord} {direction} LIMIT ?"));
    sql.with(limit(most))
}

/// By a key: gathered and sorted where they are few, else walked by the index of the key.
fn by_key(chosen: &Chosen, key: &Key, request: &PageRequest, most: usize, indexed: bool) -> Sql {
    let expression = key.expression;
    let ord = if chosen.dense { "i.ord" } else { chosen.ord };
    let (direction, behind) = if request.ascending { ("ASC", ">") } else { ("DESC", "<") };
    let mut sql = Sql::new(format!("SELECT {ord}, {expression} FROM "));
    match chosen.dense && indexed {
        true => {
            sql.push(key.index);
            if key.shown {
                sql.push(" CROSS JOIN item i NOT INDEXED ON i.ord = s.ord");
            } else if chosen.from.text.contains("shown s") {
                sql.push(" CROSS JOIN shown s ON s.ord = i.ord");
            }
        }
        false => {
            sql.add(&chosen.from);
            if key.shown && !chosen.from.text.contains("shown s") {
                sql.push(" CROSS JOIN shown s ON s.ord = i.ord");
            }
        }
    }
    sql.push(" WHERE ").add(&chosen.condition);
    if let Some(after) = &request.after {
        let value = if key.number {
            Value::Integer(after.key.parse().unwrap_or_default())
        } else {
            Value::Text(after.key.clone())
        };
        let bound = format!(" AND ({expression}, {ord}) {behind} (?, ?)");
        sql.add(&Sql::new(bound).with(value).with(after.order));
    }
    sql.push(&format!(" ORDER BY {expression} {direction}, {ord} {direction} LIMIT ?"));
    sql.with(limit(most))
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// How many, and their octets.
pub fn count(connection: &Connection, query: &Query, scope: Scope, ground: Ground) -> Result<(u64, u64)> {
    if let Some(counted) = counted(connection, query, scope)? {
        return Ok(counted);
    }
    let plan = Plan::new(connection, query, scope, ground)?;
    let chosen = plan.choose(connection, false)?;
    let mut sql = Sql::new("SELECT count(*), ifnull(sum(i.size), 0) FROM ");
    sql.add(&chosen.from).push(" WHERE ").add(&chosen.condition);
    let found: Vec<(i64, i64)> = rows(connection, &sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (items, octets) = found.first().copied().unwrap_or_default();
    Ok((items.unsigned_abs(), octets.unsigned_abs()))
}

/// The same from the tallies, where nothing but folders and states is asked for.
fn counted(connection: &Connection, query: &Query, scope: Scope) -> Result<Option<(u64, u64)>> {
    if !query.terms.iter().all(|term| matches!(term.what, What::Folder(_) | What::State(_))) {
        return Ok(None);
    }
    let trash = query.asks_for_trash();
    let (mut items, mut octets) = (0_u64, 0_u64);
    for (folder, state, some, size) in states(connection)? {
        let term = |term: &crate::query::Term| {
            let holds = match &term.what {
                What::Folder(name) => *name == folder,
                What::State(wanted) => *wanted == state,
                _ => true,
            };
            holds != term.not
        };
        if in_scope(scope, &folder, state, trash) && query.terms.iter().all(term) {
            (items, octets) = (items + some, octets.saturating_add(size));
        }
    }
    Ok(Some((items, octets)))
}

/// Whether a scope takes items of a folder and state.
pub fn in_scope(scope: Scope, folder: &str, state: State, trash: bool) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Held => state == State::Held,
        Scope::Spool => {
            matches!(state, State::Spooled | State::Failed) || (folder == DEAD && state != State::Trash)
        }
        Scope::Quarantine if state == State::Trash => trash,
        Scope::Quarantine => folder != SPOOL,
    }
}

/// Folder, state, items, octets.
pub type Counted = (String, State, u64, u64);

/// Items and octets by folder and state.
pub fn states(connection: &Connection) -> Result<Vec<Counted>> {
    let sql = Sql::new("SELECT one, two, items, octets FROM tally WHERE kind = ? AND items > 0");
    rows(connection, &sql.with(Tally::State.number()), |row| {
        let unsigned = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
        Ok((row.get(0)?, state_of_number(row.get(1)?), unsigned(2)?, unsigned(3)?))
    })
}

/// References in order of time, oldest first, behind an order.
pub fn ids(
    connection: &Connection,
    (query, scope): (&Query, Scope),
    (after, most): (i64, usize),
    ground: Ground,
) -> Result<Vec<(Id, i64)>> {
    let plan = Plan::new(connection, query, scope, ground)?;
    let chosen = plan.choose(connection, false)?;
    let ord = chosen.ord;
    let mut sql = Sql::new(format!("SELECT i.id, {ord} FROM "));
    sql.add(&chosen.from).push(" WHERE ").add(&chosen.condition);
    sql.push(&format!(" AND {ord} > ? ORDER BY {ord} LIMIT ?"));
    let sql = sql.with(after).with(limit(most.min(IDS_MAX)));
    rows(connection, &sql, |row| Ok((row::id(row.get(0)?)?, row.get(1)?)))
}
