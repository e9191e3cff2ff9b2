//! A fresh session: connect, PROXY header, greeting, EHLO, STARTTLS, EHLO.

use super::error::DownstreamError;
use super::meter::Meter;
use super::pool::Pool;
use super::session::Session;
use super::tls::ClientTls;
use crate::config::model::{DownstreamTls, Identity};
use crate::reply::Reply;
use crate::smtp::client::Awaiting;
use crate::smtp::extension::Capabilities;
use crate::smtp::proxy;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longest wait for a greeting and for the answer to EHLO. RFC 5321 section 4.5.3.2.1 gives 5 minutes, and the
/// client, who waits for the answer to its MAIL meanwhile, has no more either: a server that hangs must
/// leave time for the next address.
const GREETING_MAX: Duration = Duration::from_secs(60);

/// Step name of the TLS handshake.
const HANDSHAKE: &str = "TLS handshake";

impl Pool {
    /// Opens a session with `socket`. `from` goes into a PROXY header where that is how the downstream is
    /// told. The health of the address is noted; `max_connections` is the caller's to keep.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn open(
        &self,
        socket: SocketAddr,
        from: Option<(SocketAddr, SocketAddr)>,
    ) -> Result<Session, DownstreamError> {
        let opened = match self.try_open(socket, from, true).await {
            Err(error) if self.may_go_without_tls(&error) => {
                tracing::warn!(%error, "TLS handshake failed, going on without TLS as tls = \"opportunistic\" allows");
                self.try_open(socket, from, false).await
            }
            other => other,
        };
        match &opened {
            Ok(session) => {
                self.addresses.succeeded(socket, session.tls.is_some(), &session.capabilities);
                self.pressure.reached();
            }
            Err(error) => self.addresses.failed(socket, Instant::now(), error.to_string()),
        }
        opened
    }

    /// A server that offers STARTTLS and cannot do it. Credentials never go that way: whoever needs TLS says
    /// so in [`super::Wanted::secured`].
    fn may_go_without_tls(&self, error: &DownstreamError) -> bool {
        let at_handshake = match error {
            DownstreamError::Tls { .. } => true,
            DownstreamError::Timeout { step, .. } => *step == HANDSHAKE,
            _ => false,
        };
        at_handshake && self.config.tls == DownstreamTls::Opportunistic
    }

    async fn try_open(
        &self,
        socket: SocketAddr,
        from: Option<(SocketAddr, SocketAddr)>,
        with_tls: bool,
    ) -> Result<Session, DownstreamError> {
        let connect_by = Instant::now() + self.limits.connect;
        let connect = |source| DownstreamError::Connect { address: socket, source };
        let stream = match timeout_at(connect_by, self.dial.dial(socket)).await {
            Ok(stream) => stream.map_err(connect)?,
            Err(_elapsed) => return Err(connect(io::ErrorKind::TimedOut.into())),
        };
        let mut session = Session::new(
            Arc::clone(&self.config.name),
            socket,
            stream,
            Meter::new(Arc::clone(&self.pressure)),
        );
        if self.config.identity == Identity::Proxy {
            let header = from.map_or_else(proxy::v2_local, |(client, local)| proxy::v2(client, local));
            session.write_body(&header, self.limits.connect).await?;
        }
        // Postfix's postscreen and Exchange may take their time to greet: RFC 5321 section 4.5.3.2.1.
        accepted(
            &session.reply("greeting", self.limits.command.min(GREETING_MAX)).await?,
            socket,
            "the connection",
        )?;
        self.hello(&mut session).await?;
        if with_tls {
            self.secure(&mut session).await?;
        }
        Ok(session)
    }

    /// EHLO, or HELO where the server knows no better.
    pub(super) async fn hello(&self, session: &mut Session) -> Result<(), DownstreamError> {
        let name = &self.config.ehlo_name;
        let limit = self.limits.command.min(GREETING_MAX);
        let line = format!("EHLO {name}\r\n");
        let reply = session.command(line.as_bytes(), Awaiting::Command, "EHLO", limit).await?;
        if reply.is_success() {
            session.capabilities = Arc::new(Capabilities::parse(&reply));
            return Ok(());
        }
        if !matches!(reply.code(), 500 | 502) {
            return accepted(&reply, session.address, "EHLO");
        }
        let line = format!("HELO {name}\r\n");
        let reply = session.command(line.as_bytes(), Awaiting::Command, "HELO", limit).await?;
        session.capabilities = Arc::default();
        accepted(&reply, session.address, "HELO")
    }

    async fn secure(&self, session: &mut Session) -> Result<(), DownstreamError> {
        let address = session.address;
        let Some(tls) = self.tls.as_ref() else { return Ok(()) };
        let must = match self.config.tls {
            DownstreamTls::Off => return Ok(()),
            DownstreamTls::Opportunistic => false,
            DownstreamTls::Required | DownstreamTls::Pinned(_) => true,
        };
        if !session.capabilities.has("STARTTLS") {
            return if must { Err(DownstreamError::NoTls { address }) } else { Ok(()) };
        }
        let limit = self.limits.command;
        let reply = session.command(b"STARTTLS\r\n", Awaiting::Command, "STARTTLS", limit).await?;
        if !reply.is_success() {
            return if must { Err(DownstreamError::NoTls { address }) } else { Ok(()) };
        }
        self.handshake(session, tls).await?;
        self.hello(session).await
    }

    async fn handshake(&self, session: &mut Session, tls: &ClientTls) -> Result<(), DownstreamError> {
        let address = session.address;
        let begins = session.client.handshake_begins();
        begins.map_err(|source| DownstreamError::Protocol { address, step: "STARTTLS", source })?;
        let Some(stream) = session.stream.take() else { return Err(DownstreamError::NoTls { address }) };
        let handshake = Box::pin(tls.handshake(stream, address.ip()));
        let (stream, outcome) = match timeout_at(Instant::now() + self.limits.connect, handshake).await {
            Ok(done) => done.map_err(|source| DownstreamError::Tls { address, source })?,
            Err(_elapsed) => return Err(DownstreamError::Timeout { address, step: HANDSHAKE }),
        };
        session.stream = Some(Box::new(stream));
        session.tls = Some(Arc::new(outcome));
        Ok(())
    }
}

pub(super) fn accepted(
    reply: &Reply,
    address: SocketAddr,
    step: &'static str,
) -> Result<(), DownstreamError> {
    if reply.is_success() {
        return Ok(());
    }
    Err(DownstreamError::Refused { address, step, reply: reply.to_log() })
}
