//! `[authentication]` of `content.toml`.

/// What is made of sender authentication.
#[derive(Debug, Clone, Default)]
pub struct Authentication {}
