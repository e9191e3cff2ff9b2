//! Allow lists: who is on one is asked no policy checks any more, for the session (client), the transaction (sender,
//! user) or the recipient. Guards and malware scanners are asked all the same.
//!
//! A sender is a claim: an entry counts only where the client authenticated, or says `auth=any`.

use super::check::Check;
use super::lists::{ask_for, finding, hits, subject};
use crate::config::model::Policy;
use crate::rules::{Kind, Subject};
use crate::verdict::{Fact, Facts, Finding, Needs, Stage, Verdict};

/// The check.
pub struct AllowLists;

impl Check for AllowLists {
    fn id(&self) -> &'static str {
        "allow"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Mail, Stage::Rcpt]
    }

    fn needs(&self, stage: Stage, policy: &Policy) -> Needs {
        // At connect the name counts where it is known already; nobody waits for it.
        let wanted = stage == Stage::Mail || (stage == Stage::Connect && policy.protocol.answer_at == stage);
        if wanted && ask_for(&policy.protocol.allow, Kind::ReverseName) {
            Needs::REVERSE_NAME
        } else {
            Needs::NONE
        }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let ask = Ask { stage, facts, policy };
        if stage == Stage::Rcpt {
            if let Some(recipient) = facts.recipient {
                ask.list("allow-recipient", Kind::Recipient, subject(recipient), findings);
            }
            return;
        }
        if ask.list("allow-address", Kind::Address, Subject::Address(facts.client.ip), findings) {
            return;
        }
        if let Fact::Known(name) = &facts.client.name
            && ask.list("allow-reverse-name", Kind::ReverseName, Subject::Name(name.as_bytes()), findings)
        {
            return;
        }
        if stage == Stage::Connect {
            return;
        }
        if let Some(user) = facts.user
            && ask.list("allow-user", Kind::User, Subject::Name(user.as_bytes()), findings)
        {
            return;
        }
        if let Some(sender) = facts.sender {
            ask.list("allow-sender", Kind::Sender, subject(sender), findings);
        }
    }
}

struct Ask<'a> {
    stage: Stage,
    facts: &'a Facts<'a>,
    policy: &'a Policy,
}

impl Ask<'_> {
    /// True when an entry lets it pass.
    fn list(&self, id: &str, kind: Kind, subject: Subject<'_>, findings: &mut Vec<Finding>) -> bool {
        for (list, hit) in hits(&self.policy.protocol.allow, kind, subject, self.facts) {
            if kind == Kind::Sender && !self.facts.authenticated && !hit.attributes.auth_any {
                continue;
            }
            let found = finding(id, self.stage, Verdict::Accept, list, hit);
            let allowed = found.enforced;
            findings.push(found);
            if allowed {
                return true;
            }
        }
        false
    }
}
