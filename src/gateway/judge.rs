//! Asking the checks before the message: facts in, a refusal or nothing out.

use super::session::Session;
use crate::checks;
use crate::reply::{Class, Reply};
use crate::smtp::command::Rcpt;
use crate::verdict::{Facts, Stage, Verdict, settle};

/// Findings of one transaction that are kept for its audit line.
const FINDINGS_MAX: usize = 200;

/// What a check said against the client before the message.
pub(super) struct Refusal {
    pub(super) reply: Reply,
    /// The session ends with it.
    pub(super) farewell: bool,
}

impl Session {
    /// Answers what a check refused outside of a group.
    pub(super) fn answer_refusal(&mut self, refusal: &Refusal) {
        self.counts.errors += u32::from(refusal.reply.class() == Class::Permanent);
        if refusal.farewell {
            self.server.close_after_answer();
        }
        self.answer(&refusal.reply);
    }

    /// Asks the checks of a stage. `Some` is a refusal; findings are kept.
    pub(super) fn judge(&mut self, stage: Stage, rcpt: Option<&Rcpt>) -> Option<Refusal> {
        let findings = {
            let facts = self.facts(rcpt);
            checks::run(stage, &facts, &self.generation.policy)
        };
        let settled = settle(&findings, stage);
        let refusing = settled.refuse.or(settled.pending);
        let refusal = refusing.and_then(|f| refusal_of(&f.verdict)).map(|refusal| {
            let reply = refusal.reply.with_reference(self.reference());
            Refusal { reply, ..refusal }
        });
        if let Some(transaction) = self.transaction.as_deref_mut() {
            let room = FINDINGS_MAX.saturating_sub(transaction.findings.len());
            transaction.findings.extend(findings.into_iter().take(room));
        }
        refusal
    }

    pub(super) fn facts<'a>(&'a self, rcpt: Option<&'a Rcpt>) -> Facts<'a> {
        let transaction = self.transaction.as_deref();
        Facts {
            client: &self.client,
            listener: &self.entrance.listener.name,
            direction: self.entrance.listener.direction,
            hello: self.hello.as_ref().map(|h| &*h.name),
            tls: self.tls.as_deref(),
            user: self.user.as_deref(),
            authenticated: self.authenticated,
            sender: transaction.map(|t| &t.mail.path),
            recipient: rcpt.map(|r| &r.path),
            accepted_recipients: transaction.map_or(0, |t| t.accepted().count()),
            declared_octets: transaction.and_then(|t| t.mail.facts.declared_octets),
            message: None,
            gathered: &self.gathered,
            conduct: &self.conduct,
            allowed: false,
            now: super::clock::unix_ms() / 1000,
        }
    }
}

/// The reply of a verdict that refuses; `None` lets the stage pass.
fn refusal_of(verdict: &Verdict) -> Option<Refusal> {
    let refusal = |reply: &Reply, farewell| Some(Refusal { reply: reply.clone(), farewell });
    match verdict {
        Verdict::TempFail(reply) | Verdict::Reject(reply) => refusal(reply, false),
        Verdict::Disconnect(reply) => refusal(reply, true),
        Verdict::Continue | Verdict::Accept | Verdict::Hold | Verdict::Quarantine(_) | Verdict::Discard => {
            None
        }
    }
}
