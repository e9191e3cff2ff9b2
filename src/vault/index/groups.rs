//! Groups of near-identical messages, by union of those that share at least two of three numbers.
//!
//! Looked at are the newest [`ITEMS_MAX`] of the items that match: that bounds the memory to some 40 MB; what is older is
//! not in any group then. Messages without numbers (too short to compare) are alone and in no group.

use super::like::pairs;
use super::plan::{Ground, Plan, rows};
use super::row;
use super::sql::Sql;
use crate::query::Query;
use crate::vault::view::{Group, Scope};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// Items that are looked at.
pub const ITEMS_MAX: usize = 200_000;
/// Groups that are told.
const GROUPS_MAX: usize = 1000;

type Result<T> = std::result::Result<T, rusqlite::Error>;

struct One {
    ord: i64,
    likeness: [i64; 3],
    size: u64,
    received: i64,
    sender: i64,
    client: Option<Vec<u8>>,
}

/// Groups of two and more, the largest first, and of how many messages they were made.
pub fn groups(
    connection: &Connection,
    (query, scope): (&Query, Scope),
    most: usize,
    ground: Ground,
) -> Result<(Vec<Group>, u64)> {
    let plan = Plan::new(connection, query, scope, ground)?;
    let chosen = plan.choose(connection, false)?;
    let ord = chosen.ord;
    let mut sql =
        Sql::new(format!("SELECT {ord}, i.l0, i.l1, i.l2, i.size, i.received, i.sender, i.client FROM "));
    sql.add(&chosen.from).push(" WHERE ").add(&chosen.condition);
    sql.push(&format!(" ORDER BY {ord} DESC LIMIT {ITEMS_MAX}"));
    let all = rows(connection, &sql, |row| {
        let sender = row.get_ref(6)?.as_str().unwrap_or_default();
        Ok(One {
            ord: row.get(0)?,
            likeness: [row.get(1)?, row.get(2)?, row.get(3)?],
            size: row.get::<_, i64>(4)?.unsigned_abs(),
            received: row.get(5)?,
            sender: super::text::number(&[sender]),
            client: row.get(7)?,
        })
    })?;
    let looked_at = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let mut families = families(&all);
    // The largest first; of two alike the one with the newest message.
    families.sort_by_key(|family| (std::cmp::Reverse(family.len()), family.first().copied()));
    let told = families.iter().take(most.min(GROUPS_MAX));
    let groups =
        told.filter_map(|family| told_of(connection, &all, family).transpose()).collect::<Result<_>>()?;
    Ok((groups, looked_at))
}

/// Places of the items of each family of two and more, the newest first.
fn families(all: &[One]) -> Vec<Vec<usize>> {
    let mut parents: Vec<usize> = (0..all.len()).collect();
    let mut first: HashMap<(u8, i64, i64), usize> = HashMap::new();
    for (at, one) in all.iter().enumerate() {
        for pair in pairs(one.likeness) {
            let other = *first.entry(pair).or_insert(at);
            let (a, b) = (root(&mut parents, at), root(&mut parents, other));
            if let Some(parent) = parents.get_mut(a.max(b)) {
                *parent = a.min(b);
            }
        }
    }
    let mut families: HashMap<usize, Vec<usize>> = HashMap::new();
    for at in 0..all.len() {
        families.entry(root(&mut parents, at)).or_default().push(at);
    }
    families.into_values().filter(|family| family.len() > 1).collect()
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    loop {
        let parent = parents.get(at).copied().unwrap_or(at);
        if parent == at {
            return at;
        }
        // Every second step is cut short, so that the way stays flat.
        let grand = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(at) {
            *slot = grand;
        }
        at = grand;
    }
}

fn told_of(connection: &Connection, all: &[One], family: &[usize]) -> Result<Option<Group>> {
    let members = || family.iter().filter_map(|at| all.get(*at));
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let Some(newest) = members().next() else { return Ok(None) };
    let Some(sample) = row::read(connection, newest.ord)? else { return Ok(None) };
    Ok(Some(Group {
        count: count(family.len()),
        octets: members().fold(0, |sum: u64, one| sum.saturating_add(one.size)),
        senders: count(members().map(|one| one.sender).collect::<HashSet<_>>().len()),
        clients: count(members().filter_map(|one| one.client.as_deref()).collect::<HashSet<_>>().len()),
        first_ms: members().map(|one| one.received).min().unwrap_or_default(),
        last_ms: members().map(|one| one.received).max().unwrap_or_default(),
        sample,
    }))
}
