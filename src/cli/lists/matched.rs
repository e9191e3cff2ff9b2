//! What else matches a typed entry: `lists/blocks.list:12 198.51.100.0/24`.

use crate::mail::Mailbox;
use crate::rules::edit::{Typed, entries};
use crate::rules::{Kind, List, Net, Subject};
use crate::verdict::Direction;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// An entry of some list that matches all of a typed one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matched {
    file: String,
    line: u32,
    entry: String,
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.file, self.line, self.entry)
    }
}

/// Where the texts of lists are found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'t> {
    /// The rules directory.
    pub rules: &'t Path,
    /// The file that is edited, and its text.
    pub edited: (&'t str, &'t str),
}

impl Texts<'_> {
    fn of(&self, list: &List) -> Option<String> {
        let (file, text) = self.edited;
        if *list.file == *file {
            return Some(text.to_owned());
        }
        fs::read_to_string(self.rules.join(&*list.file)).ok()
    }
}

/// The first of these lists that matches, but for the entry itself. An entry that is a domain with everything below it,
/// a glob or an expression is compared with nothing.
pub(super) fn by(
    texts: Texts<'_>,
    lists: &[Arc<List>],
    typed: &Typed,
    dir: Direction,
    now: i64,
) -> Option<Matched> {
    lists.iter().find_map(|list| {
        let line = line_of(list, typed, dir, now)?;
        let text = texts.of(list)?;
        let found = entries(&text).find(|entry| entry.line == line)?;
        let entry = if found.kind == Kind::Address || found.kind == Kind::Sender {
            found.pattern.to_owned()
        } else {
            format!("{}:{}", found.kind.prefix(), found.pattern)
        };
        let itself =
            *list.file == *texts.edited.0 && Typed::parse(&entry).is_ok_and(|found| found.is_same(typed));
        let around =
            typed.net().is_none_or(|net| Net::parse(&entry).is_ok_and(|found| found.net.contains(&net)));
        (!itself && around).then(|| Matched { file: list.file.to_string(), line, entry })
    })
}

fn line_of(list: &List, typed: &Typed, dir: Direction, now: i64) -> Option<u32> {
    let look = |subject| list.find(typed.kind(), subject, dir, now).map(|hit| hit.line);
    if let Some(net) = typed.net() {
        return look(Subject::Address(net.addr()));
    }
    let name = typed.name()?;
    if name == "<>" {
        return look(Subject::Null);
    }
    match Mailbox::parse(name.as_bytes()) {
        Ok(mailbox) if name.contains('@') => look(Subject::Mailbox(&mailbox)),
        _ => look(Subject::Name(name.as_bytes())),
    }
}
