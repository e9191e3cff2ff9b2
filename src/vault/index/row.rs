//! One row of a list.

use super::schema::state_of_number;
use crate::mail::Id;
use crate::vault::view::Row;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _};

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// The reference of these bits.
pub fn id(bits: i64) -> Result<Id> {
    let none = || rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, "no reference".into());
    u64::try_from(bits).ok().and_then(Id::from_bits).ok_or_else(none)
}

/// The row of that order; `None` where there is none.
pub fn read(connection: &Connection, ord: i64) -> Result<Option<Row>> {
    let mut statement = connection.prepare_cached(
        "SELECT i.id, f.text, i.state, ifnull(s.sender, i.sender), s.rcpt, s.rcpts, s.subject, i.size, i.received,
         s.reason, r.text, i.session, s.session, s.spool
         FROM item i CROSS JOIN shown s ON s.ord = i.ord CROSS JOIN name f ON f.id = i.folder
         CROSS JOIN name r ON r.id = i.rule WHERE i.ord = ?",
    )?;
    statement
        .query_row([ord], |row| {
            let to: String = row.get(4)?;
            let session: Option<i64> = row.get(11)?;
            let odd: Option<String> = row.get(12)?;
            let spool: Option<String> = row.get(13)?;
            Ok(Row {
                id: id(row.get(0)?)?,
                folder: row.get(1)?,
                state: state_of_number(row.get(2)?),
                from: row.get(3)?,
                to: to.split('\n').filter(|one| !one.is_empty()).map(Into::into).collect(),
                recipients: row.get(5)?,
                subject: row.get(6)?,
                size: row.get::<_, i64>(7)?.unsigned_abs(),
                received_ms: row.get(8)?,
                reason: row.get(9)?,
                rule: row.get(10)?,
                reference: match (odd, session) {
                    (Some(odd), _) => odd,
                    (None, Some(bits)) => id(bits)?.to_string(),
                    (None, None) => String::new(),
                },
                spool: spool.and_then(|text| serde_json::from_str(&text).ok()),
            })
        })
        .optional()
}

/// The order of an item; `None` where there is none.
pub fn ord_of(connection: &Connection, id: Id) -> Result<Option<i64>> {
    let bits = i64::try_from(id.bits()).unwrap_or(-1);
    connection
        .prepare_cached("SELECT ord FROM item WHERE id = ?")?
        .query_row([bits], |row| row.get(0))
        .optional()
}
