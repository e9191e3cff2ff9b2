//! `scanners.toml`. The defaults are those of the table of keys; a test compares the two.

/// Everything of `scanners.toml`.
#[derive(Debug, Clone, Default)]
pub struct Scanning {}
