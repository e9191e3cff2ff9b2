//! `portcullis held`: messages that no scanner has judged yet, and that are scanned again by themselves.

mod verb;

pub(super) use verb::{Options, run};
