//! `content.toml`. The defaults are those of the table of keys; a test compares the two.

/// Everything of `content.toml`.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// What is made of sender authentication.
    pub authentication: super::authentication::Authentication,
}
