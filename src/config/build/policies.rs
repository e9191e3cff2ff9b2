//! `policies.toml`.

use super::common::Others;
use crate::config::file::Document;
use crate::config::model::Policies;

/// Builds all of it.
pub fn build(document: &Document<'_>, _others: &Others<'_>) -> Option<Policies> {
    let top = document.top()?;
    top.finish();
    Some(Policies {})
}
