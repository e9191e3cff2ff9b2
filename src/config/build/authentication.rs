//! `[authentication]` of `content.toml`.

use super::common::{self, Others};
use super::folder;
use crate::config::file::{Got, Table};
use crate::config::model::{Authentication, OnWish};
use crate::config::value::quoted;
use crate::mail::Domain;
use std::time::Duration;

/// The deadline of data is ten minutes; so long no client waits for an answer to its message.
const DEADLINE_MAX: Duration = Duration::from_mins(2);

/// Builds it.
pub fn build(table: &Table<'_>, others: &Others<'_>) -> Authentication {
    let default = Authentication::default();
    let deadline = table.duration("deadline");
    if deadline.value > DEADLINE_MAX {
        table.sink.error(&deadline.span, "`deadline`: the most is \"2m\": the client waits for its answer");
    }
    let authentication = Authentication {
        spf: table.boolean("spf").value,
        dkim: table.boolean("dkim").value,
        arc: table.boolean("arc").value,
        dmarc: table.mode("dmarc"),
        author: table.mode("author"),
        on_reject: wish(table, "on_reject"),
        on_quarantine: wish(table, "on_quarantine"),
        wait: table.word("on_unknown").is_some_and(|word| word.value == "tempfail"),
        folder: match table.has("folder") {
            true => folder::known(table, "folder", others).map_or(default.folder, |folder| folder.value.0),
            false => default.folder,
        },
        trusted_sealers: {
            let list = table.list("trusted_sealers").value;
            list.iter().filter_map(|got| domain(table, "trusted_sealers", got)).collect()
        },
        deadline: deadline.value,
        signatures: common::count_usize(table, "signatures"),
        min_key_bits: common::count_usize(table, "min_key_bits"),
        partial: table.boolean("partial").value,
        header: table.boolean("header").value,
        name: table.filled("name").and_then(|got| domain(table, "name", &got)),
    };
    table.finish();
    authentication
}

fn wish(table: &Table<'_>, key: &str) -> OnWish {
    match table.word(key).map(|got| got.value) {
        Some("quarantine") => OnWish::Quarantine,
        Some("pass") => OnWish::Pass,
        Some(_) | None => OnWish::Reject,
    }
}

fn domain(table: &Table<'_>, key: &str, got: &Got<String>) -> Option<Domain> {
    let domain = Domain::parse(got.value.as_bytes()).ok().filter(|domain| domain.as_str().contains('.'));
    if domain.is_none() {
        let found = quoted(&got.value);
        let message = format!("`{key}`: expected a domain such as \"lists.example.org\", found {found}");
        table.sink.error(&got.span, message);
    }
    domain
}
