//! `attachments.toml`. The defaults are those of the table of keys; a test compares the two.

use super::SignatureRules;

/// Everything of `attachments.toml`.
#[derive(Debug, Clone, Default)]
pub struct Attachments {
    /// `[signatures]`.
    pub signatures: SignatureRules,
}
