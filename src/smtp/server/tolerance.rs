//! What an admin lets pass.

/// Which violations are taken, and told in [`crate::smtp::command::Violations`], instead of being refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// A path without angle brackets; else 501.
    pub missing_brackets: bool,
    /// MAIL before HELO and EHLO; else 503.
    pub missing_hello: bool,
    /// A blank between the colon and the path; else 501.
    pub space_after_colon: bool,
}

impl Default for Tolerance {
    /// RFC 5321 by the letter, but for the blank behind the colon, which every server takes.
    fn default() -> Self {
        Self { missing_brackets: false, missing_hello: false, space_after_colon: true }
    }
}
