//! `policies.toml`. The defaults are those of the table of keys; a test compares the two.

/// Everything of `policies.toml`.
#[derive(Debug, Clone, Default)]
pub struct Policies {}
