//! `scanners.toml`.

use super::common::Others;
use crate::config::file::Document;
use crate::config::model::Scanning;

/// Builds all of it.
pub fn build(document: &Document<'_>, _others: &Others<'_>) -> Option<Scanning> {
    let top = document.top()?;
    top.finish();
    Some(Scanning {})
}
