//! `protocol.toml`.

use super::common::{Others, named};
use super::stages::stage;
use super::{access, common, dnsbl, expect, rule};
use crate::config::file::{Document, Got, Table};
use crate::config::model::{Expect, HelloRules, Protocol, Rule, SenderRules, Syntax};
use crate::config::value::quoted;
use crate::verdict::Stage;
use std::sync::Arc;

/// Everything of the file.
pub struct Draft {
    /// Its settings.
    pub protocol: Protocol,
    /// Its rules, in file order.
    pub rules: Vec<Arc<Rule>>,
    /// Its tests, in file order.
    pub expects: Vec<Expect>,
}

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Draft> {
    let top = document.top()?;
    let answer_at = top.word("answer_at").map_or(Stage::Rcpt, |word| stage(word.value));
    let exempt_recipients = exempt(&top);
    top.finish();
    let (block, allow) = access::build(&document.table("access")?, others);
    let protocol = Protocol {
        answer_at,
        exempt_recipients,
        syntax: syntax(&document.table("syntax")?),
        hello: hello(&document.table("hello")?),
        sender: sender(&document.table("sender")?),
        reputation: dnsbl::build(&document.table("reputation")?, &document.tables("dnsbl")),
        country_database: country(&document.table("country")?, others),
        block,
        allow,
    };
    let tables = document.tables("rule");
    let ids: Vec<_> = tables.iter().filter_map(|table| named(table, "id")).collect();
    let rules =
        tables.iter().filter_map(|table| rule::build(table, others, &protocol)).map(Arc::new).collect();
    if let Some(table) = tables.first() {
        common::twice("rule", "id", table.sink, &ids.iter().collect::<Vec<_>>());
    }
    let expects = document.tables("expect").iter().filter_map(|table| expect::build(table, others)).collect();
    Some(Draft { protocol, rules, expects })
}

fn exempt(top: &Table<'_>) -> Vec<Box<str>> {
    let mut out = Vec::new();
    for Got { value, span, .. } in top.list("exempt_recipients").value {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        if value.is_empty() || !value.bytes().all(good) {
            let found = quoted(&value);
            let message = format!(
                "`exempt_recipients`: expected local parts such as \"postmaster\" (of every domain of ours), found {found}"
            );
            top.sink.error(&span, message);
        }
        out.push(value.to_ascii_lowercase().into());
    }
    out
}

fn syntax(table: &Table<'_>) -> Syntax {
    let syntax = Syntax {
        missing_brackets: table.mode("missing_brackets"),
        space_after_colon: table.mode("space_after_colon"),
        missing_hello: table.mode("missing_hello"),
        unqualified_sender: table.mode("unqualified_sender"),
        undeclared_8bit: table.mode("undeclared_8bit"),
        improper_pipelining: table.mode("improper_pipelining"),
        unknown_command: table.mode("unknown_command"),
    };
    table.finish();
    syntax
}

fn hello(table: &Table<'_>) -> HelloRules {
    let hello = HelloRules {
        syntax: table.mode("syntax"),
        own_name: table.mode("own_name"),
        bare_address: table.mode("bare_address"),
        literal: table.mode("literal"),
        wrong_literal: table.mode("wrong_literal"),
        unqualified: table.mode("unqualified"),
        unresolvable: table.mode("unresolvable"),
        reverse_mismatch: table.mode("reverse_mismatch"),
        no_reverse_name: table.mode("no_reverse_name"),
    };
    table.finish();
    hello
}

fn sender(table: &Table<'_>) -> SenderRules {
    let sender = SenderRules {
        unresolvable: table.mode("unresolvable"),
        null_sender: table.mode("null_sender"),
        null_recipients: common::count_usize(table, "null_recipients"),
        own_domain: table.mode("own_domain"),
    };
    table.finish();
    sender
}

fn country(table: &Table<'_>, others: &Others<'_>) -> Option<std::path::PathBuf> {
    let database = table.filled("database").map(|got| others.rules_dir.join(got.value));
    table.finish();
    database
}
