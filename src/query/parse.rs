//! From text to a query.

use super::error::QueryError;
use super::fields::Field;
use super::term::{Query, State, Term, What};
use super::text::{phrase, plain, text};
use super::words::{Value, Word, Words};
use super::{measure, show};
use crate::mail::{Id, unmapped};
use crate::rules::nearest;
use crate::verdict::Direction;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use std::net::IpAddr;

/// Longest query in octets.
pub const QUERY_OCTETS_MAX: usize = 4096;
/// Most terms of a query.
pub const TERMS_MAX: usize = 64;
/// Shortest beginning of a digest.
const DIGEST_DIGITS_MIN: usize = 4;

/// Reads a query. Dates are those of `zone`; `now_ms` (milliseconds since 1970) is what `today` means.
///
/// # Errors
/// The first mistake, with its column.
pub fn parse(text: &str, now_ms: i64, zone: &TimeZone) -> Result<Query, QueryError> {
    read(text, now_ms, zone).map_err(|error| QueryError { query: text.to_owned(), ..error })
}

fn read(text: &str, now_ms: i64, zone: &TimeZone) -> Result<Query, QueryError> {
    if text.len() > QUERY_OCTETS_MAX {
        let what = format!("the query has over {QUERY_OCTETS_MAX} octets");
        return Err(QueryError::new(1, what, "a shorter one"));
    }
    let words = words(text)?;
    let bare = |word: &&Word| word.field.is_none() && !word.value.quoted;
    let references = words.iter().filter(bare).all(|word| looks_like_reference(&word.value));
    let mut terms: Vec<Term> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if terms.len() == TERMS_MAX {
            let what = format!("the query has over {TERMS_MAX} terms");
            return Err(QueryError::new(word.column, what, "fewer"));
        }
        let more = words.get(at + 1..).unwrap_or_default();
        let (what, used) = match word.field {
            Some(Field::Age) => measure::age(word, more)?,
            Some(Field::Received) => (measure::received(word, now_ms, zone)?, 0),
            Some(field) => (what(field, word)?, 0),
            None if references && !word.value.quoted => (What::Id(prefix(Field::Id, &word.value)?), 0),
            None => (What::Words(phrase(&word.value)?), 0),
        };
        terms.push(Term { not: word.not, what });
        at += 1 + used;
    }
    Ok(Query { terms })
}

/// All words; `not` has become part of the one behind it.
fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    let (mut reader, mut words) = (Words::new(text), Vec::new());
    let mut not: Option<usize> = None;
    while let Some(mut word) = reader.next()? {
        if word.is("or") || word.is("||") || word.is("and") || word.is("&&") {
            let what = format!("`{}` is no word of the language", word.value.text);
            let expected = "terms joined by blanks, which all hold, or quotes around the word";
            return Err(QueryError::new(word.column, what, expected));
        }
        if word.is("not") {
            if word.not || not.is_some() {
                return Err(QueryError::new(word.column, "a term is turned round twice", "one `not` or `-`"));
            }
            not = Some(word.column);
            continue;
        }
        if let Some(column) = not.take() {
            if word.not {
                return Err(QueryError::new(word.column, "a term is turned round twice", "one `not` or `-`"));
            }
            word.not = true;
            word.column = column;
        }
        words.push(word);
    }
    match not {
        Some(column) => Err(QueryError::new(column, "nothing stands behind the `not`", "a term")),
        None => Ok(words),
    }
}

/// See the head of the module.
fn looks_like_reference(value: &Value) -> bool {
    show::looks_like_reference(&value.text)
}

fn prefix(field: Field, value: &Value) -> Result<String, QueryError> {
    let what = || format!("`{}` is no beginning of a reference", crate::mail::escape(value.text.as_bytes()));
    Id::prefix(&value.text).map_err(|_| QueryError::new(value.column, what(), field.expected()))
}

/// The condition of a field, but for ages and dates.
fn what(field: Field, word: &Word) -> Result<What, QueryError> {
    let value = &word.value;
    Ok(match field {
        Field::Id => What::Id(prefix(field, value)?),
        Field::Reference => What::Reference(prefix(field, value)?),
        Field::Folder => What::Folder(plain(field, value)?),
        Field::State => What::State(state(value)?),
        Field::From => What::From(text(field, value)?),
        Field::HeaderFrom => What::HeaderFrom(text(field, value)?),
        Field::Rcpt => What::Rcpt(text(field, value)?),
        Field::Subject => What::Subject(phrase(value)?),
        Field::Client => What::Client(network(value)?),
        Field::Helo => What::Helo(text(field, value)?),
        Field::User => What::User(text(field, value)?),
        Field::Rule => What::Rule(text(field, value)?),
        Field::Listener => What::Listener(plain(field, value)?),
        Field::Direction => What::Direction(direction(value)?),
        Field::MessageId => What::MessageId(text(field, value)?),
        Field::Digest => What::Digest(digest(value)?),
        Field::Tag => What::Tag(plain(field, value)?),
        Field::Like => What::Like(like(value)?),
        Field::Score => measure::score(word)?,
        Field::Size | Field::Age | Field::Received => measure::size(word)?,
    })
}

fn state(value: &Value) -> Result<State, QueryError> {
    let wanted = plain(Field::State, value)?;
    State::ALL.into_iter().find(|state| state.name() == wanted).ok_or_else(|| {
        let what = format!("there is no state `{}`", crate::mail::escape(value.text.as_bytes()));
        let near = nearest(&wanted, State::ALL.into_iter().map(State::name));
        QueryError::new(value.column, what, Field::State.expected()).near(near)
    })
}

fn direction(value: &Value) -> Result<Direction, QueryError> {
    match plain(Field::Direction, value)?.as_str() {
        "in" | "inbound" => Ok(Direction::Inbound),
        "out" | "outbound" => Ok(Direction::Outbound),
        other => {
            let what = format!("there is no direction `{}`", crate::mail::escape(value.text.as_bytes()));
            let near = nearest(other, ["inbound", "outbound", "in", "out"]);
            Err(QueryError::new(value.column, what, Field::Direction.expected()).near(near))
        }
    }
}

fn network(value: &Value) -> Result<IpNet, QueryError> {
    let text = value.text.trim_start_matches('[').trim_end_matches(']');
    let one = text.parse::<IpAddr>().map(|ip| IpNet::from(unmapped(ip)));
    one.or_else(|_| text.parse::<IpNet>().map(|net| net.trunc())).map_err(|_| {
        let what = format!("`{}` is no address or network", crate::mail::escape(value.text.as_bytes()));
        QueryError::new(value.column, what, Field::Client.expected())
    })
}

fn digest(value: &Value) -> Result<String, QueryError> {
    let digits = plain(Field::Digest, value)?;
    let good =
        (DIGEST_DIGITS_MIN..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let what = || format!("`{}` is no beginning of a digest", crate::mail::escape(value.text.as_bytes()));
    if good { Ok(digits) } else { Err(QueryError::new(value.column, what(), Field::Digest.expected())) }
}

fn like(value: &Value) -> Result<Id, QueryError> {
    let what = || format!("`{}` is no reference", crate::mail::escape(value.text.as_bytes()));
    value.text.parse().map_err(|_| QueryError::new(value.column, what(), Field::Like.expected()))
}
