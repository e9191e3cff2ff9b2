//! Block lists: an address at connect (and at MAIL, for lists that changed under an open session), a reverse name, a
//! HELO name, a sender, a user, a recipient, a mailbox of `From:`.
//!
//! An entry speaks of itself alone: it counts no ban points, so that who writes to us through a large provider does
//! not get the provider banned, and who is taken off a list is not banned for having been on it.

use super::check::Check;
use super::common::later;
use super::lists::{ask_for, finding, hits, subject};
use crate::config::model::{Policy, QuarantineFolder};
use crate::reply::catalogue;
use crate::rules::{BlockAction, Hit, Kind, List, Subject};
use crate::verdict::{Effect, Fact, Facts, Finding, Folder, Needs, Source, Stage, Verdict};

/// The check.
pub struct Blocks;

impl Check for Blocks {
    fn id(&self) -> &'static str {
        "block"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Message]
    }

    fn needs(&self, stage: Stage, policy: &Policy) -> Needs {
        let names = stage == stage_of_names(policy) && ask_for(&policy.protocol.block, Kind::ReverseName);
        if names { Needs::REVERSE_NAME } else { Needs::NONE }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let ask = Ask { stage, facts, policy };
        match stage {
            Stage::Connect => ask.client(findings),
            Stage::Helo => ask.hello(findings),
            Stage::Mail => {
                ask.client(findings);
                ask.sender(findings);
            }
            Stage::Rcpt => ask.recipient(findings),
            Stage::Message => ask.header_from(findings),
            Stage::Auth | Stage::Data => {}
        }
    }
}

/// Where the reverse name is looked at: as late as its answer allows, so that nobody waits for it.
fn stage_of_names(policy: &Policy) -> Stage {
    if policy.protocol.answer_at == Stage::Connect { Stage::Connect } else { Stage::Mail }
}

struct Ask<'a> {
    stage: Stage,
    facts: &'a Facts<'a>,
    policy: &'a Policy,
}

impl Ask<'_> {
    fn client(&self, findings: &mut Vec<Finding>) {
        self.list("block-address", Kind::Address, Subject::Address(self.facts.client.ip), findings);
        if self.stage == stage_of_names(self.policy)
            && let Fact::Known(name) = &self.facts.client.name
        {
            self.list("block-reverse-name", Kind::ReverseName, Subject::Name(name.as_bytes()), findings);
        }
    }

    fn hello(&self, findings: &mut Vec<Finding>) {
        if let Some(name) = self.facts.hello {
            self.list("block-hello", Kind::Hello, Subject::Name(name), findings);
        }
    }

    fn sender(&self, findings: &mut Vec<Finding>) {
        if let Some(user) = self.facts.user {
            self.list("block-user", Kind::User, Subject::Name(user.as_bytes()), findings);
        }
        if let Some(sender) = self.facts.sender {
            self.list("block-sender", Kind::Sender, subject(sender), findings);
        }
    }

    fn recipient(&self, findings: &mut Vec<Finding>) {
        if let Some(recipient) = self.facts.recipient {
            self.list("block-recipient", Kind::Recipient, subject(recipient), findings);
        }
    }

    fn header_from(&self, findings: &mut Vec<Finding>) {
        for mailbox in self.facts.message.iter().flat_map(|m| &m.header_from) {
            self.list("block-header-from", Kind::HeaderFrom, Subject::Mailbox(mailbox), findings);
        }
        let cut = self.facts.message.is_some_and(|m| m.header_from_cut);
        if cut && ask_for(&self.policy.protocol.block, Kind::HeaderFrom) {
            // Somebody hides a blocked author behind many others: a real message has one or two.
            let reason = "more mailboxes in From: than are read, and some authors are blocked";
            let verdict = Verdict::Reject(catalogue::BLOCKED.reply());
            let source = Source::built_in();
            findings.push(Finding::new("block-header-from", self.stage, verdict, source, reason));
        }
    }

    /// Adds what the lists say, up to the first entry that is in force.
    fn list(&self, id: &str, kind: Kind, subject: Subject<'_>, findings: &mut Vec<Finding>) {
        if findings.iter().any(Finding::refuses) {
            return;
        }
        for (list, hit) in hits(&self.policy.protocol.block, kind, subject, self.facts) {
            let found = self.refusal(id, kind, list, hit);
            let decided = found.enforced;
            findings.push(found);
            if decided {
                return;
            }
        }
    }

    fn refusal(&self, id: &str, kind: Kind, list: &List, hit: Hit<'_>) -> Finding {
        let connect = self.stage == Stage::Connect && kind == Kind::Address;
        let entry = match hit.attributes.action {
            BlockAction::Tempfail => catalogue::BLOCKED_FOR_NOW,
            BlockAction::Reject | BlockAction::Drop if connect => catalogue::CLIENT_BLOCKED,
            BlockAction::Reject | BlockAction::Drop | BlockAction::Quarantine => catalogue::BLOCKED,
        };
        let reply = match &hit.attributes.text {
            Some(text) => entry.reply().with_text(text),
            None => entry.reply(),
        };
        let verdict = match hit.attributes.action {
            BlockAction::Reject => Verdict::Reject(reply),
            BlockAction::Tempfail => Verdict::TempFail(reply),
            BlockAction::Drop => Verdict::Disconnect(reply),
            BlockAction::Quarantine => Verdict::Quarantine(Folder(QuarantineFolder::POLICY.into())),
        };
        let found = finding(id, self.stage, verdict, list, hit);
        let silent = connect && hit.attributes.action == BlockAction::Drop && found.enforced;
        let found = if silent { found.with(Effect::Silent) } else { found };
        // An address is refused where it is seen, everything else where the log has the envelope.
        let address = kind == Kind::Address;
        found.answered_at(if address { self.stage } else { later(self.stage, self.policy) })
    }
}
