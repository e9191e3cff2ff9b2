//! Asking the checks before the message: facts in, a refusal or nothing out.
//!
//! Owner of nothing: findings go to the session's standing or to its transaction. Failure: a check that panics is a
//! finding of its own, a temporary failure ([`checks::run`]).

use super::clock::unix_ms;
use super::session::Session;
use super::standing::Refusal;
use super::transaction::Group;
use crate::checks;
use crate::limits::{Kind, Offence};
use crate::reply::Class;
use crate::rules::Mode;
use crate::smtp::command::{Rcpt, Violations};
use crate::verdict::{Facts, Finding, Source, Stage, Verdict, kept, said, settle};

/// Findings of one transaction that are kept for its audit line.
const FINDINGS_MAX: usize = 200;

impl Session {
    /// Answers what a check refused outside of a group.
    pub(super) fn answer_refusal(&mut self, refusal: &Refusal) {
        if refusal.reply.class() == Class::Permanent {
            self.count_error();
        }
        if refusal.farewell {
            self.server.close_after_answer();
        }
        self.answer(&refusal.reply);
    }

    /// Asks the checks of a stage before any message. `Some` is to be said now; what is to be said later waits.
    pub(super) fn judge_session(&mut self, stage: Stage) -> Option<Refusal> {
        let findings = {
            let facts = self.facts(None);
            checks::run(stage, &facts, &self.generation.policy)
        };
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        let refusal = self.standing.settle(&findings, stage);
        self.standing.keep(findings);
        refusal.and_then(|f| self.refusal(&f))
    }

    /// New rules hold from the next MAIL, also in open sessions (promise P7): what was decided before the envelope is
    /// decided anew. Nothing is counted again. `Some` ends the session.
    pub(super) fn judge_anew(&mut self) -> Option<Refusal> {
        self.standing.allowed = false;
        self.standing.pending = None;
        self.standing.keeps = None;
        // What is over is the message's, and said to it.
        let over = self.standing.conduct.over.take();
        let refusal = self.judge_early_stages();
        self.standing.conduct.over = over;
        refusal
    }

    fn judge_early_stages(&mut self) -> Option<Refusal> {
        for stage in [Stage::Connect, Stage::Helo] {
            let findings = {
                let facts = self.facts(None);
                checks::run(stage, &facts, &self.generation.policy)
            };
            if let Some(refusal) = self.standing.settle(&findings, stage).and_then(|f| self.refusal(&f)) {
                self.note_findings(findings);
                return Some(Refusal { farewell: true, ..refusal });
            }
        }
        None
    }

    /// Asks the checks of a stage of the transaction. `Some` is to be said now.
    pub(super) fn judge(&mut self, stage: Stage, rcpt: Option<&Rcpt>) -> Judged {
        let findings = {
            let facts = self.facts(rcpt);
            checks::run(stage, &facts, &self.generation.policy)
        };
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        let settled = settle(&findings, stage);
        let allow = settled.allow;
        let pending = settled.pending.cloned();
        let refuse = settled.refuse.cloned();
        let keep = settled.keep.filter(|_| !allow).cloned();
        if let (Some(transaction), true) = (self.transaction.as_deref_mut(), stage != Stage::Rcpt) {
            transaction.allowed |= allow;
            if transaction.pending.is_none() {
                transaction.pending = pending.map(Box::new);
            }
            transaction.keeps.extend(keep.clone());
        }
        self.note_findings(findings);
        Judged { refuse, allow, keep }
    }

    /// A finding as the client hears it.
    pub(super) fn refusal(&self, finding: &Finding) -> Option<Refusal> {
        let refusal = Refusal::of(finding)?;
        Some(Refusal { reply: refusal.reply.with_reference(self.reference()), ..refusal })
    }

    fn note_findings(&mut self, findings: Vec<Finding>) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            let room = FINDINGS_MAX.saturating_sub(transaction.findings.len());
            transaction.findings.extend(findings.into_iter().take(room));
        }
    }

    /// What is said to MAIL itself: of its own checks, or of earlier ones that were to be said here.
    pub(super) fn judge_sender(&mut self) -> Option<Refusal> {
        let own = self.judge(Stage::Mail, None).refuse;
        let pending = self.pending(Stage::Mail);
        said(pending.as_ref(), own.as_ref()).and_then(|f| self.refusal(f))
    }

    /// The refusal that is to be said at `stage` at the latest, unless an allow entry took it back.
    pub(super) fn pending(&self, stage: Stage) -> Option<Finding> {
        let transaction = self.transaction.as_deref()?;
        if self.standing.allowed || transaction.allowed {
            return None;
        }
        let earlier = [self.standing.pending.as_deref(), transaction.pending.as_deref()];
        let due = earlier.into_iter().flatten().filter(|f| f.answer_at <= stage);
        due.fold(None, |first, second| said(first, Some(second))).cloned()
    }

    /// What the message comes to for one recipient, by its own stage and those before.
    pub(super) fn group_of(&self, judged: &Judged, rcpt: &Rcpt) -> Group {
        let (allowed, transaction) = (self.standing.allowed || judged.allow, self.transaction.as_deref());
        let allowed = allowed || transaction.is_some_and(|t| t.allowed);
        let earlier =
            self.standing.keeps.as_deref().into_iter().chain(transaction.iter().flat_map(|t| &t.keeps));
        let found = kept(earlier.filter(|_| !allowed).chain(&judged.keep));
        let policies = &self.generation.policy.policies;
        // Most have none, and then the facts need not be put together.
        let policy = if policies.table.is_empty() {
            &policies.default
        } else {
            checks::mail_policy(policies, &self.facts(Some(rcpt)))
        };
        Group::of(found.cloned(), policy)
    }

    /// What was found at DATA of where the message goes: for all recipients.
    pub(super) fn owed(&self) -> Vec<Finding> {
        let Some(transaction) = self.transaction.as_deref().filter(|_| !self.is_allowed()) else {
            return Vec::new();
        };
        transaction.keeps.iter().filter(|f| f.stage == Stage::Data).cloned().collect()
    }

    /// Whether an allow entry matched for all recipients.
    pub(super) fn is_allowed(&self) -> bool {
        self.standing.allowed || self.transaction.as_deref().is_some_and(|t| t.allowed)
    }

    /// What was taken although it is no correct SMTP, and is to be told (`mode = "log"`).
    pub(super) fn tell_violations(&mut self, violations: Violations, stage: Stage) {
        if violations == Violations::default() {
            return;
        }
        let syntax = &self.generation.policy.protocol.syntax;
        let told = [
            (
                violations.missing_brackets,
                syntax.missing_brackets,
                "missing-brackets",
                "no angle brackets around the path",
            ),
            (
                violations.space_after_colon,
                syntax.space_after_colon,
                "space-after-colon",
                "a blank behind the colon",
            ),
            (violations.missing_hello, syntax.missing_hello, "missing-hello", "MAIL without HELO or EHLO"),
        ];
        let findings =
            told.into_iter().filter(|(is, mode, ..)| *is && *mode == Mode::Log).map(|(_, _, id, why)| {
                let source = Source { file: "protocol.toml".into(), line: 0 };
                Finding { enforced: false, ..Finding::new(id, stage, Verdict::Continue, source, why) }
            });
        let findings = findings.collect();
        self.note_findings(findings);
    }

    pub(super) fn facts<'a>(&'a self, rcpt: Option<&'a Rcpt>) -> Facts<'a> {
        let transaction = self.transaction.as_deref();
        Facts {
            hello: self.hello.as_ref().map(|h| &*h.name),
            tls: self.tls.as_deref(),
            user: self.user.as_deref(),
            authenticated: self.authenticated,
            sender: transaction.map(|t| &t.mail.path),
            recipient: rcpt.map(|r| &r.path),
            accepted_recipients: transaction.map_or(0, |t| t.accepted().count() + t.unanswered),
            declared_octets: transaction.and_then(|t| t.mail.facts.declared_octets),
            message: None,
            gathered: &self.standing.gathered,
            conduct: &self.standing.conduct,
            allowed: self.standing.allowed || transaction.is_some_and(|t| t.allowed),
            now: unix_ms() / 1000,
            ..Facts::of(&self.client, &self.entrance.listener.name, self.entrance.listener.direction)
        }
    }

    /// Something the client did wrong: counted in the session, and against its address.
    pub(super) fn count_error(&mut self) {
        self.counts.errors = self.counts.errors.saturating_add(1);
        let policy = &self.generation.policy.limits;
        if !self.standing.exempt {
            let over = self.gateway.limits.rates.count(Kind::Errors, self.client.ip, 1, policy);
            if over.is_some() {
                self.standing.over_errors = true;
            }
        }
        let beyond = self.counts.errors.saturating_sub(policy.tarpit.after);
        if beyond > 0 && !self.standing.exempt {
            let step = policy.tarpit.step.saturating_mul(beyond).min(policy.tarpit.most);
            self.standing.delay(u32::try_from(step.as_millis()).unwrap_or(u32::MAX));
        }
    }

    /// A wrong word of the protocol; it may lead to a ban.
    pub(super) fn count_protocol_error(&mut self) {
        self.count_error();
        self.count_event(crate::verdict::Event::ProtocolError);
    }

    /// An event that counts towards a ban.
    pub(super) fn count_event(&mut self, event: crate::verdict::Event) {
        if !self.standing.exempt && !self.standing.allowed {
            let (limits, offence) = (&self.generation.policy.limits, Offence::Event(event));
            self.gateway.limits.bans.offend(self.client.ip, offence, limits, unix_ms() / 1000);
        }
    }
}

/// What the checks of one stage of a transaction came to.
pub(super) struct Judged {
    /// To be said now.
    pub(super) refuse: Option<Finding>,
    /// An allow entry matched.
    pub(super) allow: bool,
    /// The message goes elsewhere than downstream.
    pub(super) keep: Option<Finding>,
}
