//! The message as it goes out: without what was forged in our name, with what rules change. Where they take parts out, what
//! is left is scanned before anything of it is decided.
//!
//! Owner of nothing. Failure: a message that cannot be edited is put off, and goes nowhere as it is.

use super::clock::unix_ms;
use super::party::{Judged, Party};
use super::session::Session;
use super::transaction::Transaction;
use crate::body::Body;
use crate::content::{Dress, Known, authserv_id, dress};
use crate::inspect::{Inspected, Left, Request, edited};
use crate::reply::{Entry, catalogue};
use crate::verdict::{Disposition, Envelope, Finding};
use std::sync::Arc;
use tokio::time::Instant;

/// A message that was looked at.
#[derive(Clone, Copy)]
pub(super) struct Message<'m> {
    /// As it came.
    pub(super) came: &'m Body,
    /// What is left of it where parts are taken out.
    pub(super) left: &'m [Left],
    /// The budget of its end.
    pub(super) finish_by: Instant,
}

impl Session {
    /// Scans what is left for those to whom it would go without parts that rules take out. What is found ends as if it had
    /// been found at once; nothing went downstream yet.
    pub(super) async fn without_parts(
        &mut self,
        body: &Body,
        judged: &mut [Judged],
        examined: &Inspected,
        finish_by: Instant,
    ) -> Vec<Left> {
        let mut left: Vec<Left> = Vec::new();
        let Some(transaction) = self.transaction.as_deref().filter(|_| judged.iter().any(is_to_be_scanned))
        else {
            return left;
        };
        let generation = Arc::clone(&transaction.generation);
        let sent = Arc::new(self.sent(transaction));
        let mut added: Vec<Finding> = Vec::new();
        for judged in judged.iter_mut().filter(|judged| is_to_be_scanned(judged)) {
            if !left.iter().any(|left| left.is_in(&judged.dress)) {
                let request = Request {
                    body,
                    envelope: &sent,
                    policy: &generation.policy,
                    scanners: &generation.scanners,
                    lookup: None,
                    places: &self.gateway.desk.places,
                    budget: &self.gateway.budget,
                    now: unix_ms() / 1000,
                    finish_by,
                };
                left.push(Box::pin(Left::of(&request, &judged.dress)).await);
            }
            let known = left.iter().find(|left| left.is_in(&judged.dress));
            let new = known.map(|left| left.enter(&mut judged.weighed)).unwrap_or_default();
            if new.is_empty() {
                continue;
            }
            let known = Known {
                policy: &generation.policy,
                envelope: &sent_to(&sent, transaction, &judged.party),
                authentication: examined.authentication.as_ref(),
                contents: &examined.contents,
                walked: examined.analysis.is_some(),
            };
            judged.dress = dress(&judged.weighed, &known, std::mem::take(&mut judged.dress.replace));
            added.extend(new.into_iter().filter(|new| !added.contains(new)).collect::<Vec<_>>());
        }
        self.standing.apply(&self.gateway, &self.generation, &self.client, &added);
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.findings.extend(added);
        }
        left
    }

    /// Fields that go on top of the message, below our `Received`.
    pub(super) fn put_on_top(&mut self, dress: &Dress) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.fields.clone_from(&dress.fields);
        }
    }

    /// The message in a dress. `None` where it goes as it came.
    pub(super) async fn dressed(
        &mut self,
        message: Message<'_>,
        dress: &Dress,
    ) -> Result<Option<Arc<Body>>, Entry> {
        let Some(transaction) = self.transaction.as_deref() else { return Err(catalogue::INTERNAL) };
        let forged = transaction.header.as_ref().is_some_and(|header| header.ours);
        if !forged && dress.subject_tag.is_none() && dress.replace.is_empty() {
            return Ok(None);
        }
        let left = message.left.iter().find(|left| left.is_in(dress)).and_then(Left::body);
        if let Some(left) = left.filter(|_| !dress.replace.is_empty()) {
            return Ok(Some(Arc::clone(left)));
        }
        let stores = (&self.gateway.desk.places, &self.gateway.budget);
        let name = authserv_id(&transaction.generation.policy);
        let edited = Box::pin(edited(stores, message.came, dress, name, message.finish_by)).await;
        edited.map(|body| body.map(Arc::new)).map_err(|error| {
            tracing::warn!(session = %self.id, %error, "the message cannot be edited");
            error.entry()
        })
    }
}

/// The envelope with the recipients of a party.
pub(super) fn sent_to(sent: &Envelope, transaction: &Transaction, party: &Party) -> Envelope {
    let members = party.members.iter().filter_map(|at| transaction.recipients.get(*at));
    Envelope { recipients: members.map(|recipient| recipient.path.clone()).collect(), ..sent.clone() }
}

fn is_to_be_scanned(judged: &Judged) -> bool {
    let goes = || judged.decision().disposition == Disposition::Deliver;
    judged.party.policy.malware && !judged.dress.replace.is_empty() && goes()
}
