//! What an admin lets pass.

use crate::reply::catalogue;
use crate::smtp::command::{Command, Violations};

/// Which violations are taken, and told in [`Violations`], instead of being refused.
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

impl Tolerance {
    /// A command with a violation of syntax that is not tolerated is as one that does not parse.
    #[must_use]
    pub fn strictly(self, command: Command) -> Command {
        let bad = |v: Violations| {
            (v.missing_brackets && !self.missing_brackets) || (v.space_after_colon && !self.space_after_colon)
        };
        match command {
            Command::Mail(mail) if bad(mail.violations) => Command::Bad(catalogue::BAD_SENDER),
            Command::Rcpt(rcpt) if bad(rcpt.violations) => Command::Bad(catalogue::BAD_RECIPIENT),
            other => other,
        }
    }
}
