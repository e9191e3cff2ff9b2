//! `attachments.toml`.

use super::common::{self, Others, named};
use super::{attachment_expect, attachment_rule, signatures};
use crate::config::file::{Document, Table};
use crate::config::model::Attachments;
use crate::message::files::Limits;
use std::sync::Arc;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Attachments> {
    document.top()?.finish();
    let limits = limits(&document.table("archives")?);
    let tables = document.tables("rule");
    let ids: Vec<_> = tables.iter().filter_map(|table| named(table, "id")).collect();
    let rules =
        tables.iter().filter_map(|table| attachment_rule::build(table, others)).map(Arc::new).collect();
    if let Some(table) = tables.first() {
        common::twice("rule", "id", table.sink, &ids.iter().collect::<Vec<_>>());
    }
    let expects = document.tables("expect");
    let expects = expects.iter().filter_map(|table| attachment_expect::build(table, others, &ids)).collect();
    let signatures = signatures::build(&document.table("signatures")?, others);
    Some(Attachments { limits, rules, expects, signatures })
}

fn limits(table: &Table<'_>) -> Limits {
    let limits = Limits {
        depth: common::count(table, "depth"),
        members: common::count(table, "members"),
        octets: table.size("unpacked").value,
        held: table.size("memory").value,
        ratio: common::count(table, "ratio"),
    };
    if limits.held > limits.octets {
        table
            .sink
            .warning(&table.size("memory").span, "`memory` is more than `unpacked`, so it changes nothing");
    }
    table.finish();
    limits
}
