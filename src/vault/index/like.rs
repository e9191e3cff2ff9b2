//! Near-identical messages: those that share at least two of three numbers, and so on from each of these.

use crate::mail::Id;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::BTreeSet;

/// Different numbers of one family at most; whoever has more is no family.
const TRIPLES_MAX: usize = 100;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// What is near-identical to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alike {
    /// Itself alone: nothing is known of its likeness. The bits of its reference.
    Alone(i64),
    /// All that have these numbers.
    Triples(Vec<[i64; 3]>),
}

/// The pairs by which two messages are alike; 0 is no number.
pub fn pairs([l0, l1, l2]: [i64; 3]) -> impl Iterator<Item = (u8, i64, i64)> {
    let all = [(0, l0, l1), (1, l0, l2), (2, l1, l2)];
    all.into_iter().filter(|(_, one, two)| *one != 0 && *two != 0)
}

/// The family of a message; `None` where there is no such message.
pub fn triples(connection: &Connection, id: Id) -> Result<Option<Alike>> {
    let bits = i64::try_from(id.bits()).unwrap_or(-1);
    let found = connection
        .prepare_cached("SELECT l0, l1, l2 FROM item WHERE id = ?")?
        .query_row([bits], triple)
        .optional()?;
    let Some(first) = found else { return Ok(None) };
    if pairs(first).next().is_none() {
        return Ok(Some(Alike::Alone(bits)));
    }
    let (mut family, mut asked, mut open) = (BTreeSet::from([first]), BTreeSet::new(), vec![first]);
    while let Some(next) = open.pop() {
        for pair in pairs(next) {
            if !asked.insert(pair) {
                continue;
            }
            for other in sharing(connection, pair)? {
                if family.len() < TRIPLES_MAX && family.insert(other) {
                    open.push(other);
                }
            }
        }
    }
    Ok(Some(Alike::Triples(family.into_iter().collect())))
}

fn triple(row: &rusqlite::Row<'_>) -> Result<[i64; 3]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?])
}

/// Different numbers of the messages that share a pair.
fn sharing(connection: &Connection, (which, one, two): (u8, i64, i64)) -> Result<Vec<[i64; 3]>> {
    let condition = match which {
        0 => "l0 = ? AND l1 = ?",
        1 => "l0 = ? AND l2 = ?",
        _ => "l1 = ? AND l2 = ?",
    };
    let sql = format!("SELECT DISTINCT l0, l1, l2 FROM item WHERE {condition} LIMIT {TRIPLES_MAX}");
    connection.prepare_cached(&sql)?.query_map([one, two], triple)?.collect()
}
