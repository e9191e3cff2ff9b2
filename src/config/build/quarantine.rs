//! `quarantine.toml`, but for its folders.

use super::common::{self, Others};
use super::folder;
use crate::config::file::{Document, Got, Table};
use crate::config::model::{Disk, HoldRules, Notices, Quarantine, SpoolRules};
use crate::config::value::quoted;
use crate::mail::Mailbox;
use crate::rules::{nearest, parse_duration};
use std::sync::Arc;
use std::time::Duration;

/// A downstream that is away is not asked more often than this.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Pauses of one list.
const RETRIES_MAX: usize = 50;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Quarantine> {
    let top = document.top()?;
    let trash = top.duration("trash").value;
    top.finish();
    Some(Quarantine {
        folders: folder::build(&document.tables("folder")).into_iter().map(Arc::new).collect(),
        trash,
        disk: disk(&document.table("disk")?),
        spool: spool(&document.table("spool")?),
        hold: hold(&document.table("hold")?),
        notices: notices(&document.table("notices")?, others),
    })
}

fn disk(table: &Table<'_>) -> Disk {
    let (warn, full) = (table.size("warn"), table.size("full"));
    if warn.value < full.value {
        let span = if warn.given { &warn.span } else { &full.span };
        table.sink.warning(span, "`warn` is less than `full`, so nobody is warned before mail is put off");
    }
    table.finish();
    Disk { warn: warn.value, full: full.value }
}

fn spool(table: &Table<'_>) -> SpoolRules {
    let (expire, warn) = (table.duration("expire"), table.duration_or("warn"));
    let retry = retry(table);
    if let Some(first) = retry.first().filter(|first| **first >= expire.value) {
        let words = format!(
            "`expire`: there would be one attempt only, for the first pause is {} seconds",
            first.as_secs()
        );
        table.sink.warning(&expire.span, words);
    }
    if warn.given && warn.value.is_some_and(|warn| warn >= expire.value) {
        table.sink.warning(&warn.span, "`warn` is not before `expire`, so nobody is ever warned");
    }
    let spool = SpoolRules {
        retry,
        expire: expire.value,
        concurrency: common::count_usize(table, "concurrency"),
        warn: warn.value,
        max_octets: table.size("max_bytes").value,
        max_items: table.number("max_messages").value,
    };
    table.finish();
    spool
}

/// The pauses; never none, so that whoever waits for one has it.
fn retry(table: &Table<'_>) -> Vec<Duration> {
    let list = table.list("retry");
    if list.given && list.value.is_empty() {
        table.sink.error(
            &list.span,
            "`retry`: at least one pause is needed, for example [\"1m\", \"10m\", \"1h\"]",
        );
    }
    if list.value.len() > RETRIES_MAX {
        let message = format!(
            "`retry`: at most {RETRIES_MAX} pauses, found {}; the last one repeats",
            list.value.len()
        );
        table.sink.error(&list.span, message);
    }
    let mut out = Vec::with_capacity(list.value.len());
    for item in &list.value {
        match parse_duration(&item.value) {
            Ok(pause) if pause < RETRY_MIN => {
                let message = format!("`retry`: the shortest pause is \"1s\", found {}", quoted(&item.value));
                table.sink.error(&item.span, message);
            }
            Ok(pause) => out.push(pause),
            Err(error) => {
                table.sink.error(&item.span, format!("`retry`: {error}, found {}", quoted(&item.value)));
            }
        }
    }
    if out.is_empty() { SpoolRules::default().retry } else { out }
}

fn hold(table: &Table<'_>) -> HoldRules {
    let (retry, max_age) = (table.duration("retry"), table.duration("max_age"));
    if max_age.value < retry.value {
        let span = if max_age.given { &max_age.span } else { &retry.span };
        table
            .sink
            .warning(span, "`max_age` is less than `retry`, so the admin is told before the second scan");
    }
    let hold = HoldRules {
        retry: retry.value,
        max_age: max_age.value,
        concurrency: common::count_usize(table, "concurrency"),
    };
    table.finish();
    hold
}

fn notices(table: &Table<'_>, others: &Others<'_>) -> Notices {
    let notices = Notices {
        admin: admin(table),
        downstream: table.filled("downstream").and_then(|got| downstream(table, others, &got)),
        every: table.duration("every").value,
        max_per_hour: common::count(table, "max_per_hour"),
    };
    table.finish();
    notices
}

fn admin(table: &Table<'_>) -> Option<Box<str>> {
    let got = table.filled("admin")?;
    // It goes to a downstream, which may be anybody's: a name alone says nothing there.
    let mailbox = Mailbox::parse(got.value.as_bytes()).ok().filter(|mailbox| mailbox.domain().is_some());
    if mailbox.is_none() {
        let found = quoted(&got.value);
        let message =
            format!("`admin`: expected an address such as \"postmaster@example.net\", found {found}");
        table.sink.error(&got.span, message);
        return None;
    }
    Some(got.value.into())
}

/// A downstream that there is. Where `gateway.toml` could not be read every name is taken.
fn downstream(table: &Table<'_>, others: &Others<'_>, got: &Got<String>) -> Option<Arc<str>> {
    let Some(known) = others.downstreams else { return Some(got.value.as_str().into()) };
    if let Some(found) = known.iter().find(|downstream| *downstream.name == *got.value) {
        return Some(Arc::clone(&found.name));
    }
    let names = || known.iter().map(|downstream| &*downstream.name);
    let hint = match nearest(&got.value, names()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => format!("; there is {}", names().map(quoted).collect::<Vec<_>>().join(", ")),
    };
    let found = quoted(&got.value);
    table
        .sink
        .error(&got.span, format!("`downstream`: no [[downstream]] of gateway.toml is named {found}{hint}"));
    None
}
