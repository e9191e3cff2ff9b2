//! The query language of every command that picks messages: `from:*@x rcpt:bob@y folder:virus age:<2d "invoice"`.
//!
//! Pure: text in, a [`Query`] or a [`QueryError`] with its place out. Words stand for "and"; `-word` or `not word` is
//! the opposite. Who executes a query is not known here. Failure: the first mistake, its column, what was expected and
//! the nearest word.

mod term;

pub use term::{Comparison, Query, State, Term, Text, What};
