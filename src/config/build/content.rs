//! `content.toml`.

use super::authentication;
use super::common::Others;
use crate::config::file::Document;
use crate::config::model::Content;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Content> {
    let top = document.top()?;
    top.finish();
    Some(Content { authentication: authentication::build(&document.table("authentication")?, others) })
}
