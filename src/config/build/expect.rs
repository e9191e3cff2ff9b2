//! `[[expect]]`. What is read here is run by whoever has the checks.

use super::common::{self, Others};
use super::condition;
use crate::config::file::{Got, Table};
use crate::config::model::{Expect, Outcome};
use crate::config::value::quoted;
use crate::mail::{Mailbox, Path, unmapped};
use crate::verdict::Direction;
use std::net::IpAddr;
use std::sync::Arc;

/// Builds one test.
pub fn build(table: &Table<'_>, others: &Others<'_>) -> Option<Expect> {
    let client = client(table);
    let result = table.word("result").map(|word| match word.value {
        "reject" => Outcome::Reject,
        "tempfail" => Outcome::Tempfail,
        "drop" => Outcome::Drop,
        "quarantine" => Outcome::Quarantine,
        "discard" => Outcome::Discard,
        _ => Outcome::Pass,
    });
    let listener = listener(table, others);
    let text = |key| table.filled(key).map(|got: Got<String>| got.value.into_boxed_str());
    let expect = Expect {
        file: table.sink.file().into(),
        line: table.sink.line(&table.span),
        client: client.unwrap_or(IpAddr::from([0; 4])),
        reverse_name: text("reverse_name"),
        listener: listener.clone().unwrap_or_default(),
        hello: text("hello"),
        tls: table.boolean("tls").value,
        user: text("user"),
        sender: path(table, "sender"),
        recipient: path(table, "recipient"),
        header_from: header_from(table),
        size: table.has("size").then(|| table.size("size").value),
        country: country(table),
        listed_milli: table.decimal("listed").map(|got| got.value),
        result: result.unwrap_or(Outcome::Pass),
        rule: text("rule"),
    };
    table.finish();
    (client.is_some() && result.is_some() && listener.is_some()).then_some(expect)
}

pub(super) fn client(table: &Table<'_>) -> Option<IpAddr> {
    let got = table.text("client")?;
    let ip = got.value.parse().ok().map(unmapped);
    if ip.is_none() {
        let found = quoted(&got.value);
        table.sink.error(
            &got.span,
            format!("`client`: expected one address such as \"203.0.113.7\", found {found}"),
        );
    }
    ip
}

fn listener(table: &Table<'_>, others: &Others<'_>) -> Option<Arc<str>> {
    if let Some(got) = table.text("listener") {
        return condition::listener(table, others, &got);
    }
    let all = others.listeners.unwrap_or_default();
    let inbound = all.iter().find(|listener| listener.direction == Direction::Inbound);
    inbound.or(all.first()).map(|listener| Arc::clone(&listener.name))
}

/// As it stands in MAIL or RCPT; the angle brackets may be left out.
pub(super) fn path(table: &Table<'_>, key: &str) -> Option<Box<str>> {
    let got = table.filled(key)?;
    let path = if got.value.starts_with('<') { got.value.clone() } else { format!("<{}>", got.value) };
    match Path::parse(path.as_bytes()) {
        Ok((Path::Null, _)) if key == "recipient" => {
            table.sink.error(&got.span, "`recipient`: the null path is nobody's address");
            None
        }
        Ok((_, length)) if length == path.len() => Some(path.into()),
        Ok(_) | Err(_) => {
            let null = if key == "sender" { ", or \"<>\" for the null sender" } else { "" };
            let found = quoted(&got.value);
            let message =
                format!("`{key}`: expected an address such as \"anna@example.com\"{null}, found {found}");
            table.sink.error(&got.span, message);
            None
        }
    }
}

fn header_from(table: &Table<'_>) -> Option<Box<str>> {
    let got = table.filled("header_from")?;
    if Mailbox::parse(got.value.as_bytes()).is_err() {
        let found = quoted(&got.value);
        let message = format!(
            "`header_from`: expected an address such as \"anna@example.com\" without a name, found {found}"
        );
        table.sink.error(&got.span, message);
        return None;
    }
    Some(got.value.into())
}

fn country(table: &Table<'_>) -> Option<Box<str>> {
    let got = table.filled("country")?;
    match common::country(&got.value) {
        Ok(country) => Some(country),
        Err(error) => {
            table.sink.error(&got.span, format!("`country`: {error}"));
            None
        }
    }
}
