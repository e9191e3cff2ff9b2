//! How a query is answered: begin with the term that the fewest items have, look at the others there.
//!
//! Each term that an index knows is counted, but only as far as the smallest count so far: that costs a few
//! milliseconds and no more. If one is small its items are gathered, and sorted where they have to be. If all are
//! large the matches are dense, and the items are walked in the order that is wanted until the page is full. Bounds in
//! time become bounds of row numbers: an item's order and its time differ by `skew` at most, which is kept.

use super::names::find;
use super::schema::{Kind, state_number};
use super::source::{Condition, Source};
use super::sql::Sql;
use super::state::{DEAD, SPOOL};
use super::terms;
use crate::query::{Comparison, Query, State, Term, What};
use crate::vault::view::Scope;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

/// Where a small number ends and a large one begins; tests shift it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A term that more items have is dense.
    pub dense: i64,
    /// With more rows to look at, full text is asked once for all of them.
    pub asked_singly: i64,
    /// Smaller batches are entered at once while the index is filled: they come from the running gateway.
    pub noted: usize,
    /// So many items of larger ones are entered at once too, if something is to be done with them at some time: what
    /// waits for delivery need not wait for an index.
    pub due: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { dense: 20_000, asked_singly: 3_000, noted: 256, due: 20_000 }
    }
}

/// What an answer rests on.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// Ages are those of this moment.
    pub now_ms: i64,
    /// Indexes without an order in time are there.
    pub indexed: bool,
    /// What is much.
    pub bounds: Bounds,
}

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// What a query asks, in SQL.
pub struct Plan {
    conditions: Vec<Condition>,
    /// More than one of them can be rare.
    many: bool,
    /// Bounds of row numbers.
    low: i64,
    high: i64,
    ground: Ground,
}

/// Where a query begins, and all that must hold.
pub struct Chosen {
    /// Tables.
    pub from: Sql,
    /// Conditions.
    pub condition: Sql,
    /// The column that is the order.
    pub ord: &'static str,
    /// Whether there are many.
    pub dense: bool,
}

impl Plan {
    /// Of a query.
    pub fn new(connection: &Connection, query: &Query, scope: Scope, ground: Ground) -> Result<Self> {
        let (low, high) = bounds(connection, query, ground.now_ms)?;
        let mut conditions = Vec::new();
        let (mut references, mut patterns) = (Vec::new(), Vec::new());
        for Term { not, what } in &query.terms {
            if let (false, What::Id(prefix)) = (not, what) {
                references.push(prefix.as_str());
                continue;
            }
            let condition = terms::condition(connection, what, ground.now_ms)?;
            match (&condition.pattern, not) {
                (Some(pattern), false) => patterns.push(format!("({pattern})")),
                (None, false) => conditions.push(condition),
                (_, true) => conditions.push(condition.turned()),
            }
        }
        if !references.is_empty() {
            conditions.push(terms::ids(&references));
        }
        if !patterns.is_empty() {
            conditions.push(terms::pattern(patterns.join(" AND ")));
        }
        let own = conditions.len();
        conditions.extend(of_scope(connection, query, scope)?);
        let many = own + usize::from(matches!(scope, Scope::Spool | Scope::Held)) > 1;
        Ok(Self { conditions, many, low, high, ground })
    }

    /// Where to begin. `sorted`: the page has another order than that of time.
    pub fn choose(&self, connection: &Connection, sorted: bool) -> Result<Chosen> {
        if self.conditions.iter().any(Condition::is_never) {
            let from = Sql::new("item i NOT INDEXED");
            return Ok(Chosen { from, condition: Sql::new("0"), ord: "i.ord", dense: false });
        }
        let (mut best, mut least) = (None, self.ground.bounds.dense + 1);
        for (at, condition) in self.conditions.iter().enumerate() {
            let Some(source) = self.usable(condition) else { continue };
            let found = self.probe(connection, source, least)?;
            if found < least {
                (best, least) = (Some(at), found);
            }
        }
        let dense = best.is_none();
        if dense && !sorted {
            best = self.in_order();
        }
        let source = best.and_then(|at| self.conditions.get(at)).and_then(|c| c.source.as_ref());
        // Asked for each row, full text is dear; where few rows are looked at, or most of them match, it is cheaper.
        let once = if dense { !sorted || self.many } else { least > self.ground.bounds.asked_singly };
        let mut filters = Vec::new();
        for (at, condition) in self.conditions.iter().enumerate() {
            let answered = best == Some(at) && source.is_some_and(|source| source.exact);
            if !answered {
                filters.push(if once { condition.asked_once() } else { condition.filter.clone() });
            }
        }
        let mut from = source.map_or_else(|| Sql::new("item i NOT INDEXED"), |source| source.from.clone());
        if self.conditions.iter().any(|condition| condition.shown) {
            from.push(" CROSS JOIN shown s ON s.ord = i.ord");
        }
        let ord = source.map_or("i.ord", |source| source.ord);
        filters.insert(0, source.map_or_else(|| Sql::new("1"), |source| source.condition.clone()));
        filters.extend(self.bounded(ord));
        Ok(Chosen { from, condition: Sql::joined(&filters, " AND "), ord, dense })
    }

    /// A source whose index is there.
    fn usable<'a>(&self, condition: &'a Condition) -> Option<&'a Source> {
        let source = condition.source.as_ref()?;
        let late = |name: &str| source.from.text.contains(name);
        let missing = !self.ground.indexed && super::schema::INDEXES.iter().any(|(name, _)| late(name));
        (!missing).then_some(source)
    }

    /// Among dense terms, one that comes in the order of time; full text before others, for it is dear to ask singly.
    fn in_order(&self) -> Option<usize> {
        let ordered = |condition: &Condition| self.usable(condition).is_some_and(|source| source.ordered);
        let text = self.conditions.iter().position(|c| c.pattern.is_some() && ordered(c));
        text.or_else(|| {
            // Many have a state or a folder; a narrower one stands before these.
            self.conditions.iter().position(ordered)
        })
    }

    fn bounded(&self, ord: &str) -> Vec<Sql> {
        let mut out = Vec::new();
        if self.low > i64::MIN {
            out.push(Sql::new(format!("{ord} >= ?")).with(self.low));
        }
        if self.high < i64::MAX {
            out.push(Sql::new(format!("{ord} <= ?")).with(self.high));
        }
        out
    }

    /// How many rows a source has, up to `most`.
    fn probe(&self, connection: &Connection, source: &Source, most: i64) -> Result<i64> {
        let mut filters = vec![source.condition.clone()];
        filters.extend(self.bounded(source.ord));
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM ");
        sql.add(&source.probe).push(" WHERE ").add(&Sql::joined(&filters, " AND ")).push(" LIMIT ?)");
        one(connection, &sql.with(most))
    }
}

/// One number.
pub fn one(connection: &Connection, sql: &Sql) -> Result<i64> {
    connection.prepare_cached(&sql.text)?.query_row(params_from_iter(sql.values.iter()), |row| row.get(0))
}

/// A number of `meta`.
pub fn meta(connection: &Connection, key: &str) -> Result<i64> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn of_scope(connection: &Connection, query: &Query, scope: Scope) -> Result<Vec<Condition>> {
    let folder = |name| find(connection, Kind::Folder, name);
    let mut out = Vec::new();
    match scope {
        Scope::Everything => {}
        Scope::Held => out.push(terms::state_condition(State::Held)),
        Scope::Spool => out.push(terms::spool(folder(DEAD)?)),
        Scope::Quarantine => {
            // What was deleted from the spool lies in the same trash.
            if !query.asks_for_trash() {
                if let Some(spool) = folder(SPOOL)? {
                    out.push(terms::plain(Sql::new("i.folder <> ?").with(spool)));
                }
                out.push(terms::plain(Sql::new("i.state <> ?").with(state_number(State::Trash))));
            }
        }
    }
    Ok(out)
}

/// Row numbers that items of the times asked for can have.
fn bounds(connection: &Connection, query: &Query, now_ms: i64) -> Result<(i64, i64)> {
    let (mut from, mut until) = (i64::MIN, i64::MAX);
    for term in query.terms.iter().filter(|term| !term.not) {
        let (low, high) = match &term.what {
            What::Received { from_ms, until_ms } => (*from_ms, *until_ms),
            What::Age(how, ms) => {
                let at = now_ms.saturating_sub(*ms);
                match terms::turned(*how) {
                    Comparison::Less | Comparison::AtMost => (i64::MIN, at),
                    Comparison::Equal => (at, at),
                    Comparison::AtLeast | Comparison::More => (at, i64::MAX),
                }
            }
            _ => continue,
        };
        (from, until) = (from.max(low), until.min(high));
    }
    if (from, until) == (i64::MIN, i64::MAX) {
        return Ok((from, until));
    }
    let skew = meta(connection, "skew")?.saturating_add(1);
    let order = |ms: i64| ms.saturating_mul(1024);
    let low = if from == i64::MIN { from } else { order(from.saturating_sub(skew)) };
    let high = if until == i64::MAX { until } else { order(until.saturating_add(skew).saturating_add(1)) };
    Ok((low, high))
}

/// Runs a select and reads its rows.
pub fn rows<T>(
    connection: &Connection,
    sql: &Sql,
    read: impl FnMut(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let values: &[Value] = &sql.values;
    connection.prepare_cached(&sql.text)?.query_map(params_from_iter(values), read)?.collect()
}
