//! `[signatures]` of `attachments.toml`.

use super::common::Others;
use super::folder;
use crate::config::file::Table;
use crate::config::model::{SignatureError, SignatureRules};

/// Builds it.
pub fn build(table: &Table<'_>, others: &Others<'_>) -> SignatureRules {
    let defaults = SignatureRules::default();
    let quarantine = table.word("action").is_some_and(|word| word.value == "quarantine");
    let folder =
        table.text("folder").filter(|got| got.given).and_then(|_| folder::known(table, "folder", others));
    let rules = SignatureRules {
        mode: table.mode("mode"),
        quarantine,
        folder: folder.map_or(defaults.folder, |got| got.value),
        timeout: table.duration("timeout").value,
        on_error: match table.word("on_error").map(|word| word.value) {
            Some("quarantine") => SignatureError::Quarantine,
            Some("pass-tagged") => SignatureError::PassTagged,
            _ => SignatureError::Tempfail,
        },
    };
    table.finish();
    rules
}
