//! `[relay]`: who may send where.

use super::common::{self, Surroundings};
use super::recipients;
use crate::config::file::{Got, Table};
use crate::config::model::Relay;
use crate::config::value::quoted;
use crate::rules::{DomainSet, Net};
use std::ops::Range;

/// What the relay table holds, with the places that checks against other tables point at.
pub struct Draft {
    /// The table.
    pub relay: Relay,
    /// Where `domains` stands, else the table, else the start of the file.
    pub domains: Range<usize>,
    /// Where an entry of `from` stands that is everybody, else the list.
    pub from: Range<usize>,
}

/// Builds the table.
pub fn build(table: &Table<'_>, around: &Surroundings<'_>) -> Draft {
    let (domains, domains_span) = domains(table);
    let from = common::nets(table, "from");
    let from_span = everybody(table).unwrap_or(from.span);
    let recipients = recipients::build(table, around, &|domain| domains.contains(domain));
    table.finish();
    Draft { relay: Relay { domains, from: from.value, recipients }, domains: domains_span, from: from_span }
}

fn domains(table: &Table<'_>) -> (DomainSet, Range<usize>) {
    let list = table.list("domains");
    let mut domains = DomainSet::default();
    for Got { value: entry, span, .. } in &list.value {
        match domains.insert(entry) {
            Ok(true) => {}
            Ok(false) => table.sink.warning(span, format!("`domains`: {} is listed twice", quoted(entry))),
            Err(error) => table.sink.error(span, format!("`domains`: {error}, found {}", quoted(entry))),
        }
    }
    (domains, list.span)
}

/// The first entry that alone is every address.
fn everybody(table: &Table<'_>) -> Option<Range<usize>> {
    let is_everybody = |entry: &str| Net::parse(entry).is_ok_and(|net| net.net.prefix_len() == 0);
    table.list("from").value.into_iter().find(|item| is_everybody(&item.value)).map(|item| item.span)
}
