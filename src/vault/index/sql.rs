//! Pieces of SQL with their parameters, in order.

use rusqlite::types::Value;

/// A piece.
#[derive(Debug, Clone, Default)]
pub struct Sql {
    /// The text, with `?` for each parameter.
    pub text: String,
    /// The parameters.
    pub values: Vec<Value>,
}

impl Sql {
    /// A piece of its own.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// The same with one more parameter.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Puts a piece behind it.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Puts a piece with parameters behind it.
    pub fn add(&mut self, other: &Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.values.extend(other.values.iter().cloned());
        self
    }

    /// Turned round; what is not known (NULL) counts as not so.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { text: format!("NOT ifnull(({}), 0)", self.text), values: self.values }
    }

    /// Pieces with a word between them.
    pub fn joined(pieces: &[Self], between: &str) -> Self {
        let mut out = Self::default();
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                out.push(between);
            }
            out.add(piece);
        }
        out
    }
}

/// A pattern of the language as SQLite's GLOB: only `*` means something.
pub fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '?' | '[' => out.extend(['[', c, ']']),
            other => out.push(other),
        }
    }
    out
}

/// A column that begins so, as a range that an index can answer.
pub fn begins(column: &str, head: &str) -> Sql {
    Sql::new(format!("{column} >= ? AND {column} < ?"))
        .with(head.to_owned())
        .with(format!("{head}\u{10ffff}"))
}
