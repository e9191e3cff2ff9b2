//! `content.toml`.

use super::common::Others;
use super::{authentication, score};
use crate::config::file::Document;
use crate::config::model::Content;
use std::sync::Arc;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Content> {
    let top = document.top()?;
    top.finish();
    Some(Content {
        score: Arc::new(score::build(document, others)?),
        authentication: authentication::build(&document.table("authentication")?, others),
    })
}
