//! One condition of a rule: a handful of items, written the same everywhere: exact, glob, `/regex/`, CIDR,
//! `@list`, `!` in front for an exception.
//!
//! Pure. Built once per generation; a look-up is linear in the input.

use super::attributes::Mode;
use super::entry::known_prefix;
use super::fence::{Fence, Hull, Prepared};
use super::index::{Ask, Builder, Full, GLOBS_MAX, Index, REGEXES_MAX, Terms};
use super::kind::{Kind, Subject};
use super::list::{List, Lists};
use super::nearest::nearest;
use super::pattern::Pattern;
use crate::verdict::Direction;
use std::sync::Arc;

/// Why an item is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(pub String);

/// The items of one condition.
#[derive(Debug)]
pub struct Matcher {
    kind: Kind,
    wanted: Side,
    excepted: Side,
}

impl Default for Matcher {
    /// Without items: matches nothing.
    fn default() -> Self {
        Self { kind: Kind::Address, wanted: Side::default(), excepted: Side::default() }
    }
}

/// Items, or exceptions.
#[derive(Debug, Default)]
struct Side {
    items: Index,
    lists: Vec<Arc<List>>,
}

#[derive(Default)]
struct SideBuilder {
    items: Builder,
    lists: Vec<Arc<List>>,
}

impl Matcher {
    /// Reads the items; the error names the index of the item. Networks with host bits are taken; `warn` is told.
    ///
    /// # Errors
    /// An item that is none: what was expected, and the nearest list name for an unknown `@list`.
    pub fn parse(
        kind: Kind,
        items: &[String],
        lists: &Lists,
        warn: &mut dyn FnMut(usize, String),
    ) -> Result<Self, (usize, MatcherError)> {
        let (mut wanted, mut excepted) = (SideBuilder::default(), SideBuilder::default());
        for (at, item) in items.iter().enumerate() {
            let text = item.trim();
            let (side, text) = match text.strip_prefix('!') {
                Some(text) => (&mut excepted, text.trim_start()),
                None => (&mut wanted, text),
            };
            side.add(kind, text, at, lists, &mut |text| warn(at, text))
                .map_err(|message| (at, MatcherError(message)))?;
        }
        Ok(Self { kind, wanted: wanted.build(), excepted: excepted.build() })
    }

    /// Whether the subject matches an item and no exception. With only exceptions everything else matches.
    ///
    /// Of a list that an item names only those entries count that are in force for the direction and time; one of
    /// `mode=log` changes nothing, so it does not match.
    #[must_use]
    pub fn matches(&self, subject: Subject<'_>, dir: Direction, now: i64) -> bool {
        let wanted = if self.wanted.is_empty() {
            !self.excepted.is_empty()
        } else {
            self.wanted.matches(self.kind, subject, dir, now)
        };
        wanted && !self.excepted.matches(self.kind, subject, dir, now)
    }

    /// The same for a subject that was made ready for conditions of this kind.
    #[must_use]
    pub fn matches_prepared(&self, prepared: &Prepared<'_>, dir: Direction, now: i64) -> bool {
        let wanted = if self.wanted.is_empty() {
            !self.excepted.is_empty()
        } else {
            self.wanted.matches_prepared(prepared, dir, now)
        };
        wanted && !self.excepted.matches_prepared(prepared, dir, now)
    }

    /// What a subject must share with it.
    #[must_use]
    pub fn fence(&self) -> Fence {
        if self.is_told_by_items() { self.wanted.items.fence() } else { Fence::ASK }
    }

    /// Where its addresses lie.
    #[must_use]
    pub fn hull(&self) -> Hull {
        if self.is_told_by_items() { self.wanted.items.hull() } else { Hull::ALL }
    }

    /// Whether its own items say what it wants: no list does, and it is not all but the exceptions.
    fn is_told_by_items(&self) -> bool {
        self.wanted.lists.is_empty() && (self.excepted.is_empty() || !self.wanted.is_empty())
    }
}

impl SideBuilder {
    fn add(
        &mut self,
        kind: Kind,
        text: &str,
        at: usize,
        lists: &Lists,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), String> {
        if let Some(name) = text.strip_prefix('@')
            && !name.contains('.')
        {
            self.lists.push(list(kind, name, lists, warn)?);
            return Ok(());
        }
        if let Some((word, rest)) = known_prefix(text) {
            return Err(format!(
                "the prefix \"{word}:\" belongs in lists; this is about {} anyway: write \"{rest}\"",
                kind.words()
            ));
        }
        let (pattern, warning) = Pattern::parse(Some(kind), text).map_err(|mistake| mistake.message)?;
        if let Some(mistake) = warning {
            warn(mistake.message);
        }
        let line = u32::try_from(at).unwrap_or(u32::MAX);
        match self.items.add(None, pattern, Terms::default(), line) {
            Ok(None) => {}
            Ok(Some(_)) => warn(format!("\"{text}\" is given twice")),
            Err(Full::Globs) => return Err(format!("more than {GLOBS_MAX} patterns: put them in a list")),
            Err(Full::Regexes) => return Err(format!("more than {REGEXES_MAX} expressions")),
            Err(Full::Names) => return Err("too many items".to_owned()),
        }
        Ok(())
    }

    fn build(self) -> Side {
        Side { items: self.items.build(&mut |_, _| {}), lists: self.lists }
    }
}

fn list(kind: Kind, name: &str, lists: &Lists, warn: &mut dyn FnMut(String)) -> Result<Arc<List>, String> {
    let Some(list) = lists.get(name) else {
        let bare = name.strip_prefix("lists/").unwrap_or(name);
        let mut names: Vec<&str> = lists.keys().map(|name| &**name).collect();
        names.sort_unstable();
        let hint = match nearest(bare, names.iter().copied()) {
            Some(near) => format!("did you mean \"@{near}\"?"),
            None if names.is_empty() => format!("make the file lists/{bare}.list"),
            None => format!("there is {}; or make the file lists/{bare}.list", some(&names)),
        };
        return Err(format!("no list is named \"{name}\"; {hint}"));
    };
    if !list.is_empty() && !list.is_about(kind) {
        warn(format!("{} has no entry that is about {}", list.file, kind.words()));
    }
    Ok(Arc::clone(list))
}

/// The first few names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("@{name}")).collect();
    format!("{}{}", shown.join(", "), if names.len() > SHOWN { ", …" } else { "" })
}

impl Side {
    fn is_empty(&self) -> bool {
        self.items.len() == 0 && self.lists.is_empty()
    }

    fn matches(&self, kind: Kind, subject: Subject<'_>, dir: Direction, now: i64) -> bool {
        let always = |_: &Terms| true;
        self.items.find(Ask { kind, bare: true, in_force: &always }, subject).is_some()
            || self.in_lists(kind, subject, dir, now)
    }

    fn matches_prepared(&self, prepared: &Prepared<'_>, dir: Direction, now: i64) -> bool {
        let (kind, subject) = (prepared.kind, prepared.subject);
        let always = |_: &Terms| true;
        self.items.find_prepared(Ask { kind, bare: true, in_force: &always }, prepared).is_some()
            || self.in_lists(kind, subject, dir, now)
    }

    fn in_lists(&self, kind: Kind, subject: Subject<'_>, dir: Direction, now: i64) -> bool {
        self.lists.iter().any(|list| {
            let hit = list.find_in_field(kind, subject, dir, now);
            hit.is_some_and(|hit| hit.attributes.mode == Mode::On)
        })
    }
}
