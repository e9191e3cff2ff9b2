//! The message itself is looked at ([`crate::inspect`]), with the envelope of the session.
//!
//! Owner of nothing. Failure: what cannot be looked at is a finding that puts the message off.

use super::clock::unix_ms;
use super::session::Session;
use super::transaction::Transaction;
use crate::body::Body;
use crate::inspect::{Inspected, Request, inspect, wants};
use crate::verdict::Envelope;
use std::sync::Arc;
use tokio::time::Instant;

impl Session {
    /// Looks at the message.
    pub(super) async fn examine(&mut self, body: &Body, finish_by: Instant) -> Inspected {
        let Some(transaction) = self.transaction.as_deref() else { return Inspected::default() };
        let generation = Arc::clone(&transaction.generation);
        let ours = self.authenticated || self.client.may_relay || self.client.trusted;
        if !wants(&generation.policy, &generation.scanners, ours) {
            return Inspected::default();
        }
        let envelope = Arc::new(self.sent(transaction));
        let request = Request {
            body,
            envelope: &envelope,
            policy: &generation.policy,
            scanners: &generation.scanners,
            lookup: Some(&*generation.lookup),
            places: &self.gateway.desk.places,
            budget: &self.gateway.budget,
            now: unix_ms() / 1000,
            finish_by,
        };
        Box::pin(inspect(&request)).await
    }

    /// The envelope, for whoever looks at the message itself.
    pub(super) fn sent(&self, transaction: &Transaction) -> Envelope {
        let listener = &self.entrance.listener;
        Envelope {
            id: transaction.id,
            client: self.client.ip,
            client_name: self.client.name.known().cloned(),
            hello: self.hello.as_ref().map(|h| String::from_utf8_lossy(&h.name).into()),
            user: self.user_name().map(Into::into),
            authenticated: self.authenticated,
            may_relay: self.client.may_relay,
            trusted: self.client.trusted,
            tls: self.tls.as_deref().cloned(),
            sender: transaction.mail.path.clone(),
            recipients: transaction.accepted().map(|recipient| recipient.path.clone()).collect(),
            listener: Arc::clone(&listener.name),
            direction: listener.direction,
            hostname: Arc::clone(&transaction.generation.policy.hostname),
            smtputf8: transaction.mail.facts.smtputf8,
        }
    }
}
