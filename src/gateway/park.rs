//! A downstream session between two messages of one client.
//!
//! A client that sends one message after the other keeps its downstream session for a moment: no RSET, no
//! pool, for nobody else was there in between. When it pauses, greets anew, or somebody waits for a
//! connection, the session goes to the pool, and with RSET to whoever comes next.

use super::session::Session;
use super::transaction::Transaction;
use crate::downstream::{Begun, DownstreamError, Key, Pool, Session as Link, Wanted};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a session is kept for the next message of the same client: a few round trips of a client that
/// goes on at once, and not long enough to be missed by others.
const KEPT: Duration = Duration::from_millis(20);

/// A kept session.
pub(super) struct Parked {
    link: Box<Link>,
    key: Key,
    pool: Arc<Pool>,
    until: Instant,
}

impl Session {
    /// Keeps the session of a transaction that ended well, if nobody waits for it; else gives it back.
    pub(super) fn park(&mut self, transaction: &Transaction, link: Box<Link>) {
        let pool = &transaction.entrance.pool;
        if pool.may_be_kept(&link) {
            self.unpark();
            let (key, pool) = (transaction.key.clone(), Arc::clone(pool));
            self.parked = Some(Box::new(Parked { link, key, pool, until: Instant::now() + KEPT }));
        } else {
            pool.give_back(&transaction.key, *link);
        }
    }

    /// Gives the kept session to the pool.
    pub(super) fn unpark(&mut self) {
        if let Some(parked) = self.parked.take() {
            let Parked { link, key, pool, .. } = *parked;
            pool.give_back(&key, *link);
        }
    }

    /// When the kept session has been kept for long enough.
    pub(super) fn unpark_at(&self) -> Option<Instant> {
        self.parked.as_ref().map(|p| p.until)
    }

    /// Begins a transaction: on the kept session where it still serves, else on one of the pool.
    pub(super) async fn begin_pooled(
        &self,
        parked: Option<Box<Parked>>,
        pool: &Arc<Pool>,
        wanted: &Wanted<'_>,
    ) -> Result<Begun, DownstreamError> {
        if let Some(parked) = parked {
            if parked.key == *wanted.key && Arc::ptr_eq(&parked.pool, pool) {
                match pool.go_on(*parked.link, wanted).await {
                    Ok(begun) => return Ok(begun),
                    Err(error) => {
                        tracing::debug!(session = %self.id, %error, "a kept downstream session was dead")
                    }
                }
            } else {
                parked.pool.give_back(&parked.key, *parked.link);
            }
        }
        pool.begin(wanted).await
    }
}
