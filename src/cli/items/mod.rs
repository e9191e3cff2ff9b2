//! What the verbs of `quarantine`, `spool` and `held` have in common: whom they ask, how messages are named, how lists
//! are shown, and how work on many messages is begun, watched and left alone.

mod ask;
mod bulk;
mod interrupt;
mod offline;
mod pick;
mod rows;
mod shown;
mod terminal;
mod when;

pub(super) use ask::Asker;
pub(super) use bulk::{Bulk, told, watched, work};
pub(super) use pick::{Words, named, negations, pick};
pub(super) use rows::{Paging, json_row, list};
pub(super) use shown::show;
pub(super) use terminal::plain;
pub(super) use when::ago;
