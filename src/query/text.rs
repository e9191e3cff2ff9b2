//! Values that are text: addresses, names, and words of subjects.

use super::error::QueryError;
use super::fields::Field;
use super::term::Text;
use super::words::Value;
use crate::mail::Domain;

/// Letters and digits before the `*` of a word at least: with fewer, half of all messages would be looked at.
const PREFIX_CHARS_MIN: usize = 2;

/// A text of a field; lower case, domains as A-labels.
pub fn text(field: Field, value: &Value) -> Result<Text, QueryError> {
    let lower = value.text.to_lowercase();
    if value.wild && value.star {
        let expected = "quotes around the whole text, without other *";
        return Err(QueryError::new(
            value.column,
            "a `*` for itself beside one for any characters",
            expected,
        ));
    }
    if value.wild {
        return Ok(Text::Glob(lower));
    }
    if value.quoted {
        return Ok(if lower.is_empty() { Text::Empty } else { Text::Exact(lower) });
    }
    match field {
        Field::From | Field::HeaderFrom | Field::Rcpt => mailbox(field, value, &lower),
        Field::Helo | Field::User => {
            if let Some(below) = lower.strip_prefix('.') {
                return domain(field, value, below).map(Text::Below);
            }
            match lower.strip_prefix('@') {
                Some(of) => domain(field, value, of).map(Text::Domain),
                None => Ok(Text::Exact(lower)),
            }
        }
        Field::MessageId => match unbracketed(&lower) {
            "" => Ok(Text::Empty),
            id => Ok(Text::Exact(id.to_owned())),
        },
        _ => Ok(Text::Exact(lower)),
    }
}

/// Without the angle brackets around it.
fn unbracketed(text: &str) -> &str {
    text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text)
}

fn mailbox(field: Field, value: &Value, text: &str) -> Result<Text, QueryError> {
    let text = unbracketed(text);
    if text.is_empty() {
        return Ok(Text::Empty);
    }
    if let Some(of) = text.strip_prefix('@') {
        return domain(field, value, of).map(Text::Domain);
    }
    if let Some(below) = text.strip_prefix('.') {
        return domain(field, value, below).map(Text::Below);
    }
    match text.rsplit_once('@') {
        Some((local, host)) => {
            let host = Domain::parse(host.as_bytes()).map_or_else(|_| host.to_owned(), |d| d.to_string());
            Ok(Text::Exact(format!("{local}@{host}")))
        }
        None if text.contains('.') => domain(field, value, text).map(Text::Domain),
        None => Ok(Text::Glob(format!("{text}@*"))),
    }
}

fn domain(field: Field, value: &Value, text: &str) -> Result<String, QueryError> {
    Domain::parse(text.as_bytes()).map(|domain| domain.to_string()).map_err(|error| {
        let what = format!("`{}` is no domain: {error}", crate::mail::escape(value.text.as_bytes()));
        QueryError::new(value.column, what, field.expected())
    })
}

/// A value in which `*` has no meaning; lower case.
pub fn plain(field: Field, value: &Value) -> Result<String, QueryError> {
    if value.wild {
        let what = format!("`{}:` takes no `*`", field.name());
        return Err(QueryError::new(value.column, what, field.expected()));
    }
    if value.text.is_empty() {
        let what = format!("`{}:` has no value", field.name());
        return Err(QueryError::new(value.column, what, field.expected()));
    }
    Ok(value.text.to_lowercase())
}

/// Words to be looked for: one letter or digit at least, `*` at the end only.
pub fn phrase(value: &Value) -> Result<String, QueryError> {
    let body = value.text.strip_suffix('*').unwrap_or(&value.text);
    if !value.quoted && body.contains('*') {
        let expected = "it at the end of a word, as in invoi*";
        return Err(QueryError::new(
            value.column,
            "a `*` at the beginning or in the middle of a word",
            expected,
        ));
    }
    let letters = body.chars().rev().skip_while(|c| !c.is_alphanumeric());
    let letters = letters.take_while(|c| c.is_alphanumeric()).count();
    if letters == 0 {
        return Err(QueryError::new(
            value.column,
            "no letter or digit to look for",
            "a word, or a phrase in quotes",
        ));
    }
    if body.len() < value.text.len() && letters < PREFIX_CHARS_MIN {
        let what = format!("fewer than {PREFIX_CHARS_MIN} letters before the `*`");
        return Err(QueryError::new(value.column, what, "a longer beginning of the word"));
    }
    Ok(value.text.clone())
}
