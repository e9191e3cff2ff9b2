//! From characters to words: signs of negation, fields, comparisons and values, each with its column.

use super::error::QueryError;
use super::fields::{Field, field};
use super::term::Comparison;
use crate::rules::nearest;

/// A word of a query.
#[derive(Debug, Clone)]
pub struct Word {
    /// Where it begins.
    pub column: usize,
    /// `-` stands before it.
    pub not: bool,
    /// The field; `None` is a bare word.
    pub field: Option<Field>,
    /// The comparison before the value.
    pub comparison: Option<Comparison>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, Default)]
pub struct Value {
    /// Where it begins.
    pub column: usize,
    /// Without its quotes and what they escape.
    pub text: String,
    /// It stood in quotes.
    pub quoted: bool,
    /// A `*` in it stands for any characters.
    pub wild: bool,
    /// A `*` in it stands for itself.
    pub star: bool,
}

impl Word {
    /// Whether it is this bare word, without quotes, case aside.
    pub fn is(&self, word: &str) -> bool {
        self.field.is_none() && !self.value.quoted && self.value.text.eq_ignore_ascii_case(word)
    }
}

/// Reads one word after the other.
pub struct Words {
    chars: Vec<char>,
    at: usize,
}

impl Words {
    /// Of a query.
    pub fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0 }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn at_blank(&self) -> bool {
        self.peek().is_none_or(char::is_whitespace)
    }

    fn column(&self) -> usize {
        self.at + 1
    }

    /// The next word.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn next(&mut self) -> Result<Option<Word>, QueryError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let column = self.column();
        if self.peek().is_none() {
            return Ok(None);
        }
        let not = self.take_if('-');
        if not && self.at_blank() {
            return Err(QueryError::new(
                column,
                "nothing stands behind the `-`",
                "a term, as in -from:bob@example.com",
            ));
        }
        let field = self.field()?;
        let comparison = if field.is_some_and(Field::compares) { self.comparison() } else { None };
        let value = self.value(field)?;
        Ok(Some(Word { column, not, field, comparison, value }))
    }

    /// `name:`, or the name of a field that compares and a comparison.
    fn field(&mut self) -> Result<Option<Field>, QueryError> {
        let is_name = |c: &char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
        let name: String = self.chars.iter().skip(self.at).copied().take_while(|c| is_name(c)).collect();
        let behind = self.chars.get(self.at + name.len()).copied();
        let found = field(&name);
        match behind {
            Some(':') if found.is_some() => {
                self.at += name.len() + 1;
                Ok(found)
            }
            Some('<' | '>' | '=') if found.is_some_and(Field::compares) => {
                self.at += name.len();
                Ok(found)
            }
            Some(':') if !name.is_empty() => Err(self.unknown_field(&name)),
            _ => Ok(None),
        }
    }

    fn unknown_field(&self, name: &str) -> QueryError {
        let near = super::fields::synonym(name).or_else(|| nearest(name, super::fields::fields()));
        let what = format!("there is no field `{}`", crate::mail::escape(name.as_bytes()));
        let expected = "one of the fields, or quotes around what is to be looked for as it stands";
        QueryError::new(self.column(), what, expected).near(near.map(|near| format!("{near}:")))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        if self.take_if('<') {
            return Some(if self.take_if('=') { Comparison::AtMost } else { Comparison::Less });
        }
        if self.take_if('>') {
            return Some(if self.take_if('=') { Comparison::AtLeast } else { Comparison::More });
        }
        self.take_if('=').then_some(Comparison::Equal)
    }

    fn value(&mut self, field: Option<Field>) -> Result<Value, QueryError> {
        let column = self.column();
        if self.take_if('"') {
            return self.quoted(column);
        }
        let mut value = Value { column, ..Value::default() };
        while !self.at_blank() {
            let c = self.peek().unwrap_or_default();
            if c == '"' {
                let expected = "them around the whole value, as in from:\"a b@example.com\"";
                return Err(QueryError::new(self.column(), "quotes in the middle of a value", expected));
            }
            value.wild |= c == '*';
            value.text.push(c);
            self.at += 1;
        }
        match field {
            Some(field) if value.text.is_empty() => {
                let what = format!("`{}:` has no value", field.name());
                Err(QueryError::new(column, what, field.expected()))
            }
            _ => Ok(value),
        }
    }

    /// What stands behind the first quote, to the second.
    fn quoted(&mut self, column: usize) -> Result<Value, QueryError> {
        let mut value = Value { column, quoted: true, ..Value::default() };
        loop {
            let Some(c) = self.peek() else {
                return Err(QueryError::new(column, "the quotes are not closed", "a second \""));
            };
            self.at += 1;
            match (c, self.peek()) {
                ('"', _) => break,
                ('\\', Some(escaped @ ('"' | '\\' | '*'))) => {
                    self.at += 1;
                    value.star |= escaped == '*';
                    value.text.push(escaped);
                }
                _ => {
                    value.wild |= c == '*';
                    value.text.push(c);
                }
            }
        }
        if self.at_blank() {
            Ok(value)
        } else {
            Err(QueryError::new(self.column(), "something stands right behind the quotes", "a blank there"))
        }
    }
}
