//! Text that many items share, kept once: names, domains, recipients.

use super::schema::Kind;
use super::text::{backward, domain_of};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Names that are remembered; with more, all are forgotten and read again.
const NAMES_MAX: usize = 10_000;

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// Numbers of names that were used lately. Names are never taken out: there are as many as rules, users, folders.
#[derive(Default)]
pub struct Names {
    known: HashMap<(Kind, String), i64>,
}

impl Names {
    /// Forgets all: after a transaction that failed.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The number of a name, which is entered where it is new.
    pub fn id(&mut self, connection: &Connection, kind: Kind, text: &str) -> Result<i64> {
        if let Some(id) = self.known.get(&(kind, text.to_owned())) {
            return Ok(*id);
        }
        let id = match find(connection, kind, text)? {
            Some(id) => id,
            None => {
                connection
                    .prepare_cached("INSERT INTO name (kind, text) VALUES (?, ?)")?
                    .execute(params![kind.number(), text])?;
                connection.last_insert_rowid()
            }
        };
        if self.known.len() >= NAMES_MAX {
            self.known.clear();
        }
        self.known.insert((kind, text.to_owned()), id);
        Ok(id)
    }
}

/// The number of a name, if there is one.
pub fn find(connection: &Connection, kind: Kind, text: &str) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM name WHERE kind = ? AND text = ?")?;
    statement.query_row(params![kind.number(), text], |row| row.get(0)).optional()
}

/// The number of a domain, if there is one.
pub fn find_domain(connection: &Connection, name: &str) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM domain WHERE name = ?")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// The number of a recipient, if there is one.
pub fn find_address(connection: &Connection, text: &str) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM addr WHERE text = ?")?;
    statement.query_row([text], |row| row.get(0)).optional()
}

/// The number of a domain, which is entered where it is new.
pub fn domain(connection: &Connection, name: &str) -> Result<i64> {
    if let Some(id) = find_domain(connection, name)? {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO domain (name, backward) VALUES (?, ?)")?
        .execute([name, &backward(name)])?;
    Ok(connection.last_insert_rowid())
}

/// The numbers of a recipient and of its domain, entered where they are new.
pub fn address(connection: &Connection, text: &str) -> Result<(i64, i64)> {
    let known = connection
        .prepare_cached("SELECT id, domain FROM addr WHERE text = ?")?
        .query_row([text], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let domain = domain(connection, domain_of(text))?;
    connection
        .prepare_cached("INSERT INTO addr (text, domain) VALUES (?, ?)")?
        .execute(params![text, domain])?;
    Ok((connection.last_insert_rowid(), domain))
}

/// Takes recipients and domains out that no item has any more.
pub fn tidy(connection: &Connection, recipients: &[(i64, i64)], sender: i64) -> Result<()> {
    for (addr, _) in recipients {
        connection
            .prepare_cached(
                "DELETE FROM addr WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM rcpt WHERE addr = ?1)",
            )?
            .execute([addr])?;
    }
    for domain in recipients.iter().map(|(_, domain)| domain).chain([&sender]) {
        connection
            .prepare_cached(
                "DELETE FROM domain WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM addr WHERE domain = ?1)
                 AND NOT EXISTS (SELECT 1 FROM item WHERE sdomain = ?1)",
            )?
            .execute([domain])?;
    }
    Ok(())
}
