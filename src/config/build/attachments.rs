//! `attachments.toml`.

use super::common::Others;
use super::signatures;
use crate::config::file::Document;
use crate::config::model::Attachments;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Attachments> {
    let top = document.top()?;
    top.finish();
    Some(Attachments { signatures: signatures::build(&document.table("signatures")?, others) })
}
