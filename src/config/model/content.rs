//! `content.toml`. The defaults are those of the table of keys; a test compares the two.

use std::sync::Arc;

/// Everything of `content.toml`.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// What gives a message its score.
    pub score: Arc<super::score::Score>,
    /// What is made of sender authentication.
    pub authentication: super::authentication::Authentication,
}
