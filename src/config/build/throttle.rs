//! `[[throttle]]`.

use super::common::{self, Others};
use crate::config::file::{Got, Table};
use crate::config::model::{Rate, Throttle, ThrottleBy};
use crate::rules::Kind;
use crate::verdict::Direction;

/// Builds all of them, in file order.
pub fn build(tables: &[Table<'_>], others: &Others<'_>) -> Vec<Throttle> {
    let mut names = Vec::new();
    let mut out = Vec::new();
    for table in tables {
        let name = common::name(table);
        out.extend(one(table, others, name.as_ref()));
        names.extend(name);
        table.finish();
    }
    if let Some(table) = tables.first() {
        common::twice("throttle", "name", table.sink, &names.iter().collect::<Vec<_>>());
    }
    out
}

fn one(table: &Table<'_>, others: &Others<'_>, name: Option<&Got<String>>) -> Option<Throttle> {
    let by = by(table);
    let direction = match table.word("direction").map(|word| word.value) {
        Some("inbound") => Some(Direction::Inbound),
        Some("outbound") => Some(Direction::Outbound),
        _ => None,
    };
    let rate = |name| table.rate(name).map(|got: Got<Rate>| got.value);
    let throttle = Throttle {
        name: name.map(|got| got.value.as_str()).unwrap_or_default().into(),
        mode: table.mode("mode"),
        by: by.as_ref().map_or(ThrottleBy::Client, |got| got.value),
        direction,
        null_sender: null_sender(table, by.as_ref()),
        messages: rate("messages"),
        recipients: rate("recipients"),
        octets: rate("bytes"),
        bounces: bounces(table, by.as_ref()),
        except: common::matcher(table, "except", kind(by.as_ref()), others.shelf),
        line: table.sink.line(&table.span),
    };
    if !["messages", "recipients", "bytes", "bounces"].iter().any(|limit| table.has(limit)) {
        table.sink.error(
            &table.span,
            "this [[throttle]] limits nothing: give `messages`, `recipients`, `bytes` or `bounces`, for example messages = \"500/1h\"",
        );
    }
    (name.is_some() && by.is_some()).then_some(throttle)
}

fn by(table: &Table<'_>) -> Option<Got<ThrottleBy>> {
    let word = table.word("by")?;
    let value = match word.value {
        "user" => ThrottleBy::User,
        "sender" => ThrottleBy::Sender,
        "sender_domain" => ThrottleBy::SenderDomain,
        "recipient" => ThrottleBy::Recipient,
        "recipient_domain" => ThrottleBy::RecipientDomain,
        _ => ThrottleBy::Client,
    };
    Some(Got { value, span: word.span, given: word.given })
}

/// What an entry of `except` is about.
fn kind(by: Option<&Got<ThrottleBy>>) -> Kind {
    match by.map(|got| got.value) {
        Some(ThrottleBy::User) => Kind::User,
        Some(ThrottleBy::Sender | ThrottleBy::SenderDomain) => Kind::Sender,
        Some(ThrottleBy::Recipient | ThrottleBy::RecipientDomain) => Kind::Recipient,
        Some(ThrottleBy::Client) | None => Kind::Address,
    }
}

/// A message from `<>` has no sender or user to be counted by.
fn null_sender(table: &Table<'_>, by: Option<&Got<ThrottleBy>>) -> bool {
    let null = table.boolean("null_sender");
    if null.value
        && let Some(Got { value: ThrottleBy::User | ThrottleBy::Sender | ThrottleBy::SenderDomain, .. }) = by
    {
        table.sink.error(
            &null.span,
            "`null_sender`: messages from <> have no sender to be counted by: write by = \"client\" or by = \"recipient\", or limit `bounces`",
        );
    }
    null.value
}

fn bounces(table: &Table<'_>, by: Option<&Got<ThrottleBy>>) -> Option<Rate> {
    let bounces = table.rate("bounces")?;
    if let Some(Got {
        value: ThrottleBy::Client | ThrottleBy::Recipient | ThrottleBy::RecipientDomain, ..
    }) = by
    {
        table.sink.error(
            &bounces.span,
            "`bounces` are counted by = \"user\", \"sender\" or \"sender_domain\", whose mail came back; for others write null_sender = true and limit `messages`",
        );
    }
    Some(bounces.value)
}
