//! Handing a message to the downstream that its recipients were accepted by.

use super::clock::millis;
use super::session::Session;
use super::transaction::Transaction;
use crate::body::Body;
use crate::downstream::{DownstreamError, Handed, Session as Link};
use crate::reply::{Reply, catalogue};
use tokio::time::Instant;

impl Session {
    /// Hands the message over. A session that died before is replaced once, with the envelope said again.
    pub(super) async fn deliver(&mut self, body: &Body, finish_by: Instant) -> Reply {
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
    pub(super) fn set_in_doubt(&mut self, in_doubt: bool) {
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
}
