//! A mistake in a query, as people are told of it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Characters of the query that are shown on either side of a mistake.
const SHOWN_CHARS: usize = 60;

/// The first mistake of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryError {
    /// Where: characters from the beginning, the first is 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right; empty where `what` says it.
    pub expected: String,
    /// What was probably meant.
    pub nearest: Option<String>,
    /// The query.
    pub query: String,
}

impl QueryError {
    /// A mistake at a column; who reads the whole query fills that in.
    pub(super) fn new(column: usize, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column, what: what.into(), expected: expected.into(), nearest: None, query: String::new() }
    }

    /// With the word that was probably meant.
    pub(super) fn near(mut self, nearest: Option<impl Into<String>>) -> Self {
        self.nearest = nearest.map(Into::into);
        self
    }

    /// The part of the query around the mistake, and how many characters stand before it there.
    fn excerpt(&self) -> (String, usize) {
        let at = self.column.saturating_sub(1);
        let from = at.saturating_sub(SHOWN_CHARS);
        let shown = self.query.chars().skip(from).take(2 * SHOWN_CHARS);
        // One character stays one, or the caret would be off.
        let line: String = shown.map(|c| if c.is_control() { '\u{b7}' } else { c }).collect();
        (line, at - from)
    }
}

impl fmt::Display for QueryError {
    /// The mistake, the query and a caret below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean {nearest}?")?;
        }
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        let (line, before) = self.excerpt();
        write!(f, "\n  {line}\n  {:before$}^", "")
    }
}

impl std::error::Error for QueryError {}
