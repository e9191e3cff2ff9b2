//! A message from `<>` is a notification to the one who sent something (RFC 5321 section 4.5.5). To many recipients it
//! is none.

use super::check::Check;
use super::common::switch;
use crate::config::model::Policy;
use crate::mail::Path;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Facts, Finding, Stage};

/// The check.
pub struct NullSender;

impl Check for NullSender {
    fn id(&self) -> &'static str {
        "null-sender"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Rcpt]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let rules = &policy.protocol.sender;
        let most = rules.null_recipients.max(1);
        let null = facts.sender == Some(&Path::Null);
        if rules.null_sender == Mode::Off || !null || facts.accepted_recipients < most {
            return;
        }
        let reason = format!("a message from <> has at most {most} recipients");
        let entry = catalogue::NULL_SENDER_MANY;
        findings.push(switch(self.id(), stage, policy, rules.null_sender, entry, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, path, policy, shown, stranger};
    use super::*;

    #[test]
    fn the_recipient_beyond_the_bound_is_refused() {
        let mut policy = policy("");
        policy.protocol.sender.null_recipients = 2;
        let client = stranger();
        for (sender, accepted_recipients, mode, want) in [
            ("<>", 1, Mode::On, ""),
            ("<>", 2, Mode::On, "null-sender 550@Rcpt"),
            ("<>", 2, Mode::Log, "(null-sender 550@Rcpt)"),
            ("<>", 2, Mode::Off, ""),
            ("<a@b.example>", 2, Mode::On, ""),
        ] {
            policy.protocol.sender.null_sender = mode;
            let facts = Facts { sender: Some(&path(sender)), accepted_recipients, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&NullSender, Stage::Rcpt, &facts, &policy)), want);
        }
    }
}
