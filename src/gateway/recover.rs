//! The link of a transaction over time: begun, kept alive, said again when it died, given back.

use super::live::Doing;
use super::session::Session;
use super::transaction::Transaction;
use crate::downstream::{Begun, DownstreamError, Peer, Session as Link, Wanted};
use crate::reply::Reply;
use crate::smtp::client::Awaiting;
use crate::verdict::Fact;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// References of refused messages that one transcript is found by.
const REFUSED_KEPT: usize = 50;
/// How long a NOOP may take before the session counts as dead.
const NOOP_LIMIT: Duration = Duration::from_secs(10);

impl Session {
    /// The client, as the downstream is told of it.
    pub(super) fn peer(&self) -> Peer {
        Peer {
            ip: self.client.ip,
            port: self.client.port,
            local: self.local,
            name: match &self.client.name {
                Fact::Known(name) => Some(name.clone()),
                Fact::Absent | Fact::Unknown(_) => None,
            },
            helo: self.hello.as_ref().map(|h| h.name.clone()),
            esmtp: self.hello.as_ref().is_some_and(|h| h.extended),
            login: self.user.clone(),
            ident: self.reference().to_string().into(),
        }
    }

    /// Opens the transaction downstream: MAIL and, where it takes pipelining, `rcpts` behind it.
    pub(super) async fn begin(&mut self, rcpts: &[&[u8]]) -> Result<Begun, DownstreamError> {
        let peer = self.peer();
        let carried = self.link.take();
        let parked = self.parked.take();
        let Some(transaction) = self.transaction.as_deref() else { return Err(self.no_link()) };
        let mut lines: Vec<&[u8]> = Vec::with_capacity(rcpts.len() + 1);
        lines.push(&transaction.mail_line);
        lines.extend_from_slice(rcpts);
        if self.bound {
            // Credentials live in this one session; no other can stand in for it.
            let Some(link) = carried else { return Err(self.no_link()) };
            let limit = transaction.entrance.pool.limits().command;
            return begin_on(*link, transaction, &lines, limit).await;
        }
        let wanted = Wanted {
            key: &transaction.key,
            peer: &peer,
            needs: &transaction.needs,
            lines: &lines,
            awaiting: Awaiting::Command,
            secured: transaction.needs.contains(&"REQUIRETLS"),
            first_without_size: transaction.mail_line_without_size.as_deref(),
            priority: self.priority(),
        };
        let pool = Arc::clone(&transaction.entrance.pool);
        self.begin_pooled(parked, &pool, &wanted).await
    }

    /// There is no session any more.
    pub(super) fn no_link(&self) -> DownstreamError {
        let source = ErrorKind::NotConnected.into();
        DownstreamError::Lost { address: self.first_address(), step: "waiting", source }
    }

    fn first_address(&self) -> SocketAddr {
        let address = self.entrance.pool.config().addresses.first().map(|a| a.socket);
        address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// [`Self::recover`] within what is left of the budget after the client's end of data.
    pub(super) async fn recover_by(
        &mut self,
        cause: DownstreamError,
        by: Instant,
    ) -> Result<(), DownstreamError> {
        if by <= Instant::now() {
            return Err(cause);
        }
        let address = self.first_address();
        let late = |_| DownstreamError::Timeout { address, step: "the envelope, said again" };
        timeout_at(by, self.recover(cause, &[])).await.map_err(late)?
    }

    /// Says the envelope again on a fresh session, once; every accepted line must be accepted again. `further`
    /// are recipients that were accepted and are not noted in the transaction yet.
    pub(super) async fn recover(
        &mut self,
        cause: DownstreamError,
        further: &[&[u8]],
    ) -> Result<(), DownstreamError> {
        let Some(transaction) = self.transaction.as_deref_mut() else { return Err(cause) };
        if self.bound || !transaction.may_replay() {
            return Err(cause);
        }
        tracing::info!(session = %self.id, %cause, "no downstream session any more, saying the envelope again");
        let lines: Vec<Box<[u8]>> = transaction.delivering().map(|r| r.line.clone()).collect();
        let slices: Vec<&[u8]> = lines.iter().map(|l| &**l).chain(further.iter().copied()).collect();
        let Begun { mut session, first, sent } = self.begin(&slices).await?;
        let differs = DownstreamError::Differs { address: session.address };
        if !first.is_success() {
            return Err(differs);
        }
        let limit = self.entrance.pool.limits().command;
        for (at, line) in slices.iter().enumerate() {
            if at + 1 >= sent {
                session.queue(line, Awaiting::Command);
            }
            if !session.reply("RCPT", limit).await?.is_success() {
                return Err(differs);
            }
        }
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.put_link(Box::new(session));
        }
        Ok(())
    }

    /// A client that takes its time keeps nobody else waiting: while others wait for a connection, its own
    /// goes to them, and the envelope is said again when it is needed. Sessions with credentials stay.
    pub(super) fn lend(&mut self) {
        let Some(transaction) = self.transaction.as_deref_mut().filter(|_| !self.bound) else { return };
        if !transaction.entrance.pool.has_waiting() {
            return;
        }
        if let Some(link) = transaction.take_link_to_lend() {
            tracing::debug!(session = %self.id, "downstream connection lent while the client takes its time");
            transaction.entrance.pool.give_back(&transaction.key, *link);
        }
    }

    /// NOOP below the downstream's idle time, while the client takes its time.
    pub(super) async fn keep_alive(&mut self) {
        let Some(transaction) = self.transaction.as_deref_mut() else { return };
        let Some(mut link) = transaction.take_link() else { return };
        match link.noop(NOOP_LIMIT).await {
            Ok(()) => transaction.put_link(link),
            // The next command finds no session and says the envelope again.
            Err(error) => {
                tracing::info!(session = %self.id, %error, "downstream session died while the client took its time")
            }
        }
    }

    /// The transaction is over downstream: the session rests for the next, or carries its credentials on.
    pub(super) fn close_link(&mut self) {
        let Some(mut transaction) = self.transaction.take() else { return };
        // Only a message that was taken surely ends the transaction there.
        let settled = transaction.downstream_reply.as_ref().is_some_and(Reply::is_success);
        match transaction.take_link() {
            Some(mut link) if self.bound => {
                link.unsettled = !settled;
                self.link = Some(link);
            }
            Some(link) if settled => self.park(&transaction, link),
            Some(link) => transaction.entrance.pool.give_back(&transaction.key, *link),
            None => {}
        }
        self.transaction = Some(transaction);
    }

    /// A session with credentials is used again after a refused MAIL: the replies to what went down behind it
    /// belong to nobody. Others are closed.
    pub(super) async fn skip_replies(&mut self, outstanding: usize) {
        let Some(transaction) = self.transaction.as_deref_mut().filter(|_| self.bound) else { return };
        let limit = transaction.entrance.pool.limits().command;
        let Some(mut link) = transaction.take_link() else { return };
        for _ in 0..outstanding {
            if let Err(error) = link.reply("RCPT", limit).await {
                tracing::info!(session = %self.id, %error, "downstream session died after a refused MAIL");
                return;
            }
        }
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.put_link(link);
        }
    }

    /// The transaction is over before its message: said, noted, forgotten.
    pub(super) async fn abandon(&mut self, why: &str) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.note.get_or_insert_with(|| why.to_owned());
        }
        if let Some(link) = self.transaction.as_deref_mut().and_then(Transaction::take_link) {
            self.give_back_reset(link).await;
        }
        self.drop_transaction();
    }

    pub(super) async fn give_back_reset(&mut self, mut link: Box<Link>) {
        if self.bound {
            let limit = self.entrance.pool.limits().command.min(NOOP_LIMIT);
            let reset = link.command(b"RSET\r\n", Awaiting::Command, "RSET", limit).await;
            if reset.as_ref().is_ok_and(Reply::is_success) {
                self.link = Some(link);
            }
        } else if let Some(transaction) = self.transaction.as_deref() {
            transaction.entrance.pool.give_back(&transaction.key, *link);
        }
    }

    /// One line for a peer that may relay: EXPN, ETRN.
    pub(super) async fn ask_downstream(&mut self, line: &[u8]) -> Result<Reply, DownstreamError> {
        let peer = self.peer();
        let key = crate::downstream::Key {
            generation: self.generation.number,
            listener: self.entrance.listener.name.clone(),
        };
        let wanted = Wanted {
            key: &key,
            peer: &peer,
            needs: &[],
            lines: &[line],
            awaiting: Awaiting::Command,
            secured: false,
            first_without_size: None,
            priority: self.priority(),
        };
        let Begun { session, first, .. } = self.entrance.pool.begin(&wanted).await?;
        self.entrance.pool.give_back(&key, session);
        Ok(self.shown(first))
    }

    /// Forgets the transaction after its audit line, if it has something to say.
    pub(super) fn drop_transaction(&mut self) {
        self.close_link();
        // Chunks of a message that was reset must never begin the next one.
        self.incoming = None;
        self.place.state(Doing::Command);
        self.place.sender(None);
        if let Some(transaction) = self.transaction.take() {
            let refused = transaction.final_reply.as_ref().or_else(|| transaction.last_refusal());
            if refused.is_some_and(Reply::is_refusal) && self.refused.len() < REFUSED_KEPT {
                self.refused.push(transaction.id);
            }
            self.audit_message(&transaction);
        }
    }
}

/// MAIL and RCPTs on the session that the client authenticated in.
async fn begin_on(
    mut session: Link,
    transaction: &Transaction,
    lines: &[&[u8]],
    limit: Duration,
) -> Result<Begun, DownstreamError> {
    let address = session.address;
    if !session.is_alive() {
        return Err(DownstreamError::Lost {
            address,
            step: "waiting",
            source: ErrorKind::NotConnected.into(),
        });
    }
    if let Some(keyword) = transaction.needs.iter().find(|k| !session.capabilities.has(k)) {
        return Err(DownstreamError::Lacks { address, keyword });
    }
    if std::mem::take(&mut session.unsettled) {
        let reset = session.command(b"RSET\r\n", Awaiting::Command, "RSET", limit).await?;
        if !reset.is_success() {
            return Err(DownstreamError::Refused { address, step: "RSET", reply: reset.to_log() });
        }
    }
    let pipelining = session.capabilities.has("PIPELINING");
    let sent = if pipelining { lines.len() } else { 1 };
    for (at, line) in lines.iter().take(sent).enumerate() {
        let without = transaction
            .mail_line_without_size
            .as_deref()
            .filter(|_| at == 0 && !session.capabilities.has("SIZE"));
        session.queue(without.unwrap_or(line), Awaiting::Command);
    }
    let first = session.reply("MAIL", limit).await?;
    Ok(Begun { session, first, sent })
}

/// Deadline for everything between the client's end of data and ours.
pub(super) fn after_data(transaction: &Transaction) -> Instant {
    Instant::now() + transaction.generation.policy.timeouts.after_data
}
