//! What a message came to: its answer, the counts, and its audit line.

use super::clock::unix_ms;
use super::lines::MessageLine;
use super::session::Session;
use super::transaction::Transaction;
use crate::reply::Reply;
use crate::verdict::{Conduct, Gathered};

impl Session {
    /// The final answer, and everything that hangs on it.
    pub(super) fn conclude(&mut self, reply: &Reply) {
        if reply.is_success() {
            self.counts.messages += 1;
            self.place.message();
            self.counts.commands = 0;
            if self.is_delivered() {
                self.gateway.counters.delivered();
            } else {
                self.gateway.counters.kept();
            }
            self.count_taken();
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

    /// Whether the downstream has it: what was taken elsewhere is no proof of a good client.
    fn is_delivered(&self) -> bool {
        self.transaction.as_deref().is_some_and(|t| t.kept.as_ref().is_none_or(|kept| kept.copy))
    }

    /// What a message that was taken means for throttles, greylisting, and the client's name here.
    fn count_taken(&self) {
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
        if !self.standing.exempt && self.is_delivered() {
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
            folder: t.kept.as_ref().filter(|kept| !kept.copy).map(|kept| &*kept.folder),
            copy: t.kept.as_ref().filter(|kept| kept.copy).map(|kept| &*kept.folder),
            facts: Some(&self.standing.gathered).filter(|g| **g != Gathered::NOTHING),
            conduct: Some(&self.standing.conduct).filter(|c| **c != Conduct::UNKNOWN),
        });
    }
}
