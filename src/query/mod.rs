//! The query language of every command that picks messages: `from:*@x rcpt:bob@y folder:virus age:<2d "invoice"`.
//!
//! Pure: text in, a [`Query`] or a [`QueryError`] with its place out. Who executes a query is not known here. Failure:
//! the first mistake, its column, what was expected and the nearest word. A query has at most [`QUERY_OCTETS_MAX`]
//! octets and [`TERMS_MAX`] terms.
//!
//! # The language
//!
//! - Terms are joined by blanks and all of them hold. `-term` and `not term` turn one round.
//! - `field:value`; [`fields`] names them. A value with blanks, and one that is to be taken as it stands, is put in
//!   quotes; in quotes `\"`, `\\` and `\*` stand for these characters, any other `\` for itself.
//! - `*` stands for any characters, also none; in subjects and bare words only at the end of a word.
//! - `from:`, `header-from:`, `rcpt:`: `bob@example.com`; `@example.com` or `example.com` is every mailbox of that
//!   domain, `.example.com` of the names below it; `<>` is the null sender; `bob` is `bob@*`. In quotes a value without
//!   `*` is the whole address.
//! - `size:`, `age:`, `score:` and `received:` compare: `size:>1M` (or `size>1M`), `age:<2d 4h`, `score:>=5`,
//!   `received:2026-11-21`, `received:>=2026-11-21T10:00`, `received:2026-11-01..2026-11-21` (the last day counts).
//!   A date is one of the reader's time zone, unless `Z` stands behind it; it is as long as it is exact: a year, a
//!   month, a day, an hour, a minute, a second.
//! - A bare word or "phrase" is looked for in subject and addresses, word by word, case and accents aside.
//!
//! # References
//!
//! What people type behind `show` and `release` is references: `7F3K9QAB 7F3K`. A bare word *looks like* a reference
//! where it has 4 to 8 characters of those that references have (`I`, `L` and `O` read as 1, 1 and 0) and a digit among
//! them, or is capital letters of their alphabet alone, as references are shown. Where every bare word of a query looks like one, these are
//! references, else all of them are words: `invoice 2026` is two words, `2026` alone is a reference and `"2026"` a word.
//! An item has one reference, so several (also behind `id:`) stand for any of them.

mod error;
mod fields;
mod measure;
mod parse;
mod show;
mod term;
mod text;
mod words;

pub use error::QueryError;
pub use fields::fields;
pub use parse::{QUERY_OCTETS_MAX, TERMS_MAX, parse};
pub use term::{Comparison, Query, State, Term, Text, What};

#[cfg(test)]
mod tests;
