//! The conditions of a `[[rule]]`, and from when on each can be answered.

use super::common::{self, Others};
use crate::config::file::{Got, Table};
use crate::config::model::{Conditions, Protocol, RuleAction};
use crate::config::value::quoted;
use crate::rules::{Kind, Matcher, nearest};
use crate::verdict::{Direction, Stage};
use std::ops::Range;
use std::sync::Arc;

/// A condition that is given.
pub struct Need {
    /// Its key.
    pub key: &'static str,
    /// From when on it can be answered.
    pub stage: Stage,
    /// Where it stands.
    pub span: Range<usize>,
}

/// From when on each condition is known. TLS and AUTH are asked at MAIL, for a client may still begin them
/// before; a rule that hides keywords asks for TLS at each EHLO.
const KNOWN_FROM: [(&str, Stage); 15] = [
    ("client", Stage::Connect),
    ("listener", Stage::Connect),
    ("direction", Stage::Connect),
    ("reverse_name", Stage::Connect),
    ("has_reverse_name", Stage::Connect),
    ("country", Stage::Connect),
    ("listed_from", Stage::Connect),
    ("hello", Stage::Helo),
    ("tls", Stage::Mail),
    ("user", Stage::Mail),
    ("authenticated", Stage::Mail),
    ("sender", Stage::Mail),
    ("size_over", Stage::Mail),
    ("recipient", Stage::Rcpt),
    ("header_from", Stage::Message),
];

/// Builds the conditions, and says which are given.
pub fn build(
    table: &Table<'_>,
    others: &Others<'_>,
    protocol: &Protocol,
    action: Option<RuleAction>,
) -> (Conditions, Vec<Need>) {
    let matcher = |key, kind| -> Option<Matcher> { common::matcher(table, key, kind, others.shelf) };
    let conditions = Conditions {
        client: matcher("client", Kind::Address),
        reverse_name: matcher("reverse_name", Kind::ReverseName),
        has_reverse_name: flag(table, "has_reverse_name"),
        hello: matcher("hello", Kind::Hello),
        sender: matcher("sender", Kind::Sender),
        recipient: matcher("recipient", Kind::Recipient),
        header_from: matcher("header_from", Kind::HeaderFrom),
        user: matcher("user", Kind::User),
        listener: listeners(table, others),
        direction: table.word("direction").map(|word| match word.value {
            "outbound" => Direction::Outbound,
            _ => Direction::Inbound,
        }),
        tls: flag(table, "tls"),
        authenticated: flag(table, "authenticated"),
        size_over: table.has("size_over").then(|| table.size("size_over").value),
        country: countries(table, protocol),
        listed_from_milli: listed(table, protocol),
    };
    let need = |(key, stage): (&'static str, Stage)| {
        let stage = match (key, action) {
            ("tls", Some(RuleAction::Hide)) => Stage::Helo,
            _ => stage,
        };
        table.raw(key).map(|found| Need { key, stage, span: found.span() })
    };
    (conditions, KNOWN_FROM.into_iter().filter_map(need).collect())
}

fn flag(table: &Table<'_>, key: &str) -> Option<bool> {
    table.has(key).then(|| table.boolean(key).value)
}

/// Names of listeners that there are.
pub fn listeners(table: &Table<'_>, others: &Others<'_>) -> Vec<Arc<str>> {
    table.texts("listener").value.iter().filter_map(|item| listener(table, others, item)).collect()
}

/// The name of a listener that there is. Where `gateway.toml` could not be read every name is taken.
pub fn listener(table: &Table<'_>, others: &Others<'_>, item: &Got<String>) -> Option<Arc<str>> {
    let Some(known) = others.listeners else { return Some(item.value.as_str().into()) };
    if let Some(found) = known.iter().find(|listener| *listener.name == *item.value) {
        return Some(Arc::clone(&found.name));
    }
    let names = || known.iter().map(|listener| &*listener.name);
    let hint = match nearest(&item.value, names()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if known.is_empty() => String::new(),
        None => format!("; there is {}", names().map(quoted).collect::<Vec<_>>().join(", ")),
    };
    let found = quoted(&item.value);
    table
        .sink
        .error(&item.span, format!("`listener`: no [[listener]] of gateway.toml is named {found}{hint}"));
    None
}

fn countries(table: &Table<'_>, protocol: &Protocol) -> Vec<Box<str>> {
    let list = table.texts("country");
    if list.given && protocol.country_database.is_none() {
        let message =
            "`country`: the country of a client is known only with a database: set `database` in [country]";
        table.sink.error(&list.span, message);
    }
    let mut out = Vec::with_capacity(list.value.len());
    for item in list.value {
        match common::country(&item.value) {
            Ok(country) => out.push(country),
            Err(error) => table.sink.error(&item.span, format!("`country`: {error}")),
        }
    }
    out
}

fn listed(table: &Table<'_>, protocol: &Protocol) -> Option<i32> {
    let got = table.decimal("listed_from")?;
    if protocol.reputation.zones.is_empty() {
        let message = "`listed_from`: there is no [[dnsbl]], so nobody is ever listed";
        table.sink.error(&got.span, message);
    }
    Some(got.value)
}
