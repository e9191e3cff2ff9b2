//! What each term of a query is in SQL: a condition on `item i` (and `shown s`), and where an index knows the answer,
//! where to begin.

use super::like;
use super::names::find;
use super::people::{header_from, phrase, recipient, sender, text_of};
use super::record::{direction, kept};
use super::schema::{Kind, state_number};
use super::source::{Condition, Source};
use super::sql::{Sql, glob};
use super::text::{digest_range, folded, id_range, message_id, number, octets};
use crate::query::{Comparison, State, Text, What};
use rusqlite::Connection;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// What a term asks; ages are those of `now_ms`.
pub fn condition(connection: &Connection, what: &What, now_ms: i64) -> Result<Condition> {
    Ok(match what {
        What::Id(prefix) => ids(&[prefix]),
        What::Reference(prefix) => reference(prefix),
        What::Folder(name) => folder(connection, name)?,
        What::State(state) => state_condition(*state),
        What::From(text) => sender(connection, text)?,
        What::HeaderFrom(text) => header_from(text),
        What::Rcpt(text) => recipient(connection, text)?,
        What::Subject(words) => pattern(format!("subject : {}", phrase(words))),
        What::Words(words) => pattern(phrase(words)),
        What::Client(net) => client(net),
        What::Helo(text) => Condition::new(text_of("s.helo", text)).on_shown(),
        What::User(text) => named(connection, Kind::User, "user", text)?,
        What::Rule(text) => named(connection, Kind::Rule, "rule", text)?,
        What::Listener(name) => match find(connection, Kind::Listener, &folded(name))? {
            Some(id) => Condition::new(Sql::new("i.listener = ?").with(id)),
            None => Condition::never(),
        },
        What::Direction(wanted) => Condition::new(Sql::new("i.direction = ?").with(direction(Some(*wanted)))),
        What::MessageId(text) => message_ids(text),
        What::Digest(prefix) => digest(prefix),
        What::Tag(tag) => match find(connection, Kind::Tag, &folded(tag))? {
            Some(id) => {
                let filter = "EXISTS (SELECT 1 FROM tag WHERE tag = ? AND ord = i.ord)";
                let source = Source::table("tag", Sql::new("r.tag = ?").with(id));
                Condition::new(Sql::new(filter).with(id)).by(source)
            }
            None => Condition::never(),
        },
        What::Like(id) => {
            like::triples(connection, *id)?.map_or_else(Condition::never, |found| alike(&found))
        }
        What::Size(how, octets) => {
            let filter = compared("i.size", *how, kept(*octets));
            let ordered = *how == Comparison::Equal;
            Condition::new(filter.clone()).by(Source::item("item_size", filter, ordered))
        }
        What::Age(how, ms) => {
            Condition::new(compared("i.received", turned(*how), now_ms.saturating_sub(*ms)))
        }
        What::Received { from_ms, until_ms } => {
            Condition::new(Sql::new("i.received >= ? AND i.received < ?").with(*from_ms).with(*until_ms))
        }
        What::Score(how, score) => Condition::new(compared("i.score", *how, *score)),
    })
}

fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Equal => "=",
        Comparison::AtLeast => ">=",
        Comparison::More => ">",
    }
}

fn compared(column: &str, how: Comparison, with: i64) -> Sql {
    Sql::new(format!("{column} {} ?", sign(how))).with(with)
}

/// Younger is later.
pub fn turned(how: Comparison) -> Comparison {
    match how {
        Comparison::Less => Comparison::More,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Equal => Comparison::Equal,
        Comparison::AtLeast => Comparison::AtMost,
        Comparison::More => Comparison::Less,
    }
}

/// Any of these references.
pub fn ids(prefixes: &[&str]) -> Condition {
    let ranges: Vec<(i64, i64)> = prefixes.iter().filter_map(|prefix| id_range(prefix)).collect();
    let filter = |(low, high): &(i64, i64)| Sql::new("i.id BETWEEN ? AND ?").with(*low).with(*high);
    let select = |(low, high): &(i64, i64)| {
        Sql::new("SELECT ord FROM item INDEXED BY item_id WHERE id BETWEEN ? AND ?").with(*low).with(*high)
    };
    if ranges.is_empty() {
        return Condition::never();
    }
    let filters: Vec<Sql> = ranges.iter().map(filter).collect();
    let selects: Vec<Sql> = ranges.iter().map(select).collect();
    let mut any = Sql::new("(");
    any.add(&Sql::joined(&filters, " OR ")).push(")");
    Condition::new(any).by(Source::set(&Sql::joined(&selects, " UNION "), true))
}

fn reference(prefix: &str) -> Condition {
    let Some((low, high)) = id_range(prefix) else { return Condition::never() };
    let filter = "(i.id BETWEEN ? AND ? OR i.session BETWEEN ? AND ?)";
    let select = "SELECT ord FROM item INDEXED BY item_id WHERE id >= ? AND id <= ?
        UNION SELECT ord FROM item INDEXED BY item_session WHERE session >= ? AND session <= ?";
    let with = |text: &str| Sql::new(text).with(low).with(high).with(low).with(high);
    Condition::new(with(filter)).by(Source::set(&with(select), true))
}

fn folder(connection: &Connection, name: &str) -> Result<Condition> {
    Ok(match find(connection, Kind::Folder, name)? {
        Some(id) => {
            let filter = Sql::new("i.folder = ?").with(id);
            Condition::new(filter.clone()).by(Source::item("item_folder", filter, true))
        }
        None => Condition::never(),
    })
}

/// `state:`.
pub fn state_condition(state: State) -> Condition {
    let filter = Sql::new("i.state = ?").with(state_number(state));
    Condition::new(filter.clone()).by(Source::item("item_state", filter, true))
}

/// Deliveries wait, or failed.
pub fn spool(dead: Option<i64>) -> Condition {
    let [spooled, failed, trash] = [State::Spooled, State::Failed, State::Trash].map(state_number);
    let dead = dead.unwrap_or(-1);
    let filter = Sql::new("(i.state IN (?, ?) OR (i.folder = ? AND i.state <> ?))");
    let filter = filter.with(spooled).with(failed).with(dead).with(trash);
    let select = Sql::new(
        "SELECT ord FROM item INDEXED BY item_state WHERE state IN (?, ?)
         UNION SELECT ord FROM item INDEXED BY item_folder WHERE folder = ?",
    );
    Condition::new(filter).by(Source::set(&select.with(spooled).with(failed).with(dead), false))
}

/// A filter that was made elsewhere.
pub fn plain(filter: Sql) -> Condition {
    Condition::new(filter)
}

/// A condition of the full text.
pub fn pattern(pattern: String) -> Condition {
    let filter = "EXISTS (SELECT 1 FROM words WHERE words MATCH ? AND rowid = i.ord)";
    let source = Source::words(&pattern, true);
    let condition = Condition::new(Sql::new(filter).with(pattern.clone())).by(source);
    Condition { pattern: Some(pattern), ..condition }
}

/// The same, for many rows: all that match are found once.
pub fn pattern_set(pattern: &str) -> Sql {
    Sql::new("i.ord IN (SELECT rowid FROM words WHERE words MATCH ?)").with(pattern.to_owned())
}

fn client(net: &ipnet::IpNet) -> Condition {
    let (low, high) = (octets(net.network()), octets(net.broadcast()));
    let length = i64::try_from(low.len()).unwrap_or_default();
    if low == high {
        let filter = Sql::new("i.client = ?").with(low);
        return Condition::new(filter.clone()).by(Source::item("item_client", filter, true));
    }
    let filter = Sql::new("(i.client >= ? AND i.client <= ? AND length(i.client) = ?)");
    let filter = filter.with(low).with(high).with(length);
    Condition::new(filter.clone()).by(Source::item("item_client", filter, false))
}

fn named(connection: &Connection, kind: Kind, column: &str, text: &Text) -> Result<Condition> {
    let exact = match text {
        Text::Exact(name) => Some(folded(name)),
        Text::Empty => Some(String::new()),
        _ => None,
    };
    if let Some(name) = exact {
        let Some(id) = find(connection, kind, &name)? else { return Ok(Condition::never()) };
        let filter = Sql::new(format!("i.{column} = ?")).with(id);
        return Ok(Condition::new(filter.clone()).by(Source::item(&format!("item_{column}"), filter, true)));
    }
    let mut filter =
        Sql::new(format!("i.{column} IN (SELECT id FROM name WHERE kind = ? AND ")).with(kind.number());
    filter.add(&text_of("text", text)).push(")");
    Ok(Condition::new(filter))
}

fn message_ids(text: &Text) -> Condition {
    match text {
        Text::Exact(id) => {
            let id = message_id(id);
            let own = number(&[&id]);
            let source = Source::item("item_mid", Sql::new("i.mid = ?").with(own), true).inexact();
            Condition::new(Sql::new("(i.mid = ? AND s.mid = ?)").with(own).with(id)).on_shown().by(source)
        }
        other => Condition::new(text_of("s.mid", other)).on_shown(),
    }
}

fn digest(prefix: &str) -> Condition {
    let Some((low, high)) = digest_range(prefix) else { return Condition::never() };
    let range = Sql::new("i.digest >= ? AND i.digest <= ?").with(low).with(high);
    let mut filter = Sql::new("(");
    filter.add(&range).push(" AND s.digest GLOB ?)");
    let source = Source::item("item_digest", range, false).inexact();
    Condition::new(filter.with(format!("{}*", glob(&folded(prefix))))).on_shown().by(source)
}

fn alike(found: &like::Alike) -> Condition {
    match found {
        like::Alike::Alone(id) => {
            let filter = Sql::new("i.id = ?").with(*id);
            Condition::new(filter.clone()).by(Source::item("item_id", filter, true))
        }
        like::Alike::Triples(triples) => {
            let (mut rows, mut selects) = (Vec::new(), Vec::new());
            for [l0, l1, l2] in triples {
                let with = |text: &str| Sql::new(text).with(*l0).with(*l1).with(*l2);
                rows.push(with("(?, ?, ?)"));
                selects.push(with(
                    "SELECT ord FROM item INDEXED BY item_like WHERE l0 = ? AND l1 = ? AND l2 = ?",
                ));
            }
            let mut filter = Sql::new("(i.l0, i.l1, i.l2) IN (VALUES ");
            filter.add(&Sql::joined(&rows, ", ")).push(")");
            Condition::new(filter).by(Source::set(&Sql::joined(&selects, " UNION ALL "), true))
        }
    }
}
