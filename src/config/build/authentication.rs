//! `[authentication]` of `content.toml`.

use crate::config::file::Table;
use crate::config::model::Authentication;

/// Builds the table.
pub fn build(table: &Table<'_>) -> Authentication {
    table.finish();
    Authentication {}
}
