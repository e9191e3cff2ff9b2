//! `[[folder]]` of `quarantine.toml`, and names of folders wherever a rule gives one.

use super::common::{self, Others};
use crate::config::file::{Got, Table};
use crate::config::model::{Overflow, QuarantineFolder};
use crate::config::value::quoted;
use crate::rules::nearest;
use crate::verdict::Folder;
use std::collections::HashSet;
use std::sync::Arc;

/// Longest name, in octets.
const NAME_OCTETS_MAX: usize = 32;
/// Longest note, in characters: a column of a table.
const NOTE_CHARS_MAX: usize = 200;
/// Longest name of a user or group (Linux allows 32).
const USER_OCTETS_MAX: usize = 64;
/// Folders that an admin may have: more than anybody reads.
const FOLDERS_MAX: usize = 200;
/// Words that mean something else where a folder is named.
const RESERVED: [&str; 3] = [QuarantineFolder::SPOOL, "trash", "all"];

/// The built-in folders, as the tables change them, then the admin's own, in file order.
pub fn build(tables: &[Table<'_>]) -> Vec<QuarantineFolder> {
    let mut folders = QuarantineFolder::built_in();
    let mut names: Vec<Got<String>> = Vec::new();
    for table in tables {
        let name = name(table);
        let known =
            name.as_ref().and_then(|name| folders.iter_mut().find(|folder| *folder.name == *name.value));
        let mut spare = QuarantineFolder::named(name.as_ref().map_or("", |name| name.value.as_str()));
        match known {
            Some(folder) => change(table, folder),
            None => {
                change(table, &mut spare);
                if name.is_some() {
                    folders.push(spare);
                }
            }
        }
        names.extend(name);
        table.finish();
    }
    if let Some(table) = tables.first() {
        common::twice("folder", "name", table.sink, &names.iter().collect::<Vec<_>>());
        if tables.len() > FOLDERS_MAX {
            let message = format!("{} folders, at most {FOLDERS_MAX}", tables.len());
            table.sink.error(&table.span, message);
        }
    }
    folders
}

fn name(table: &Table<'_>) -> Option<Got<String>> {
    let got = table.text("name")?;
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let found = quoted(&got.value);
    if got.value.is_empty() || got.value.len() > NAME_OCTETS_MAX || !got.value.bytes().all(good) {
        let message = format!(
            "`name`: expected up to {NAME_OCTETS_MAX} lower-case letters, digits, `-` and `_`, found {found}"
        );
        table.sink.error(&got.span, message);
        return None;
    }
    if RESERVED.contains(&got.value.as_str()) {
        let message = format!("`name`: {found} means something else on the command line: take another name");
        table.sink.error(&got.span, message);
        return None;
    }
    Some(got)
}

/// Sets what the table gives.
fn change(table: &Table<'_>, folder: &mut QuarantineFolder) {
    let note = table.text("note").filter(|got| got.given);
    if let Some(note) = note {
        if note.value.chars().count() > NOTE_CHARS_MAX || note.value.chars().any(char::is_control) {
            table.sink.error(&note.span, format!("`note`: one line of at most {NOTE_CHARS_MAX} characters"));
        }
        folder.note = note.value.into();
    }
    set(&mut folder.keep, table.duration_or("keep"));
    set(&mut folder.max_octets, table.size("max_bytes"));
    set(&mut folder.max_items, table.number("max_messages"));
    if let Some(word) = table.word("overflow").filter(|word| word.given) {
        folder.overflow = if word.value == "oldest" { Overflow::Oldest } else { Overflow::Tempfail };
    }
    let release = table.list("release");
    if release.given {
        folder.release = users(table, &release.value);
    }
    set(&mut folder.rescan, table.boolean("rescan"));
    if &*folder.name == QuarantineFolder::HELD && folder.overflow == Overflow::Oldest {
        let span = table.word("overflow").map_or_else(|| table.span.clone(), |word| word.span);
        table.sink.error(&span, "`overflow`: mail in `held` is on its way to its recipients: what does not fit is put off, not thrown away");
    }
}

fn set<T>(value: &mut T, got: Got<T>) {
    if got.given {
        *value = got.value;
    }
}

/// Names of users and groups; whether this machine knows them belongs to the surroundings.
fn users(table: &Table<'_>, items: &[Got<String>]) -> Vec<Box<str>> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let bare = item.value.strip_prefix('@').unwrap_or(&item.value);
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'$' | b'@' | b'\\');
        if bare.is_empty() || bare.len() > USER_OCTETS_MAX || !bare.bytes().all(good) {
            let found = quoted(&item.value);
            let message = format!(
                "`release`: expected a user such as \"anna\" or a group such as \"@admins\", found {found}"
            );
            table.sink.error(&item.span, message);
        } else {
            out.push(item.value.as_str().into());
        }
    }
    out
}

/// A folder that there is, by a key of a rule. Where `quarantine.toml` could not be read every name is taken.
pub fn known(table: &Table<'_>, key: &str, others: &Others<'_>) -> Option<Got<Folder>> {
    let got = table.filled(key)?;
    let named = |name: Arc<str>| Got { value: Folder(name), span: got.span.clone(), given: true };
    let Some(folders) = others.folders else { return Some(named(got.value.as_str().into())) };
    if let Some(found) = folders.iter().find(|folder| *folder.name == *got.value) {
        return Some(named(Arc::clone(&found.name)));
    }
    let names: HashSet<&str> = folders.iter().map(|folder| &*folder.name).collect();
    let hint = match nearest(&got.value, names) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => {
            let names: Vec<&str> = folders.iter().map(|folder| &*folder.name).collect();
            format!("; there are {}, and what quarantine.toml adds", names.join(", "))
        }
    };
    table.sink.error(&got.span, format!("`{key}`: there is no folder {}{hint}", quoted(&got.value)));
    None
}
