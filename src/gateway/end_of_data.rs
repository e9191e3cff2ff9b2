//! The end of a message: looked at, judged, handed over, answered.
//!
//! The client hears 250 only after the downstream's 2yz (promise P1). From its end of data to ours runs one
//! budget; then the downstream has its own long time, because giving up first makes duplicates (RFC 1047).

use super::clock::{millis, unix_ms};
use super::incoming::Incoming;
use super::item::Purpose;
use super::keep::Decision;
use super::live::Doing;
use super::recover::after_data;
use super::session::{End, Session};
use super::transaction::Transaction;
use crate::body::Body;
use crate::checks;
use crate::config::model::QuarantineFolder;
use crate::message::header::HeaderSummary;
use crate::message::trace::{Trace, protocol, received};
use crate::reply::{Entry, Reply, catalogue};
use crate::scan::{self, Input, Job};
use crate::smtp::data::Violation;
use crate::smtp::param::Body as Encoding;
use crate::smtp::server::BodyFacts;
use crate::verdict::{Disposition, Envelope, Fact, Finding, MessageFacts, Stage};
use std::sync::Arc;
use tokio::time::Instant;

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
        // What was found before comes first; it is in the transaction already.
        let mut findings = self.owed();
        let before = findings.len();
        findings.extend(self.look(body, facts, &summary).await);
        findings.extend(Box::pin(self.scan(body, finish_by)).await);
        let decision = Decision::of(&findings);
        let queued = self.transaction.as_deref().is_some_and(Transaction::is_queued);
        let name = match decision.decided {
            Some(finding) => finding.verdict.name(),
            None if queued => "queue",
            None => "continue",
        };
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.header = Some(summary);
            transaction.verdict = name;
            transaction.findings.extend(findings.iter().skip(before).cloned());
            transaction.times.scan = millis(looked.elapsed());
        }
        Box::pin(self.dispose(body, decision, queued, finish_by)).await
    }

    /// What the findings came to is done.
    async fn dispose(
        &mut self,
        body: &Body,
        decision: Decision<'_>,
        queued: bool,
        finish_by: Instant,
    ) -> Reply {
        let Decision { disposition, decided, copy } = decision;
        let copying = copy.as_ref();
        let pending = match copying {
            Some(folder) => Box::pin(self.copy(body, folder, decided, finish_by)).await,
            None => None,
        };
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
            Disposition::Hold => (Box::pin(self.keep(body, Purpose::Hold, decided, finish_by)).await, None),
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

    /// What the scanners of the transaction's generation say, and what that does to the client.
    async fn scan(&mut self, body: &Body, finish_by: Instant) -> Vec<Finding> {
        let Some(transaction) = self.transaction.as_deref() else { return Vec::new() };
        let envelope = self.sent(transaction);
        let job = Job { input: Input::Message(body), envelope: Some(&envelope), deadline: finish_by };
        let scanners = transaction.generation.scanners.clone();
        let results = Box::pin(scan::scan(&scanners, job)).await;
        let findings = scan::findings(&results, &scan::own_lane);
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        findings
    }

    /// The envelope, for whoever looks at the message itself.
    fn sent(&self, transaction: &Transaction) -> Envelope {
        let listener = &self.entrance.listener;
        Envelope {
            id: transaction.id,
            client: self.client.ip,
            client_name: self.client.name.known().cloned(),
            hello: self.hello.as_ref().map(|h| String::from_utf8_lossy(&h.name).into()),
            user: self.user_name().map(Into::into),
            authenticated: self.authenticated,
            may_relay: self.client.may_relay,
            tls: self.tls.as_deref().cloned(),
            sender: transaction.mail.path.clone(),
            recipients: transaction.accepted().map(|recipient| recipient.path.clone()).collect(),
            listener: Arc::clone(&listener.name),
            direction: listener.direction,
            hostname: Arc::clone(&transaction.generation.policy.hostname),
            smtputf8: transaction.mail.facts.smtputf8,
        }
    }

    async fn look(&mut self, body: &Body, facts: BodyFacts, summary: &HeaderSummary) -> Vec<Finding> {
        let Some(transaction) = self.transaction.as_deref() else { return Vec::new() };
        let declared = transaction.mail.facts.body != Encoding::SevenBit || transaction.mail.facts.smtputf8;
        let message = MessageFacts {
            octets: body.len(),
            received: summary.received,
            own_marks: summary.own_marks,
            undeclared_8bit: facts.has_8bit && !declared,
            header_from: summary.from_mailboxes.clone(),
            header_from_cut: summary.from_cut,
        };
        let findings = {
            let facts = crate::verdict::Facts { message: Some(&message), ..self.facts(None) };
            checks::run(Stage::Message, &facts, &transaction.generation.policy)
        };
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        findings
    }

    /// Our one header on top: who, from where, how, to whom, when.
    pub(super) fn trace(&self, transaction: &Transaction) -> Vec<u8> {
        let extended = self.hello.as_ref().is_some_and(|h| h.extended);
        let name = match &self.client.name {
            Fact::Known(name) => Some(&**name),
            Fact::Absent | Fact::Unknown(_) => None,
        };
        let mut accepted = transaction.accepted();
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
        received(&trace, &self.gateway.trace_key)
    }
}

fn entry_of(violation: Violation) -> Entry {
    match violation {
        Violation::BareCr | Violation::BareLf => catalogue::BARE_NEWLINE_IN_DATA,
        Violation::Nul => catalogue::NUL_IN_DATA,
    }
}
