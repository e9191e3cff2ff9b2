//! `portcullis quarantine`: messages that were kept instead of delivered. One file a verb.

mod cancel;
mod count;
mod delete;
mod digest;
mod expire;
mod export;
mod folder;
mod group;
mod import;
mod jobs;
mod list;
mod part;
mod rebuild;
mod release;
mod rescan;
mod stats;
mod undelete;
mod verb;
mod write;

pub(super) use folder::{Relocate, relocate};
pub(super) use release::{Options as Release, in_scope as release};
pub(super) use verb::{Options, run};
