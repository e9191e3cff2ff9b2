//! `sender.own_domain`: one of our domains as the sender of a stranger. Forwarders and mailing lists that keep the
//! sender do that too, so it is off unless the admin knows of none.

use super::check::Check;
use super::common::{is_stranger, switch};
use crate::config::model::Policy;
use crate::mail::{Mailbox, Path};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Facts, Finding, Stage};

/// The check.
pub struct OwnDomainSender;

impl Check for OwnDomainSender {
    fn id(&self) -> &'static str {
        "own-domain-sender"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.protocol.sender.own_domain;
        if mode == Mode::Off || !is_stranger(facts) {
            return;
        }
        let domain = facts.sender.and_then(Path::mailbox).and_then(Mailbox::domain);
        if let Some(domain) = domain.filter(|d| policy.relay.domains.contains(d)) {
            let reason = format!("a stranger sends in the name of {domain}");
            findings.push(switch(self.id(), stage, policy, mode, catalogue::OWN_DOMAIN_SENDER, reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, path, policy, shown, stranger};
    use super::*;

    #[test]
    fn only_strangers_are_asked() {
        let mut policy = policy("[relay]\ndomains = [\"example.net\"]\n");
        let mut client = stranger();
        for (sender, mode, may_relay, authenticated, want) in [
            ("<a@example.net>", Mode::On, false, false, "own-domain-sender 550@Rcpt"),
            ("<a@example.net>", Mode::Log, false, false, "(own-domain-sender 550@Rcpt)"),
            ("<a@example.net>", Mode::Off, false, false, ""),
            ("<a@example.net>", Mode::On, true, false, ""),
            ("<a@example.net>", Mode::On, false, true, ""),
            ("<a@example.com>", Mode::On, false, false, ""),
            ("<>", Mode::On, false, false, ""),
        ] {
            policy.protocol.sender.own_domain = mode;
            client.may_relay = may_relay;
            let facts = Facts { sender: Some(&path(sender)), authenticated, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&OwnDomainSender, Stage::Mail, &facts, &policy)), want, "{sender}");
        }
    }
}
