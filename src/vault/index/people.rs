//! Terms about addresses: sender, recipients, authors.

use super::names::{find_address, find_domain};
use super::source::{Condition, Source};
use super::sql::{Sql, begins, glob};
use super::text::{backward, folded};
use crate::query::Text;
use rusqlite::Connection;

/// Domains that one pattern may stand for, before an index over domains is no help any more.
const DOMAINS_MAX: i64 = 2000;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// A column of lower-case text. An address is of a domain where it ends so behind an `@`, or is it.
pub fn text_of(column: &str, text: &Text) -> Sql {
    match text {
        Text::Empty => Sql::new(format!("{column} = ''")),
        Text::Exact(exact) => Sql::new(format!("{column} = ?")).with(folded(exact)),
        Text::Glob(pattern) => Sql::new(format!("{column} GLOB ?")).with(glob(&folded(pattern))),
        Text::Below(domain) => {
            Sql::new(format!("{column} GLOB ?")).with(format!("*.{}", glob(&folded(domain))))
        }
        Text::Domain(domain) => {
            let domain = folded(domain);
            let ends = format!("*@{}", glob(&domain));
            Sql::new(format!("({column} = ? OR {column} GLOB ?)")).with(domain).with(ends)
        }
    }
}

/// What stands before the first `*` and behind the last.
fn ends_of(pattern: &str) -> (String, String) {
    let pattern = folded(pattern);
    let head = pattern.split('*').next().unwrap_or_default().to_owned();
    let tail = pattern.rsplit('*').next().unwrap_or_default().to_owned();
    (head, tail)
}

/// The domains that end so, where they are few enough to go through.
fn few_domains(connection: &Connection, tail: &str) -> Result<Option<Sql>> {
    let range = begins("backward", &backward(tail));
    let sql =
        format!("SELECT count(*) FROM (SELECT 1 FROM domain WHERE {} LIMIT {})", range.text, DOMAINS_MAX + 1);
    let found: i64 = connection
        .prepare_cached(&sql)?
        .query_row(rusqlite::params_from_iter(range.values.iter()), |row| row.get(0))?;
    Ok((found <= DOMAINS_MAX).then_some(range))
}

/// The end of an address that all matches of a text have; `None` where nothing is known.
fn tail_of(text: &Text) -> Option<String> {
    match text {
        Text::Below(domain) => Some(format!(".{}", folded(domain))),
        Text::Glob(pattern) => Some(ends_of(pattern).1).filter(|tail| !tail.is_empty()),
        Text::Domain(_) | Text::Exact(_) | Text::Empty => None,
    }
}

/// `from:`.
pub fn sender(connection: &Connection, text: &Text) -> Result<Condition> {
    let filter = text_of("i.sender", text);
    let source = match text {
        Text::Exact(_) | Text::Empty => Some(Source::item("item_sender", filter.clone(), true)),
        Text::Domain(domain) => match find_domain(connection, &folded(domain))? {
            Some(id) => Some(Source::item("item_sdomain", Sql::new("i.sdomain = ?").with(id), true)),
            None => return Ok(Condition::never()),
        },
        Text::Glob(pattern) if !ends_of(pattern).0.is_empty() => {
            Some(Source::item("item_sender", begins("i.sender", &ends_of(pattern).0), false).inexact())
        }
        Text::Glob(_) | Text::Below(_) => sender_tail(connection, text)?,
    };
    Ok(Condition::new(filter).from(source))
}

fn sender_tail(connection: &Connection, text: &Text) -> Result<Option<Source>> {
    let Some(tail) = tail_of(text) else { return Ok(None) };
    if let Some((_, domain)) = tail.rsplit_once('@') {
        let id = find_domain(connection, domain)?.unwrap_or(-1);
        return Ok(Some(Source::item("item_sdomain", Sql::new("i.sdomain = ?").with(id), true).inexact()));
    }
    Ok(few_domains(connection, &tail)?.map(|range| {
        let mut condition = Sql::new("i.sdomain IN (SELECT id FROM domain WHERE ");
        condition.add(&range).push(")");
        Source::item("item_sdomain", condition, false).inexact()
    }))
}

/// `rcpt:`.
pub fn recipient(connection: &Connection, text: &Text) -> Result<Condition> {
    let exact = match text {
        Text::Exact(address) => Some(folded(address)),
        Text::Empty => Some(String::new()),
        _ => None,
    };
    if let Some(address) = exact {
        let Some(id) = find_address(connection, &address)? else { return Ok(Condition::never()) };
        let filter = Sql::new("EXISTS (SELECT 1 FROM rcpt WHERE addr = ? AND ord = i.ord)").with(id);
        return Ok(Condition::new(filter).by(Source::table("rcpt", Sql::new("r.addr = ?").with(id))));
    }
    if let Text::Domain(domain) = text {
        let Some(id) = find_domain(connection, &folded(domain))? else { return Ok(Condition::never()) };
        let filter = Sql::new("EXISTS (SELECT 1 FROM reach WHERE domain = ? AND ord = i.ord)").with(id);
        return Ok(Condition::new(filter).by(Source::table("reach", Sql::new("r.domain = ?").with(id))));
    }
    let matches = text_of("a.text", text);
    let mut filter =
        Sql::new("EXISTS (SELECT 1 FROM rcpt x CROSS JOIN addr a ON a.id = x.addr WHERE x.ord = i.ord AND ");
    filter.add(&matches).push(")");
    let source = recipient_source(connection, text, &matches)?;
    Ok(Condition::new(filter).from(source))
}

fn recipient_source(connection: &Connection, text: &Text, matches: &Sql) -> Result<Option<Source>> {
    let head = if let Text::Glob(pattern) = text { ends_of(pattern).0 } else { String::new() };
    if !head.is_empty() {
        let mut select =
            Sql::new("SELECT DISTINCT x.ord FROM addr a CROSS JOIN rcpt x ON x.addr = a.id WHERE ");
        select.add(&begins("a.text", &head)).push(" AND ").add(matches);
        return Ok(Some(Source::set(&select, true)));
    }
    let Some(tail) = tail_of(text) else { return Ok(None) };
    if let Some((_, domain)) = tail.rsplit_once('@') {
        let id = find_domain(connection, domain)?.unwrap_or(-1);
        return Ok(Some(Source::table("reach", Sql::new("r.domain = ?").with(id)).inexact()));
    }
    Ok(few_domains(connection, &tail)?.map(|range| {
        let mut select =
            Sql::new("SELECT DISTINCT x.ord FROM domain d CROSS JOIN reach x ON x.domain = d.id WHERE ");
        select.add(&range);
        Source::set(&select, false)
    }))
}

/// `From:` of the header: any of its mailboxes. The words of a domain narrow it down.
pub fn header_from(text: &Text) -> Condition {
    if *text == Text::Empty {
        return Condition::new(Sql::new("s.header = '[]'")).on_shown();
    }
    let mut filter = Sql::new("EXISTS (SELECT 1 FROM json_each(s.header) h WHERE ");
    filter.add(&text_of("h.value", text)).push(")");
    let narrow = match text {
        Text::Exact(address) => Some(folded(address)),
        Text::Domain(domain) | Text::Below(domain) => Some(folded(domain)),
        Text::Glob(_) => {
            tail_of(text).and_then(|tail| tail.rsplit_once('@').map(|(_, domain)| domain.to_owned()))
        }
        Text::Empty => None,
    };
    let narrow = narrow.filter(|words| words.contains(|c: char| c.is_ascii_alphanumeric()));
    let source =
        narrow.map(|words| Source::words(&format!("header : {}", phrase(&words.replace('*', " "))), false));
    Condition::new(filter).on_shown().from(source)
}

/// Words as a phrase of the full text; a `*` at the end makes the last one a beginning.
pub fn phrase(words: &str) -> String {
    let (body, star) = words.strip_suffix('*').map_or((words, ""), |body| (body, " *"));
    format!("\"{}\"{star}", body.replace('"', "\"\"").replace('\0', " "))
}
