//! `attachments.toml`.

use super::common::Others;
use crate::config::file::Document;
use crate::config::model::Attachments;

/// Builds all of it.
pub fn build(document: &Document<'_>, _others: &Others<'_>) -> Option<Attachments> {
    let top = document.top()?;
    top.finish();
    Some(Attachments {})
}
