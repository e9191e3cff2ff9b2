//! `[[expect]]` of `content.toml`.

use super::score_word;
use crate::config::file::{Got, Table};
use crate::config::model::{Method, ScoreExpect, ScoreRule};
use crate::config::value::quoted;
use crate::mail::{Path, unmapped};
use crate::rules::nearest;
use crate::verdict::AuthResult;
use std::net::IpAddr;

/// Builds the tests.
pub fn build(tables: &[Table<'_>], rules: &[ScoreRule]) -> Vec<ScoreExpect> {
    tables.iter().filter_map(|table| one(table, rules)).collect()
}

fn one(table: &Table<'_>, rules: &[ScoreRule]) -> Option<ScoreExpect> {
    let message = table.filled("message");
    let client = client(table);
    let score = |key| table.decimal(key).map(|got| got.value);
    let expect = ScoreExpect {
        file: table.sink.file().into(),
        line: table.sink.line(&table.span),
        message: message.as_ref().map(|got| crlf(&got.value)).unwrap_or_default(),
        client: client.unwrap_or(IpAddr::from([192, 0, 2, 1])),
        hello: table.filled("hello").map(|got| got.value.into()),
        sender: path(table, "sender"),
        recipient: path(table, "recipient"),
        auth: auth(table),
        symbols: symbols(table, "symbols", rules),
        without: symbols(table, "without", rules),
        score_from: score("score_from"),
        score_below: score("score_below"),
    };
    let asks = ["symbols", "without", "score_from", "score_below"].iter().any(|key| table.has(key));
    if !asks {
        table.sink.error(
            &table.span,
            "this [[expect]] asks for nothing: give `symbols`, `without`, `score_from` or `score_below`",
        );
    }
    table.finish();
    (message.is_some() && client.is_some()).then_some(expect)
}

/// Lines as they are in mail.
fn crlf(text: &str) -> Box<[u8]> {
    text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes().into()
}

fn client(table: &Table<'_>) -> Option<IpAddr> {
    let got = table.text("client")?;
    let ip = got.value.parse().ok().map(unmapped);
    if ip.is_none() {
        let found = quoted(&got.value);
        let message = format!("`client`: expected one address such as \"203.0.113.7\", found {found}");
        table.sink.error(&got.span, message);
    }
    ip
}

/// As it stands in MAIL or RCPT; the angle brackets may be left out.
fn path(table: &Table<'_>, key: &str) -> Option<Box<str>> {
    let got = table.filled(key)?;
    let path = if got.value.starts_with('<') { got.value.clone() } else { format!("<{}>", got.value) };
    if Path::parse(path.as_bytes()).is_ok_and(|(_, length)| length == path.len()) {
        return Some(path.into());
    }
    let found = quoted(&got.value);
    table.sink.error(
        &got.span,
        format!("`{key}`: expected an address such as \"anna@example.com\", found {found}"),
    );
    None
}

fn auth(table: &Table<'_>) -> Vec<(Method, AuthResult)> {
    let mut out = Vec::new();
    for Got { value, span, .. } in table.list("auth").value {
        match score_word::method(&value) {
            Some((method, Ok(result))) => out.push((method, result)),
            Some((_, Err(error))) => table.sink.error(&span, format!("`auth`: {error}")),
            None => {
                let found = quoted(&value);
                table
                    .sink
                    .error(&span, format!("`auth`: expected a result such as \"spf=pass\", found {found}"));
            }
        }
    }
    out
}

fn symbols(table: &Table<'_>, key: &str, rules: &[ScoreRule]) -> Vec<Box<str>> {
    let mut out = Vec::new();
    for Got { value, span, .. } in table.list(key).value {
        if !rules.iter().any(|rule| *rule.id == *value) {
            let hint = nearest(&value, rules.iter().map(|rule| &*rule.id));
            let hint = hint.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            table.sink.error(&span, format!("`{key}`: there is no [[rule]] {}{hint}", quoted(&value)));
        }
        out.push(value.into());
    }
    out
}
