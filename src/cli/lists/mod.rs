//! `portcullis block`, `unblock`, `allow`, `unallow` and `blocks list`: entries of the lists that `[access]` names.
//!
//! The files are those that an admin edits by hand, and stay so. A change is made under a lock, tried out on the
//! whole rules directory before it is written, written whole or not at all, and never over a change of somebody
//! else; then the running gateway reads its rules again. If it refuses them, the file becomes what it was.

mod add;
mod change;
mod effect;
mod matched;
mod options;
mod remove;
mod show;
mod warn;

pub(super) use add::{allow, block};
pub(super) use options::{Allow, Block, List, Remove};
pub(super) use remove::{unallow, unblock};
pub(super) use show::list;
