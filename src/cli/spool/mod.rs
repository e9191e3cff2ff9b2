//! `portcullis spool`: messages that are ours to deliver.

mod verb;

pub(super) use verb::{Options, run};
