//! `[access]`: which lists block and allow, and what an allow list may not say.

use super::common::Others;
use super::lists::Missing;
use crate::config::file::{Got, Table};
use crate::config::model::QuarantineFolder;
use crate::config::sources::{LIST_SUFFIX, LISTS};
use crate::config::value::quoted;
use crate::mail::Domain;
use crate::rules::{List, Position, Problem, Sweep, nearest};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A name below a domain that stands for all of them.
const SOME_NAME: &str = "mail";

/// Block and allow lists, in order.
pub fn build(table: &Table<'_>, others: &Others<'_>) -> (Vec<Arc<List>>, Vec<Arc<List>>) {
    let block = lists(table, "block", others);
    let allow = lists(table, "allow", others);
    block.iter().for_each(|(_, list)| sweeps(table, others, list));
    for (got, list) in &allow {
        if block.iter().any(|(_, other)| Arc::ptr_eq(other, list)) {
            table.sink.error(&got.span, format!("`allow`: {} is a block list as well", quoted(&got.value)));
        }
        own_domains(table, others, list);
        unproved(table, list);
    }
    table.finish();
    let plain = |lists: Vec<(Got<String>, Arc<List>)>| lists.into_iter().map(|(_, list)| list).collect();
    (plain(block), plain(allow))
}

fn lists(table: &Table<'_>, key: &str, others: &Others<'_>) -> Vec<(Got<String>, Arc<List>)> {
    let mut out: Vec<(Got<String>, Arc<List>)> = Vec::new();
    for item in table.list(key).value {
        let bare = item.value.trim_start_matches('@');
        let bare = bare.strip_prefix(LISTS).unwrap_or(bare);
        let bare = bare.strip_suffix(LIST_SUFFIX).unwrap_or(bare);
        if bare != item.value {
            let found = quoted(&item.value);
            table.sink.error(
                &item.span,
                format!("`{key}`: lists are named alone here: write \"{bare}\", found {found}"),
            );
            continue;
        }
        match others.shelf.get(bare) {
            Ok(list) if out.iter().any(|(_, seen)| Arc::ptr_eq(seen, list)) => {
                table.sink.warning(&item.span, format!("`{key}`: {} is listed twice", quoted(bare)));
            }
            Ok(list) => out.push((item, Arc::clone(list))),
            // A default list that is not there is empty.
            Err(_) if !item.given => {}
            Err(Missing::Recipients(error) | Missing::Nowhere(error)) => {
                table.sink.error(&item.span, format!("`{key}`: {error}"));
            }
        }
    }
    out
}

/// Where `sweep=move:` leads to.
fn sweeps(table: &Table<'_>, others: &Others<'_>, list: &List) {
    let Some(folders) = others.folders else { return };
    for swept in list.swept() {
        let Sweep::Move(folder) = &swept.sweep else { continue };
        let wrong = if **folder == *QuarantineFolder::HELD {
            format!("`sweep`: {folder} is for messages that wait by themselves; move to another folder")
        } else if !folders.iter().any(|known| *known.name == **folder) {
            let near = nearest(folder, folders.iter().map(|known| &*known.name));
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            format!("`sweep`: there is no folder {folder}{near}")
        } else {
            continue;
        };
        let at = Position { line: swept.line, column: 1 };
        table.sink.other(Problem::error(&list.file, at, wrong));
    }
}

/// Whoever writes a sender of ours in MAIL would pass every check.
fn own_domains(table: &Table<'_>, others: &Others<'_>, list: &List) {
    let Some(domains) = others.domains else { return };
    let below = domains.below().map(|domain| format!("{SOME_NAME}.{domain}"));
    let mut names: Vec<String> = domains.exact().map(str::to_owned).chain(below).collect();
    names.sort_unstable();
    let mut lines = BTreeSet::new();
    for name in names {
        let Ok(domain) = Domain::parse(name.as_bytes()) else { continue };
        let Some(line) = list.covers_sender_domain(&domain) else { continue };
        if lines.insert(line) {
            let message = format!(
                "our own domain as a sender allow entry would let anybody claim it ({domain} is in relay.domains): allow the client's address instead"
            );
            table.sink.other(Problem::error(&list.file, Position { line, column: 1 }, message));
        }
    }
}

/// An envelope sender is a claim until something proves it.
fn unproved(table: &Table<'_>, list: &List) {
    let Some((line, count)) = list.unproved_senders() else { return };
    let more = match count {
        1 => String::new(),
        2 => " (and for one more entry here)".to_owned(),
        _ => format!(" (and for {} more entries here)", count - 1),
    };
    let message = format!(
        "anybody can write this sender, so the entry counts only for clients that authenticated, and where SPF or DKIM prove the sender; with auth=any it counts for everybody{more}"
    );
    table.sink.other(Problem::warning(&list.file, Position { line, column: 1 }, message));
}
