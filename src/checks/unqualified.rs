//! A sender without a domain: every server behind would add its own.

use super::check::Check;
use super::common::switch;
use crate::config::model::Policy;
use crate::mail::{Host, Path};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Facts, Finding, Stage};

/// The check.
pub struct UnqualifiedSender;

impl Check for UnqualifiedSender {
    fn id(&self) -> &'static str {
        "unqualified-sender"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.protocol.syntax.unqualified_sender;
        let bare = || facts.sender.and_then(Path::mailbox).is_some_and(|m| *m.host() == Host::Unqualified);
        if mode != Mode::Off && bare() {
            let entry = catalogue::UNQUALIFIED_SENDER;
            findings.push(switch(self.id(), stage, policy, mode, entry, "sender without a domain"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, path, policy, shown, stranger};
    use super::*;

    #[test]
    fn in_each_mode() {
        let mut policy = policy("");
        let client = stranger();
        for (sender, mode, want) in [
            ("<a>", Mode::On, "unqualified-sender 553@Rcpt"),
            ("<a>", Mode::Log, "(unqualified-sender 553@Rcpt)"),
            ("<a>", Mode::Off, ""),
            ("<>", Mode::On, ""),
            ("<a@b.example>", Mode::On, ""),
            ("<a@[192.0.2.1]>", Mode::On, ""),
        ] {
            policy.protocol.syntax.unqualified_sender = mode;
            let facts = Facts { sender: Some(&path(sender)), ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&UnqualifiedSender, Stage::Mail, &facts, &policy)), want, "{sender}");
        }
    }
}
