//! The end of a message: looked at, judged, handed over, answered.
//!
//! The client hears 250 only after the downstream's 2yz (promise P1). From its end of data to ours runs one
//! budget; then the downstream has its own long time, because giving up first makes duplicates (RFC 1047).

use super::clock::{millis, unix_ms};
use super::incoming::Incoming;
use super::lines::MessageLine;
use super::live::Doing;
use super::recover::after_data;
use super::session::{End, Session};
use super::transaction::Transaction;
use crate::body::Body;
use crate::checks;
use crate::downstream::{DownstreamError, Handed, Session as Link};
use crate::message::header::HeaderSummary;
use crate::message::trace::{Trace, protocol, received};
use crate::reply::{Entry, Reply, catalogue};
use crate::scan::{self, SCANNERS};
use crate::smtp::data::Violation;
use crate::smtp::param::Body as Encoding;
use crate::smtp::server::BodyFacts;
use crate::verdict::{Conduct, Disposition, Fact, Finding, Gathered, MessageFacts, Stage, merge};
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
        let mut findings = self.look(body, facts, &summary).await;
        findings.extend(scan::scan(SCANNERS, body, finish_by).await);
        let strongest = merge(&findings);
        let disposition = Disposition::of(strongest);
        let name = strongest.map_or("continue", |f| f.verdict.name());
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.header = Some(summary);
            transaction.verdict = name;
            transaction.findings.extend(findings);
            transaction.times.scan = millis(looked.elapsed());
        }
        match disposition {
            Disposition::Deliver => self.deliver(body, finish_by).await,
            Disposition::Refuse(reply) => reply.with_reference(self.reference()),
            Disposition::Disconnect(reply) => {
                let reply = reply.with_reference(self.reference());
                self.server.close_after_answer();
                reply
            }
            // Nothing in the rules can ask for these yet; what cannot be kept is not taken.
            Disposition::Hold | Disposition::Quarantine(_) | Disposition::Discard => {
                catalogue::INTERNAL.refusal(self.reference())
            }
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
    fn trace(&self, transaction: &Transaction) -> Vec<u8> {
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

    /// Hands the message over. A session that died before is replaced once, with the envelope said again.
    async fn deliver(&mut self, body: &Body, finish_by: Instant) -> Reply {
        let began = Instant::now();
        let reply = match self.try_deliver(body, finish_by).await {
            Ok(reply) => reply,
            Err(error) => self.delivery_failed(&error),
        };
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.times.deliver = millis(began.elapsed());
        }
        reply
    }

    async fn try_deliver(&mut self, body: &Body, finish_by: Instant) -> Result<Reply, DownstreamError> {
        let Some(transaction) = self.transaction.as_deref_mut() else { return Err(self.no_link()) };
        let mut link = transaction.take_link().and_then(|mut link| link.is_alive().then_some(link));
        if link.is_none() {
            self.recover_by(self.no_link(), finish_by).await?;
            link = self.transaction.as_deref_mut().and_then(Transaction::take_link);
        }
        let Some(link) = link else { return Err(self.no_link()) };
        match self.hand_over(link, body, finish_by).await {
            // Nothing of the message was committed: the session died at DATA.
            Err(error) if matches!(error.step(), Some("DATA" | "message data")) => {
                self.recover_by(error, finish_by).await?;
                let again = self.transaction.as_deref_mut().and_then(Transaction::take_link);
                let Some(link) = again else { return Err(self.no_link()) };
                self.hand_over(link, body, finish_by).await
            }
            other => other,
        }
    }

    async fn hand_over(
        &mut self,
        mut link: Box<Link>,
        body: &Body,
        finish_by: Instant,
    ) -> Result<Reply, DownstreamError> {
        let Some(transaction) = self.transaction.as_deref() else { return Err(self.no_link()) };
        let head = self.trace(transaction);
        let pool = transaction.entrance.pool.clone();
        self.set_in_doubt(true);
        let mut wanted = || self.client_is_there();
        let handed =
            link.deliver(&head, body, pool.config().chunking, pool.limits(), finish_by, &mut wanted).await;
        self.set_in_doubt(false);
        let handed = handed?;
        let Some(transaction) = self.transaction.as_deref_mut() else { return Err(self.no_link()) };
        let reply = match handed {
            Handed::Reply(reply) | Handed::Refused(reply) => reply,
            Handed::Abandoned => {
                transaction.note = Some("the client was gone before the end of data".into());
                return Ok(catalogue::INTERNAL.refusal(self.reference()));
            }
        };
        transaction.downstream_reply = Some(reply.clone());
        transaction.put_link(link);
        Ok(self.shown(reply))
    }

    /// While the message goes down, a session that is cut (by a stop, by a panic) must say that it may have
    /// been taken.
    fn set_in_doubt(&mut self, in_doubt: bool) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.in_doubt = in_doubt;
        }
    }

    fn delivery_failed(&mut self, error: &DownstreamError) -> Reply {
        let in_doubt = error.step() == Some("the end of data");
        if let Some(transaction) = self.transaction.as_deref_mut().filter(|_| in_doubt) {
            transaction.note = Some("may be delivered twice".into());
        }
        self.downstream_failed(error)
    }

    /// The final answer, and everything that hangs on it.
    fn conclude(&mut self, reply: &Reply) {
        if reply.is_success() {
            self.counts.messages += 1;
            self.place.message();
            self.counts.commands = 0;
            self.gateway.counters.delivered();
            self.count_delivered();
        } else {
            self.gateway.counters.refused();
        }
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.final_reply = Some(reply.clone());
            if reply.is_refusal() && transaction.verdict == "continue" {
                transaction.verdict = if reply.code() >= 500 { "reject" } else { "tempfail" };
            }
        }
        self.answer(reply);
        if reply.is_success() {
            self.server.transcript_mut().forget_message();
        }
        self.drop_transaction();
    }

    /// What a delivered message means for throttles, greylisting, and the client's name here.
    fn count_delivered(&self) {
        let Some(transaction) = self.transaction.as_deref() else { return };
        let now = unix_ms() / 1000;
        let limits = &self.gateway.limits;
        let policy = &transaction.generation.policy.limits;
        let sender = &transaction.mail.path;
        if !policy.throttles.is_empty() {
            let recipients: Vec<_> = transaction.accepted().map(|r| &r.path).collect();
            let traffic = self.traffic(sender, transaction.octets);
            limits.throttles.count(&traffic, &recipients, &policy.throttles, now);
        }
        if !self.standing.exempt {
            limits.known.delivered(self.client.ip, policy, now);
            limits.greylist.delivered(self.client.ip, sender, policy, now);
        }
    }

    /// The audit line of a transaction. One that came to nothing and was refused nothing has none.
    pub(super) fn audit_message(&self, t: &Transaction) {
        let ended = t.data_began.is_some() || t.mail_reply.as_ref().is_some_and(Reply::is_refusal);
        let refused = t.recipients.iter().any(|r| r.reply.is_refusal());
        if !ended && !refused && t.findings.is_empty() && t.pending.is_none() {
            return;
        }
        let said = t.final_reply.as_ref().or_else(|| t.last_refusal());
        let verdict = match said {
            Some(reply) if t.final_reply.is_none() && reply.code() >= 500 => "reject",
            Some(_) if t.final_reply.is_none() => "tempfail",
            Some(_) | None => t.verdict,
        };
        self.gateway.audit.line(&MessageLine {
            unix_ms: unix_ms(),
            session: self.id,
            message: t.id,
            generation: t.generation.number,
            listener: &t.entrance.listener.name,
            direction: t.entrance.listener.direction,
            client: self.client.ip,
            port: self.client.port,
            name: self.client.name.known().map(|name| &**name),
            helo: self.helo_name(),
            tls: self.tls.as_deref(),
            user: self.user_name(),
            authenticated: self.authenticated,
            from: &t.mail.path,
            to: t.recipients.iter().map(|r| (&r.path, &r.reply)).collect(),
            size: t.octets,
            verdict,
            findings: [&self.standing.findings, &t.findings],
            downstream: t.downstream.as_ref().map(|(name, address)| (&**name, *address)),
            downstream_tls: t.downstream_tls.as_ref().map(|o| &o.tls),
            downstream_reply: t.downstream_reply.as_ref(),
            reply: said,
            header: t.header.as_ref(),
            ms: t.times,
            note: t.note.as_deref(),
            facts: Some(&self.standing.gathered).filter(|g| **g != Gathered::NOTHING),
            conduct: Some(&self.standing.conduct).filter(|c| **c != Conduct::UNKNOWN),
        });
    }
}

fn entry_of(violation: Violation) -> Entry {
    match violation {
        Violation::BareCr | Violation::BareLf => catalogue::BARE_NEWLINE_IN_DATA,
        Violation::Nul => catalogue::NUL_IN_DATA,
    }
}
