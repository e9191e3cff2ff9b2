//! Allow lists: who is on one is asked no policy checks any more, for the session (client), the transaction (sender,
//! user) or the recipient. Guards and malware scanners are asked all the same.
//!
//! A sender is a claim: an entry counts where the client authenticated, or says `auth=any`; and at the message, where
//! SPF or DKIM prove the domain. An author is a claim that only they can prove: entries of authors count there.

use super::check::Check;
use super::lists::{ask_for, finding, hits, subject};
use crate::config::model::Policy;
use crate::mail::{Domain, Mailbox, Path};
use crate::rules::{Kind, Subject};
use crate::verdict::{Fact, Facts, Finding, Needs, Stage, Verdict};

/// The check.
pub struct AllowLists;

impl Check for AllowLists {
    fn id(&self) -> &'static str {
        "allow"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Mail, Stage::Rcpt, Stage::Message]
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
        if stage == Stage::Message {
            ask.proved(findings);
            return;
        }
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
    /// Senders and authors whose domain is proved.
    fn proved(&self, findings: &mut Vec<Finding>) {
        let Some(message) = self.facts.message else { return };
        let domain = |mailbox: &Mailbox| mailbox.domain().map(Domain::as_str).unwrap_or_default().to_owned();
        if let Some(Path::Mailbox { mailbox, .. }) = self.facts.sender
            && message.authentication.proves_sender(&domain(mailbox))
            && self.list("allow-sender", Kind::Sender, Subject::Mailbox(mailbox), findings)
        {
            return;
        }
        // All of them, or whoever is not on the list comes with one that is.
        if message.authentication.is_aligned() && !message.header_from_cut {
            let mut authors = message.header_from.iter();
            let first = authors.next();
            if let (Some(author), None) = (first, authors.next()) {
                self.list("allow-header-from", Kind::HeaderFrom, Subject::Mailbox(author), findings);
            }
        }
    }

    /// True when an entry lets it pass.
    fn list(&self, id: &str, kind: Kind, subject: Subject<'_>, findings: &mut Vec<Finding>) -> bool {
        for (list, hit) in hits(&self.policy.protocol.allow, kind, subject, self.facts) {
            let proved = self.facts.authenticated || self.stage == Stage::Message;
            if kind == Kind::Sender && !proved && !hit.attributes.auth_any {
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

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy_of, stranger};
    use super::*;
    use crate::verdict::{AuthResult, Authentication, MessageFacts};

    #[test]
    fn a_sender_that_is_proved_is_on_the_list_at_the_message() {
        let policy = policy_of(&[("lists/allow.list", "friend.example\nheader-from:boss@author.example\n")]);
        let client = stranger();
        let sender = Path::parse(b"<a@friend.example>").unwrap().0;
        let author = |text: &[u8]| Mailbox::parse(text).unwrap();
        let asked = |authentication: Authentication, header_from: Vec<Mailbox>| {
            let message = MessageFacts { authentication, header_from, ..MessageFacts::default() };
            let facts = Facts { message: Some(&message), sender: Some(&sender), ..facts(&client, None) };
            let found = ask_one(&AllowLists, Stage::Message, &facts, &policy);
            found.first().map(|finding| finding.id.to_string())
        };
        let spf = |result, domain: &str| Authentication {
            spf: result,
            spf_domain: domain.into(),
            ..Authentication::default()
        };
        assert_eq!(asked(spf(AuthResult::Pass, "friend.example"), vec![]).as_deref(), Some("allow-sender"));
        for told in [
            spf(AuthResult::Fail, "friend.example"),
            spf(AuthResult::Pass, "other.example"),
            Authentication::default(),
        ] {
            assert_eq!(asked(told, vec![]), None);
        }
        let aligned = Authentication { spf_aligned: true, ..spf(AuthResult::Pass, "author.example") };
        let boss = author(b"boss@author.example");
        assert_eq!(asked(aligned.clone(), vec![boss.clone()]).as_deref(), Some("allow-header-from"));
        assert_eq!(asked(aligned.clone(), vec![boss.clone(), author(b"x@author.example")]), None);
        assert_eq!(asked(aligned, vec![author(b"x@author.example")]), None);
        assert_eq!(asked(Authentication::default(), vec![boss]), None);
    }
}
