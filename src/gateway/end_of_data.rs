//! The end of a message: looked at, judged, handed over, answered.
//!
//! The client hears 250 only after the downstream's 2yz (promise P1). From its end of data to ours runs one
//! budget; then the downstream has its own long time, because giving up first makes duplicates (RFC 1047).

use super::clock::{millis, unix_ms};
use super::dressing::{Message, sent_to};
use super::incoming::Incoming;
use super::item::Purpose;
use super::keep::Decision;
use super::live::Doing;
use super::party::{Judged, Party};
use super::recover::after_data;
use super::session::{End, Session};
use super::transaction::Transaction;
use crate::body::Body;
use crate::checks;
use crate::config::model::QuarantineFolder;
use crate::content::{Contents, Dress, Found, Known, dress};
use crate::inspect::Inspected;
use crate::mail::{Domain, Mailbox};
use crate::message::header::HeaderSummary;
use crate::message::trace::{Trace, protocol, received};
use crate::reply::{Class, Entry, Reply, catalogue};
use crate::smtp::data::Violation;
use crate::smtp::param::Body as Encoding;
use crate::smtp::server::BodyFacts;
use crate::verdict::{Authentication, Disposition, Fact, Finding, MessageFacts, Stage, Verdict};
use std::sync::Arc;
use tokio::time::Instant;

/// Findings of the content that are noted of one message.
const FINDINGS_MAX: usize = 200;

/// A message as it came, and as it goes out.
#[derive(Clone, Copy)]
struct Bodies<'b> {
    came: &'b Body,
    goes: &'b Body,
    /// A part was taken out.
    stripped: bool,
}

impl Session {
    /// The whole message is here.
    pub(super) async fn end_of_data(&mut self, incoming: Incoming, facts: BodyFacts) -> Result<(), End> {
        let Some(transaction) = self.transaction.as_deref_mut() else { return Ok(()) };
        let ended = Instant::now();
        self.place.state(Doing::Deliver);
        transaction.octets = facts.octets;
        transaction.times.data = transaction.data_began.map_or(0.0, |began| millis(ended - began));
        let finish_by = after_data(transaction);
        let summary = incoming.header.finish(&self.gateway.trace_key);
        let problem = incoming.problem.or_else(|| facts.violation.map(entry_of));
        let body = match problem {
            Some(entry) => Err(entry),
            None => incoming.writer.finish().await.map_err(|error| {
                tracing::warn!(%error, "message body cannot be kept");
                if matches!(error, crate::body::BodyError::NoSpace) {
                    catalogue::NO_SPACE
                } else {
                    catalogue::INTERNAL
                }
            }),
        };
        if facts.violation.is_some() {
            // What followed the bare CR, LF or NUL may have been meant as commands by whoever sent it.
            self.server.close_after_answer();
        }
        let reply = match body {
            Err(entry) => self.refuse_message(entry, summary),
            Ok(body) => self.decide(&body, facts, summary, finish_by).await,
        };
        self.conclude(&reply);
        Ok(())
    }

    /// Refused before anybody looked: size, space, bare line ends.
    fn refuse_message(&mut self, entry: Entry, summary: HeaderSummary) -> Reply {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            let verdict = if entry.code >= 500 { "reject" } else { "tempfail" };
            transaction.verdict = verdict;
            transaction.header = Some(summary);
        }
        entry.refusal(self.reference())
    }

    async fn decide(
        &mut self,
        body: &Body,
        facts: BodyFacts,
        summary: HeaderSummary,
        finish_by: Instant,
    ) -> Reply {
        let looked = Instant::now();
        self.gather_message();
        let owed = self.owed();
        let examined = Box::pin(self.examine(body, finish_by)).await;
        let found = self.look(body, facts, &summary, examined.authentication.clone()).await;
        let queued = self.transaction.as_deref().is_some_and(Transaction::is_queued);
        let mut judged = self.judge_message(&owed, found, &examined);
        let left = Box::pin(self.without_parts(body, &mut judged, &examined, finish_by)).await;
        let message = Message { came: body, left: &left, finish_by };
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.header = Some(summary);
            let domain = transaction.mail.path.mailbox().and_then(Mailbox::domain).map(Domain::as_str);
            let told = examined.authentication.as_ref();
            let proved = |domain: &&str| told.is_some_and(|told| told.proves_sender(domain));
            transaction.sender_proved = domain.filter(proved).map(Into::into);
            transaction.times.scan = millis(looked.elapsed());
            transaction.verdict = match judged.as_slice() {
                [] => "continue",
                [first, others @ ..] => {
                    let name = |judged: &Judged| match judged.decision().decided {
                        Some(finding) => finding.verdict.name(),
                        None if queued => "queue",
                        None => "continue",
                    };
                    if others.iter().all(|other| name(other) == name(first)) { name(first) } else { "mixed" }
                }
            };
        }
        match judged.as_slice() {
            [] => catalogue::INTERNAL.refusal(self.reference()),
            [first, others @ ..] if others.iter().all(|other| other.ends_like(first)) => {
                Box::pin(self.dispose_alike(message, first, queued)).await
            }
            all => Box::pin(self.dispose_mixed(message, all, queued)).await,
        }
    }

    /// What the message comes to for each group of recipients; everything that was found is noted.
    fn judge_message(&mut self, owed: &[Finding], found: Vec<Finding>, examined: &Inspected) -> Vec<Judged> {
        let accepted = |f: &Finding| f.enforced && f.verdict == Verdict::Accept;
        let allowed = self.is_allowed() || found.iter().any(accepted);
        let Some(transaction) = self.transaction.as_deref() else { return Vec::new() };
        let generation = Arc::clone(&transaction.generation);
        let general: Vec<Finding> = owed.iter().chain(&found).chain(&examined.unseen).cloned().collect();
        // Most have nothing that depends on who they are for.
        let looked = examined.analysis.is_some() || examined.authentication.is_some();
        let sent = looked.then(|| self.sent(transaction));
        let found_by_all =
            Found { general: &general, contents: &examined.contents, files: &[], symbols: &[], allowed };
        let circles = examined.analysis.as_ref().map(|analysis| &analysis.circles);
        let (mut attachments, mut scored): (Vec<Finding>, Vec<Finding>) = Default::default();
        let mut counted: Vec<Finding> = Vec::new();
        let mut judge = |party: Party| {
            let Some(sent) = &sent else {
                return Judged::of(party, &found_by_all);
            };
            let envelope = sent_to(sent, transaction, &party);
            let analysis = examined.analysis.as_ref();
            let (files, replace) = analysis.map(|a| a.attached(party.circle)).unwrap_or_default();
            let symbols = analysis.map_or(&[][..], |a| a.symbols(party.circle));
            for symbol in symbols {
                if !scored.iter().any(|known| known.id == symbol.id) {
                    scored.push(symbol.clone());
                }
            }
            for file in files {
                if !attachments.iter().any(|known| known.id == file.id) {
                    attachments.push(file.clone());
                }
                if party.policy.attachments && !counted.iter().any(|known| known.id == file.id) {
                    counted.push(file.clone());
                }
            }
            let mut judged = Judged::of(party, &Found { files, symbols, ..found_by_all });
            let known = Known {
                policy: &generation.policy,
                envelope: &envelope,
                authentication: examined.authentication.as_ref(),
                contents: &examined.contents,
                walked: examined.analysis.is_some(),
            };
            judged.dress = dress(&judged.weighed, &known, replace.to_vec());
            judged
        };
        let judged: Vec<Judged> = transaction.parties(circles).into_iter().map(&mut judge).collect();
        // What is turned off for all recipients says nothing of the client.
        if judged.iter().any(|j| j.party.policy.malware) {
            counted.extend(examined.contents.malware.iter().cloned());
        }
        self.standing.apply(&self.gateway, &self.generation, &self.client, &counted);
        let Some(transaction) = self.transaction.as_deref_mut() else { return Vec::new() };
        transaction.findings.extend(found);
        transaction.findings.extend(examined.unseen.iter().cloned());
        let Contents { malware, unanswered, symbols, dmarc } = &examined.contents;
        let own_lanes = judged.iter().any(|j| j.party.policy.on_error.is_none());
        let unanswered: &[Finding] = if own_lanes { unanswered } else { &[] };
        let all = [malware, unanswered, &attachments, dmarc, symbols, &scored].into_iter().flatten().cloned();
        transaction.findings.extend(all.take(FINDINGS_MAX));
        for weighed in judged.iter().map(|j| &j.weighed) {
            let lanes = weighed.in_other_lane(&examined.contents);
            for finding in lanes.into_iter().chain(weighed.threshold().cloned()) {
                if !transaction.findings.contains(&finding) {
                    transaction.findings.push(finding);
                }
            }
        }
        judged
    }

    /// One end for all recipients.
    async fn dispose_alike(&mut self, message: Message<'_>, judged: &Judged, queued: bool) -> Reply {
        let decision = judged.decision();
        self.put_on_top(&judged.dress);
        let dressed = match &decision.disposition {
            // Of what is refused nobody sees how it is dressed.
            Disposition::Refuse(_) | Disposition::Disconnect(_) => Ok(None),
            Disposition::Deliver => Box::pin(self.dressed(message, &judged.dress)).await,
            Disposition::Hold | Disposition::Quarantine(_) | Disposition::Discard => {
                Box::pin(self.dressed(message, &Dress::default())).await
            }
        };
        match dressed {
            Err(entry) => entry.refusal(self.reference()),
            Ok(dressed) => {
                let goes = dressed.as_deref().unwrap_or(message.came);
                let stripped = !judged.dress.replace.is_empty();
                let bodies = Bodies { came: message.came, goes, stripped };
                Box::pin(self.dispose(bodies, decision, queued, message.finish_by)).await
            }
        }
    }

    /// What the findings came to is done.
    async fn dispose(
        &mut self,
        Bodies { came, goes: body, stripped }: Bodies<'_>,
        decision: Decision<'_>,
        queued: bool,
        finish_by: Instant,
    ) -> Reply {
        let Decision { disposition, decided, copy, discard } = decision;
        // What comes again for that copy is made then.
        let comes_again =
            matches!(&disposition, Disposition::Refuse(reply) if reply.class() == Class::Temporary);
        let copying = copy.as_ref().filter(|_| !(stripped && comes_again));
        let mut pending = match copying {
            Some(folder) => Box::pin(self.copy(came, folder, decided, finish_by)).await,
            None => None,
        };
        if stripped
            && disposition == Disposition::Deliver
            && let Some(folder) = copying
        {
            // What is taken out is kept for certain, before anybody gets the rest.
            let kept = match pending.take() {
                Some(copied) => Box::pin(self.commit_copy(copied, folder)).await,
                None => false,
            };
            if !kept {
                return catalogue::NO_SPACE.refusal(self.reference());
            }
        }
        let (reply, copied) = match disposition {
            Disposition::Deliver if queued => {
                (Box::pin(self.keep(body, Purpose::Outage, None, finish_by)).await, None)
            }
            Disposition::Deliver => {
                let reply = self.deliver(body, finish_by).await;
                // Of what was not delivered the client still has the message, and sends it again.
                let delivered = reply.is_success();
                (reply, pending.filter(|_| delivered))
            }
            Disposition::Refuse(reply) => (reply.with_reference(self.reference()), pending),
            Disposition::Disconnect(reply) => {
                self.server.close_after_answer();
                (reply.with_reference(self.reference()), pending)
            }
            Disposition::Hold => {
                (Box::pin(self.keep(body, Purpose::Hold(discard), decided, finish_by)).await, None)
            }
            Disposition::Quarantine(folder) => {
                (Box::pin(self.keep(body, Purpose::Folder(&folder.0), decided, finish_by)).await, None)
            }
            Disposition::Discard => {
                let purpose = Purpose::Folder(QuarantineFolder::DISCARDED);
                (Box::pin(self.keep(body, purpose, decided, finish_by)).await, None)
            }
        };
        if let (Some(copied), Some(folder)) = (copied, copying) {
            Box::pin(self.commit_copy(copied, folder)).await;
        }
        reply
    }

    async fn look(
        &mut self,
        body: &Body,
        facts: BodyFacts,
        summary: &HeaderSummary,
        authentication: Option<Authentication>,
    ) -> Vec<Finding> {
        let Some(transaction) = self.transaction.as_deref() else { return Vec::new() };
        let declared = transaction.mail.facts.body != Encoding::SevenBit || transaction.mail.facts.smtputf8;
        let message = MessageFacts {
            octets: body.len(),
            received: summary.received,
            own_marks: summary.own_marks,
            undeclared_8bit: facts.has_8bit && !declared,
            header_from: summary.from_mailboxes.clone(),
            header_from_cut: summary.from_cut,
            authentication: authentication.unwrap_or_default(),
        };
        let findings = {
            let facts = crate::verdict::Facts { message: Some(&message), ..self.facts(None) };
            checks::run(Stage::Message, &facts, &transaction.generation.policy)
        };
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        findings
    }

    /// Our header on top: who, from where, how, to whom, when; and the fields that go with it.
    pub(super) fn trace(&self, transaction: &Transaction) -> Vec<u8> {
        let extended = self.hello.as_ref().is_some_and(|h| h.extended);
        let name = match &self.client.name {
            Fact::Known(name) => Some(&**name),
            Fact::Absent | Fact::Unknown(_) => None,
        };
        let mut accepted = transaction.delivering();
        let only_recipient = match (accepted.next(), accepted.next()) {
            (Some(only), None) => Some(&only.path),
            (Some(_) | None, _) => None,
        };
        let trace = Trace {
            helo: self.hello.as_ref().map(|h| &*h.name),
            client_ip: self.client.ip,
            client_name: name,
            hostname: &transaction.generation.policy.hostname,
            protocol: protocol(
                extended,
                self.tls.is_some(),
                self.authenticated,
                transaction.mail.facts.smtputf8,
            ),
            tls: self.tls.as_deref(),
            id: transaction.id,
            only_recipient,
            unix_ms: unix_ms(),
        };
        let mut head = received(&trace, &self.gateway.trace_key);
        head.extend_from_slice(transaction.fields.as_bytes());
        head
    }
}

fn entry_of(violation: Violation) -> Entry {
    match violation {
        Violation::BareCr | Violation::BareLf => catalogue::BARE_NEWLINE_IN_DATA,
        Violation::Nul => catalogue::NUL_IN_DATA,
    }
}
