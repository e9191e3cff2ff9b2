//! One session with one address: commands out, replies in, each under a deadline.
//!
//! A session that was dropped in the middle of an exchange, timed out or answered nonsense is never used
//! again: its machine is broken or has replies outstanding, and the pool asks.

use super::error::DownstreamError;
use super::gate::Place;
use super::meter::Meter;
use super::stream::{BoxStream, poll_read_some, read_some, write_all};
use super::tls::Outcome;
use crate::reply::Reply;
use crate::smtp::client::{Awaiting, Client, ClientError};
use crate::smtp::extension::Capabilities;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a server that broke off may take to say why.
const PARTING_LIMIT: Duration = Duration::from_secs(2);

/// A session after greeting, EHLO and TLS.
pub struct Session {
    pub(super) stream: Option<BoxStream>,
    pub(super) client: Client,
    /// Where it goes.
    pub address: SocketAddr,
    /// Name of the downstream.
    pub name: Arc<str>,
    /// What it offered last.
    pub capabilities: Arc<Capabilities>,
    /// Its TLS.
    pub tls: Option<Arc<Outcome>>,
    /// Messages handed over so far.
    pub messages: u32,
    /// It refused something, or carries credentials: no other transaction may have it.
    pub spoiled: bool,
    /// A transaction may still be open in it, for whoever keeps it: RSET before the next MAIL.
    pub unsettled: bool,
    /// XCLIENT told it of the client that it serves now.
    pub(super) introduced: bool,
    /// When it began to rest.
    pub(super) resting_since: Instant,
    /// Its place among `max_connections`.
    pub(super) slot: Option<Place>,
    /// What is told how it answers.
    meter: Meter,
}

impl Session {
    pub(super) fn new(name: Arc<str>, address: SocketAddr, stream: BoxStream, meter: Meter) -> Self {
        Self {
            stream: Some(stream),
            client: Client::default(),
            address,
            name,
            capabilities: Arc::default(),
            tls: None,
            messages: 0,
            spoiled: false,
            unsettled: false,
            introduced: false,
            resting_since: Instant::now(),
            slot: None,
            meter,
        }
    }

    /// Whether it may be used for another transaction.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        !self.spoiled && self.client.is_usable()
    }

    /// Whether it can still be spoken to. Looks, without waiting, for octets that nobody asked for: a 421, an
    /// end of stream, a surplus reply.
    pub fn is_alive(&mut self) -> bool {
        let Some(stream) = self.stream.as_deref_mut() else { return false };
        let client = &mut self.client;
        let mut cx = Context::from_waker(Waker::noop());
        match poll_read_some(stream, &mut cx, &mut |octets| client.push(octets)) {
            Poll::Pending => self.client.is_usable(),
            Poll::Ready(Ok(_) | Err(_)) => {
                self.client.break_off();
                false
            }
        }
    }

    /// Says RSET without waiting for anything. False: the session is not to be used again.
    pub(super) fn say_reset(&mut self) -> bool {
        self.client.send(b"RSET\r\n", Awaiting::Command);
        let Some(stream) = self.stream.as_deref_mut() else { return false };
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut *stream).poll_write(&mut cx, self.client.output());
        let all = matches!(written, Poll::Ready(Ok(n)) if n == self.client.output().len());
        let flushed = Pin::new(stream).poll_flush(&mut cx);
        self.client.output().clear();
        all && matches!(flushed, Poll::Ready(Ok(())))
    }

    /// After a rest: whether nothing came but the reply to RSET, and that was 2yz or is still on the way.
    pub(super) fn woke_up(&mut self) -> bool {
        let Some(stream) = self.stream.as_deref_mut() else { return false };
        let client = &mut self.client;
        let mut cx = Context::from_waker(Waker::noop());
        match poll_read_some(stream, &mut cx, &mut |octets| client.push(octets)) {
            Poll::Ready(Ok(0) | Err(_)) => return false,
            Poll::Ready(Ok(_)) | Poll::Pending => {}
        }
        match self.client.poll() {
            Ok(Some(reply)) => reply.is_success() && self.client.is_usable(),
            Ok(None) => self.client.awaits_only(1),
            Err(_) => false,
        }
    }

    /// Queues a line with its CRLF; nothing is written before the next [`Session::reply`].
    pub fn queue(&mut self, line: &[u8], awaiting: Awaiting) {
        self.client.send(line, awaiting);
    }

    /// Writes what is queued and waits for the next reply.
    ///
    /// # Errors
    /// Lost, timed out, nonsense, or 421 (`Protocol` with `Closing`). The session is dead then.
    pub async fn reply(&mut self, step: &'static str, limit: Duration) -> Result<Reply, DownstreamError> {
        let began = Instant::now();
        let exchange = timeout_at(began + limit, self.exchange());
        let result = match exchange.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(failure)) => Err(self.failed(step, failure)),
            Err(_elapsed) => {
                self.client.break_off();
                Err(DownstreamError::Timeout { address: self.address, step })
            }
        };
        self.meter.replied(step, &result, began.elapsed());
        result
    }

    /// One command and its reply.
    ///
    /// # Errors
    /// As [`Session::reply`].
    pub async fn command(
        &mut self,
        line: &[u8],
        awaiting: Awaiting,
        step: &'static str,
        limit: Duration,
    ) -> Result<Reply, DownstreamError> {
        self.queue(line, awaiting);
        self.reply(step, limit).await
    }

    async fn exchange(&mut self) -> Result<Reply, Failure> {
        self.flush().await?;
        loop {
            if let Some(reply) = self.client.poll()? {
                return Ok(reply);
            }
            self.fill().await?;
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.client.is_broken() {
            return Err(Failure::Protocol(ClientError::Surplus));
        }
        let stream = self.stream.as_deref_mut().ok_or(Failure::Io(ErrorKind::NotConnected.into()))?;
        if !self.client.output().is_empty() {
            write_all(stream, self.client.output()).await?;
            self.client.output().clear();
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let stream = self.stream.as_deref_mut().ok_or(Failure::Io(ErrorKind::NotConnected.into()))?;
        let client = &mut self.client;
        match read_some(stream, |octets| client.push(octets)).await? {
            0 => Err(Failure::Io(io::Error::new(ErrorKind::UnexpectedEof, "closed by the downstream"))),
            _ => Ok(()),
        }
    }

    /// Writes octets of a message as they are, each piece within `limit`.
    ///
    /// # Errors
    /// Lost or timed out.
    pub(super) async fn write_body(&mut self, octets: &[u8], limit: Duration) -> Result<(), DownstreamError> {
        let address = self.address;
        let Some(stream) = self.stream.as_deref_mut() else {
            return Err(self.failed("message data", Failure::Io(ErrorKind::NotConnected.into())));
        };
        match timeout_at(Instant::now() + limit, write_all(stream, octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.failed("message data", Failure::Io(error))),
            Err(_elapsed) => {
                self.client.break_off();
                Err(DownstreamError::Timeout { address, step: "message data" })
            }
        }
    }

    /// After a write of message data failed: what the server said before it closed, if it refused the message.
    pub(super) async fn parting_reply(&mut self) -> Option<Reply> {
        let by = Instant::now() + PARTING_LIMIT;
        loop {
            if let Some(reply) = self.client.parting_reply() {
                return Some(reply).filter(Reply::is_refusal);
            }
            let stream = self.stream.as_deref_mut()?;
            let client = &mut self.client;
            let read = timeout_at(by, read_some(stream, |octets| client.push(octets))).await;
            if !matches!(read, Ok(Ok(n)) if n > 0) {
                return None;
            }
        }
    }

    /// NOOP, to keep the session while the client takes its time.
    ///
    /// # Errors
    /// As [`Session::reply`].
    pub async fn noop(&mut self, limit: Duration) -> Result<(), DownstreamError> {
        self.command(b"NOOP\r\n", Awaiting::Command, "NOOP", limit).await.map(|_| ())
    }

    /// Says QUIT without waiting for the answer, and closes.
    pub async fn quit(mut self) {
        let Some(stream) = self.stream.as_deref_mut() else { return };
        if !self.client.is_broken() {
            // Nobody waits for this: a second is enough for a line into a socket buffer.
            let _ = tokio::time::timeout(Duration::from_secs(1), write_all(stream, b"QUIT\r\n")).await;
        }
    }

    /// Octets were there that nothing asked for.
    pub(super) fn surplus(&mut self) -> DownstreamError {
        self.failed("DATA", Failure::Protocol(ClientError::Surplus))
    }

    fn failed(&mut self, step: &'static str, failure: Failure) -> DownstreamError {
        self.client.break_off();
        let address = self.address;
        match failure {
            Failure::Io(source) => DownstreamError::Lost { address, step, source },
            Failure::Protocol(source) => DownstreamError::Protocol { address, step, source },
        }
    }
}

enum Failure {
    Io(io::Error),
    Protocol(ClientError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Protocol(error)
    }
}
