//! Beginning a transaction: a session, at rest or fresh, that has been told who the client is and has
//! answered MAIL.

use super::address::Addresses;
use super::error::DownstreamError;
use super::gate::{Kind, Place};
use super::identity::{Introduction, Peer};
use super::open::accepted;
use super::pool::{Key, Pool, close};
use super::priority::Priority;
use super::session::Session;
use super::step::of_opening;
use crate::reply::Reply;
use crate::smtp::client::Awaiting;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a session at rest may take until it answers the first line: then a fresh one is faster than waiting,
/// and the client, which knows nothing of it, does not give up.
const RESTED_LIMIT: Duration = Duration::from_secs(20);

/// What a transaction wants of a session.
pub struct Wanted<'a> {
    /// Whom it may share it with.
    pub key: &'a Key,
    /// Whose mail it is.
    pub peer: &'a Peer,
    /// Extensions that were offered to the client and used.
    pub needs: &'a [&'static str],
    /// First command, then those that may go in the same write where the server takes it: MAIL and RCPTs, or
    /// AUTH, each with CRLF.
    pub lines: &'a [&'a [u8]],
    /// What the first line's reply may be.
    pub awaiting: Awaiting,
    /// What is said must not be overheard: credentials, REQUIRETLS. The session is in TLS, or never leaves
    /// this machine.
    pub secured: bool,
    /// MAIL's SIZE parameter goes down only where the server offers SIZE: the same line without it.
    pub first_without_size: Option<&'a [u8]>,
    /// How its client stands when connections are scarce.
    pub priority: Priority,
}

/// A session that has answered the first line. Where it takes pipelining, the replies to the other lines
/// are outstanding; else they were not sent.
pub struct Begun {
    /// The session.
    pub session: Session,
    /// Its reply to the first line.
    pub first: Reply,
    /// How many of the lines have been sent.
    pub sent: usize,
}

impl Pool {
    /// Begins a transaction. A session at rest that turns out to be dead is replaced silently; so is an
    /// address that lacks what was promised.
    ///
    /// # Errors
    /// No session can be had, or the fresh one broke.
    pub async fn begin(&self, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        // Credentials stay in their session, between messages too.
        let kind = if wanted.awaiting == Awaiting::Auth { Kind::Own } else { Kind::Shared };
        let slot = self.slot(wanted.priority, kind).await?;
        let mut slot = Some(slot);
        while let Some(session) = self.take_resting(wanted.key) {
            match timeout(RESTED_LIMIT, self.on_rested(session, wanted)).await {
                Ok(Ok(begun)) => return Ok(Self::with_slot(begun, &mut slot)),
                Ok(Err(error)) => tracing::debug!(%error, "a session at rest was dead"),
                Err(_elapsed) => {
                    // A host that is gone says nothing at all, on each of them.
                    tracing::info!(downstream = %self.config.name, "a session at rest does not answer, closing all");
                    self.close_all();
                }
            }
        }
        self.make_room();
        let begun = self.on_fresh(wanted).await.inspect_err(|error| {
            if let Some(why) = of_opening(error) {
                let now = tokio::time::Instant::now();
                match error {
                    DownstreamError::Connect { .. } | DownstreamError::Unreachable { .. } => {
                        self.pressure.unreached(&why, now);
                    }
                    // It answers, and wants no more sessions.
                    _ => self.pressure.bad(&why, now),
                }
            }
        })?;
        Ok(Self::with_slot(begun, &mut slot))
    }

    /// The next message of the client whose last message this session carried: no RSET, since nobody else was
    /// there in between, and no XCLIENT again. XFORWARD holds for one message and is said again.
    ///
    /// # Errors
    /// The session is dead, or lacks what this message needs; nothing is lost, another one serves.
    pub async fn go_on(&self, mut session: Session, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        if !session.is_alive() {
            return Err(session.surplus());
        }
        lacks(&session, wanted)?;
        if session.introduced {
            let pipelining = session.capabilities.has("PIPELINING");
            return self.say(session, wanted, 0, pipelining).await;
        }
        self.introduce(session, wanted).await
    }

    fn with_slot(mut begun: Begun, slot: &mut Option<Place>) -> Begun {
        begun.session.slot = slot.take();
        begun
    }

    /// RSET was said when the session went to rest; its reply, and nothing else, must be here before anything
    /// is asked.
    async fn on_rested(&self, mut session: Session, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        lacks(&session, wanted)?;
        let mut outstanding = session.client.outstanding();
        self.skip(&mut session, &mut outstanding).await?;
        self.introduce(session, wanted).await
    }

    async fn on_fresh(&self, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        let candidates = self.addresses.candidates(tokio::time::Instant::now());
        let _hope = Hope { addresses: &self.addresses, last: candidates.last_hope };
        let mut last = None;
        for socket in &candidates.sockets {
            match self.on_address(*socket, wanted).await {
                Ok(begun) => return Ok(begun),
                Err(error) => {
                    tracing::warn!(%error, "downstream address failed");
                    last = Some(error);
                }
            }
        }
        Err(match last {
            Some(error @ DownstreamError::Lacks { .. }) => error,
            Some(error) if candidates.sockets.len() == 1 => error,
            other => DownstreamError::Unreachable {
                name: Arc::clone(&self.config.name),
                last: other.map_or_else(|| "all addresses failed lately".into(), |e| e.to_string()),
            },
        })
    }

    async fn on_address(&self, socket: SocketAddr, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        let from = (SocketAddr::new(wanted.peer.ip, wanted.peer.port), wanted.peer.local);
        let session = self.open(socket, Some(from)).await?;
        if let Err(error) = lacks(&session, wanted) {
            close(session);
            return Err(error);
        }
        self.introduce(session, wanted).await
    }

    /// Says who the client is, then the lines.
    async fn introduce(&self, mut session: Session, wanted: &Wanted<'_>) -> Result<Begun, DownstreamError> {
        let pipelining = session.capabilities.has("PIPELINING");
        let introduction = wanted.peer.introduction(self.config.identity, &session.capabilities);
        let mut before = 0;
        match introduction {
            Introduction::None => {}
            Introduction::Xforward(lines) => {
                for line in &lines {
                    session.queue(line, Awaiting::Command);
                    before += 1;
                    if !pipelining {
                        self.skip(&mut session, &mut before).await?;
                    }
                }
            }
            Introduction::Xclient(line) => {
                let offered = Arc::clone(&session.capabilities);
                session.queue(&line, Awaiting::Command);
                before = 1;
                self.skip(&mut session, &mut before).await?;
                self.hello(&mut session).await?;
                session.introduced = true;
                // A server that does not let us name the next client as well keeps this one for ever.
                session.spoiled |=
                    session.capabilities.parameters("XCLIENT") != offered.parameters("XCLIENT");
                lacks(&session, wanted)?;
            }
        }
        if !pipelining {
            self.skip(&mut session, &mut before).await?;
        }
        self.say(session, wanted, before, pipelining).await
    }

    async fn say(
        &self,
        mut session: Session,
        wanted: &Wanted<'_>,
        mut before: usize,
        pipelining: bool,
    ) -> Result<Begun, DownstreamError> {
        let mut sent = 0;
        for (at, line) in wanted.lines.iter().enumerate() {
            let line = match wanted.first_without_size {
                Some(without) if at == 0 && !session.capabilities.has("SIZE") => without,
                Some(_) | None => line,
            };
            session.queue(line, if at == 0 { wanted.awaiting } else { Awaiting::Command });
            sent += 1;
            if !pipelining {
                break;
            }
        }
        self.skip(&mut session, &mut before).await?;
        let first = session.reply("MAIL", self.limits.command).await?;
        session.spoiled |= first.is_refusal();
        Ok(Begun { session, first, sent })
    }

    /// Takes the replies to RSET and to the introduction; each must be 2yz.
    async fn skip(&self, session: &mut Session, before: &mut usize) -> Result<(), DownstreamError> {
        while *before > 0 {
            let reply = session.reply("RSET or the client's identity", self.limits.command).await?;
            *before -= 1;
            if !reply.is_success() {
                session.client.break_off();
                return accepted(&reply, session.address, "RSET or the client's identity");
            }
        }
        Ok(())
    }
}

/// Ends the one attempt that is allowed while all addresses rest, also when it is cancelled.
struct Hope<'a> {
    addresses: &'a Addresses,
    last: bool,
}

impl Drop for Hope<'_> {
    fn drop(&mut self) {
        if self.last {
            self.addresses.hope_ended();
        }
    }
}

fn lacks(session: &Session, wanted: &Wanted<'_>) -> Result<(), DownstreamError> {
    if wanted.secured && session.tls.is_none() && !session.address.ip().is_loopback() {
        return Err(DownstreamError::NoTls { address: session.address });
    }
    match wanted.needs.iter().find(|k| !session.capabilities.has(k)) {
        Some(keyword) => Err(DownstreamError::Lacks { address: session.address, keyword }),
        None => Ok(()),
    }
}
