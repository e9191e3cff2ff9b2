//! `sender.unresolvable`: a sender whose domain has neither MX nor A nor AAAA, or a null MX (RFC 7505), can get no
//! answer and no bounce. Where DNS does not say, for now.

use super::check::Check;
use super::common::switch;
use crate::config::model::Policy;
use crate::mail::{Mailbox, Path};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Fact, Facts, Finding, Needs, Stage};

/// The check.
pub struct SenderDomain;

impl Check for SenderDomain {
    fn id(&self) -> &'static str {
        "sender-domain"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail]
    }

    fn needs(&self, _: Stage, policy: &Policy) -> Needs {
        if policy.protocol.sender.unresolvable == Mode::Off { Needs::NONE } else { Needs::SENDER_DOMAIN }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.protocol.sender.unresolvable;
        if mode == Mode::Off {
            return;
        }
        let Some(domain) = facts.sender.and_then(Path::mailbox).and_then(Mailbox::domain) else { return };
        let (entry, why) = match facts.gathered.sender_domain {
            Fact::Known(true) => return,
            Fact::Known(false) => (catalogue::SENDER_DOMAIN, "has no MX, A or AAAA record"),
            Fact::Absent => (catalogue::SENDER_DOMAIN, "takes no mail (null MX)"),
            Fact::Unknown(_) => (catalogue::LOOKUP_FAILED, "could not be looked up"),
        };
        findings.push(switch(self.id(), stage, policy, mode, entry, format!("{domain} {why}")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, path, policy, shown, stranger};
    use super::*;
    use crate::verdict::{Cause, Gathered};

    #[test]
    fn each_answer_of_dns_in_each_mode() {
        let mut policy = policy("");
        let client = stranger();
        let (known, unknown) = (Fact::Known, Fact::Unknown(Cause::Timeout));
        for (sender, sender_domain, mode, want) in [
            ("<a@b.example>", known(true), Mode::On, ""),
            ("<a@b.example>", known(false), Mode::On, "sender-domain 550@Rcpt"),
            ("<a@b.example>", Fact::Absent, Mode::On, "sender-domain 550@Rcpt"),
            ("<a@b.example>", unknown.clone(), Mode::On, "sender-domain 451@Rcpt"),
            ("<a@b.example>", unknown, Mode::Log, "(sender-domain 451@Rcpt)"),
            ("<a@b.example>", known(false), Mode::Log, "(sender-domain 550@Rcpt)"),
            ("<a@b.example>", known(false), Mode::Off, ""),
            ("<>", known(false), Mode::On, ""),
            ("<a@[192.0.2.1]>", known(false), Mode::On, ""),
        ] {
            policy.protocol.sender.unresolvable = mode;
            let gathered = Gathered { sender_domain, ..Gathered::NOTHING };
            let facts = Facts { sender: Some(&path(sender)), gathered: &gathered, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&SenderDomain, Stage::Mail, &facts, &policy)), want, "{sender}");
            let needed = SenderDomain.needs(Stage::Mail, &policy) == Needs::SENDER_DOMAIN;
            assert_eq!(needed, mode != Mode::Off);
        }
    }
}
