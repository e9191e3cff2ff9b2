//! One condition of a rule: a handful of items, written the same everywhere: exact, glob, `/regex/`, CIDR,
//! `@list`, `!` in front for an exception.
//!
//! Pure. Built once per generation; a look-up is linear in the input.

use super::list::{Kind, Lists, Subject};
use crate::verdict::Direction;

/// Why an item is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(pub String);

/// The items of one condition.
#[derive(Debug, Default)]
pub struct Matcher {}

impl Matcher {
    /// Reads the items; the error names the index of the item. Networks with host bits are taken; `warn` is told.
    ///
    /// # Errors
    /// An item that is none: what was expected, and the nearest list name for an unknown `@list`.
    pub fn parse(
        _kind: Kind,
        _items: &[String],
        _lists: &Lists,
        _warn: &mut dyn FnMut(usize, String),
    ) -> Result<Self, (usize, MatcherError)> {
        Ok(Self {})
    }

    /// Whether the subject matches an item and no exception. With only exceptions everything else matches.
    #[must_use]
    pub fn matches(&self, _subject: Subject<'_>, _dir: Direction, _now: i64) -> bool {
        false
    }
}
