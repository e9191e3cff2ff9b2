//! `[[expect]]` of `attachments.toml`. What is read here is run by whoever judges attachments.

use super::attachment_rule::{known_type, marks, words};
use super::common::Others;
use super::condition;
use super::expect::{client, path};
use crate::config::file::{Got, Table};
use crate::config::model::{AttachmentExpect, AttachmentOutcome};
use crate::config::value::quoted;
use crate::message::files::Type;
use crate::rules::nearest;
use crate::verdict::Direction;
use std::net::IpAddr;
use std::sync::Arc;

/// Longest fact, in octets.
const WORD_OCTETS_MAX: usize = 64;

/// Builds one test; `ids` are those of the rules.
pub fn build(table: &Table<'_>, others: &Others<'_>, ids: &[Got<String>]) -> Option<AttachmentExpect> {
    let result = table.word("result").map(|word| match word.value {
        "reject" => AttachmentOutcome::Reject,
        "quarantine" => AttachmentOutcome::Quarantine,
        "strip" => AttachmentOutcome::Strip,
        _ => AttachmentOutcome::Pass,
    });
    let text = |key| table.filled(key).map(|got: Got<String>| got.value.into_boxed_str());
    let expect = AttachmentExpect {
        file: table.sink.file().into(),
        line: table.sink.line(&table.span),
        name: text("name"),
        kind: kind(table),
        declared: text("declared").unwrap_or_default().to_ascii_lowercase().into(),
        marks: marks(table, "mark"),
        inside: text("inside"),
        attachment: table.boolean("attachment").value,
        octets: table.size("size").value,
        odd: words(table, "odd", WORD_OCTETS_MAX),
        client: client(table).unwrap_or(IpAddr::from([0; 4])),
        sender: path(table, "sender").unwrap_or_default(),
        recipient: path(table, "recipient"),
        user: text("user"),
        listener: listener(table, others),
        result: result.unwrap_or(AttachmentOutcome::Pass),
        rule: rule(table, ids),
    };
    table.finish();
    result.map(|_| expect)
}

fn kind(table: &Table<'_>) -> Type {
    let Some(got) = table.filled("type") else { return Type::Unknown };
    let value = got.value.to_ascii_lowercase();
    let found = Type::EACH.iter().copied().find(|kind| kind.name() == value);
    if found.is_none()
        && known_type(table, "type", &Got { value: value.clone(), ..got.clone() })
        && value != "unknown"
    {
        let message = format!("`type`: {} is a kind of types: name one of them", quoted(&value));
        table.sink.error(&got.span, message);
    }
    found.unwrap_or_default()
}

fn listener(table: &Table<'_>, others: &Others<'_>) -> (Arc<str>, Direction) {
    let all = others.listeners.unwrap_or_default();
    let name = table.text("listener").and_then(|got| condition::listener(table, others, &got));
    let found = match &name {
        Some(name) => all.iter().find(|listener| listener.name == *name),
        None => all.iter().find(|listener| listener.direction == Direction::Inbound).or(all.first()),
    };
    found.map_or((Arc::from(""), Direction::Inbound), |listener| {
        (Arc::clone(&listener.name), listener.direction)
    })
}

fn rule(table: &Table<'_>, ids: &[Got<String>]) -> Option<Box<str>> {
    let got = table.filled("rule")?;
    let known = || ids.iter().map(|id| id.value.as_str());
    if !known().any(|id| id == got.value) {
        let hint = nearest(&got.value, known()).map(|near| format!("; did you mean \"{near}\"?"));
        let message = format!(
            "`rule`: no [[rule]] of this file has the id {}{}",
            quoted(&got.value),
            hint.unwrap_or_default()
        );
        table.sink.error(&got.span, message);
    }
    Some(got.value.into())
}
