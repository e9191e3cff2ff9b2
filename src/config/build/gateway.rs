//! `gateway.toml`: every table, then the checks between them.

use super::common::{self, Surroundings};
use super::{cross, dns, downstream, listener, relay, timeouts};
use crate::config::file::{Document, Table};
use crate::config::model::{
    Attachments, AuditTarget, Content, Limits, LoadedLists, Log, Policies, Policy, Protocol, Quarantine,
    Records, RuleTable, Scanning,
};
use crate::config::sink::Sink;
use crate::config::value::quoted;
use crate::rules::{Lists, NetSet, Signatures, nearest};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the audit log in the state directory.
const AUDIT_FILE: &str = "audit.jsonl";
/// Levels of the operational log.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Builds a policy with the settings of this file, and the defaults of the others.
pub fn build(document: &Document<'_>, sink: &Sink<'_>, around: &Surroundings<'_>) -> Option<Policy> {
    let top = document.top()?;
    let hostname = common::ehlo_name(&top, "hostname").map(|got| got.value);
    let state_dir = around.path_of(&top, "state_dir").map(|got| got.value);
    let timeouts = timeouts::build(&document.table("timeouts")?);
    let listeners: Vec<_> = document.tables("listener").iter().map(|t| listener::build(t, around)).collect();
    let downstreams: Vec<_> = document
        .tables("downstream")
        .iter()
        .map(|t| downstream::build(t, around, hostname.as_deref()))
        .collect();
    let relay = relay::build(&document.table("relay")?, around);
    at_least_one(sink, document, "listener", "name, address, direction and downstream");
    at_least_one(sink, document, "downstream", "name and addresses");
    cross::check(sink, &listeners, &downstreams, &relay);
    let trusted = trusted(&document.table("trusted")?);
    let audit = audit(&document.table("audit")?, around, state_dir.as_deref());
    let log = log(&document.table("log")?);
    let (memory_octets, disk_octets, max_message_octets) = budgets(&top);
    let policy = Policy {
        rules_dir: around.rules_dir.to_owned(),
        hostname: hostname.as_deref().unwrap_or_default().into(),
        state_dir: state_dir.clone().unwrap_or_default(),
        max_message_octets,
        max_connections: common::count_usize(&top, "max_connections"),
        user: top.filled("user").map(|got| got.value),
        memory_octets,
        disk_octets,
        drain: top.duration("drain").value,
        timeouts,
        listeners: listeners.into_iter().filter_map(|draft| draft.listener).map(Arc::new).collect(),
        downstreams: downstreams.into_iter().filter_map(|draft| draft.downstream).map(Arc::new).collect(),
        relay: relay.relay,
        trusted,
        audit,
        log,
        watch: top.boolean("watch").value,
        dns: dns::build(&document.table("dns")?),
        records: records(&document.table("records")?),
        limits: Limits::default(),
        quarantine: Quarantine::default(),
        scanning: Scanning::default(),
        attachments: Attachments::default(),
        signatures: Signatures::default(),
        content: Content::default(),
        policies: Policies::default(),
        protocol: Protocol::default(),
        rules: RuleTable::default(),
        expects: Vec::new(),
        lists: Lists::default(),
        loaded: LoadedLists::default(),
    };
    top.finish();
    Some(policy)
}

fn at_least_one(sink: &Sink<'_>, document: &Document<'_>, name: &str, keys: &str) {
    if !document.has(name) {
        sink.error(&(0..0), format!("at least one [[{name}]] is needed, with {keys}"));
    }
}

fn budgets(top: &Table<'_>) -> (u64, u64, u64) {
    let (memory, disk, message) = (top.size("memory"), top.size("disk"), top.size("max_message_size"));
    if disk.value < message.value {
        let span = if disk.given { &disk.span } else { &message.span };
        top.sink.warning(span, "`disk` is less than `max_message_size`: the largest messages would be deferred again and again (452 4.3.1)");
    }
    (memory.value, disk.value, message.value)
}

fn records(table: &Table<'_>) -> Records {
    let records = Records {
        entries: common::count_usize(table, "entries"),
        transcripts: common::count_usize(table, "transcripts"),
    };
    table.finish();
    records
}

fn trusted(table: &Table<'_>) -> NetSet {
    let clients = common::peers(table, "clients", "is free of limits, bans and delays");
    table.finish();
    clients
}

fn audit(table: &Table<'_>, around: &Surroundings<'_>, state_dir: Option<&Path>) -> AuditTarget {
    let file = table.filled("file");
    table.finish();
    match file {
        Some(file) if file.value == "-" => AuditTarget::Stdout,
        Some(file) => AuditTarget::File(around.path(&file.value)),
        None => AuditTarget::File(state_dir.map_or_else(PathBuf::new, |dir| dir.join(AUDIT_FILE))),
    }
}

fn log(table: &Table<'_>) -> Log {
    let level = table.filled("level");
    let json = table.word("format").is_some_and(|word| word.value == "json");
    table.finish();
    let Some(level) = level else {
        return Log { level: String::new(), json };
    };
    for directive in level.value.split(',') {
        // A filter on spans has a grammar of its own and is the log's to judge.
        let word = directive.rsplit_once('=').map_or(directive, |(_, word)| word).trim();
        if !directive.contains('[') && !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
            let hint = nearest(word, LEVELS.iter().copied()).map(|near| format!("; did you mean {near}?"));
            let message = format!(
                "`level`: expected one of {}; found {}{}",
                LEVELS.join(", "),
                quoted(word),
                hint.unwrap_or_default()
            );
            table.sink.error(&level.span, message);
        }
    }
    Log { level: level.value, json }
}
