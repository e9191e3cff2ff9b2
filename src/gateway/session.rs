//! One session with a client: the loop, and which event goes where.
//!
//! The session owns its stream and its machine; what it waits with is small, what it does with a message is
//! boxed, so that thousands of idle sessions cost little.

use super::clock::{millis, unix_ms};
use super::generation::{Entrance, Generation};
use super::incoming::Incoming;
use super::lines::ConnectionLine;
use super::live::Place;
use super::phase::Phase;
use super::standing::Standing;
use super::state::Gateway;
use super::transaction::{Parked, Transaction};
use crate::downstream::{BoxStream, Session as Link};
use crate::mail::{Id, escape, unmapped};
use crate::reply::{Entry, Reply, catalogue};
use crate::smtp::command::Command;
use crate::smtp::extension::Offer;
use crate::smtp::server::{Event, Server};
use crate::verdict::{Client, Fact, Tls};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// An accepted connection, before anything was said.
pub struct Accepted {
    /// Its stream.
    pub stream: BoxStream,
    /// The peer of the socket.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Index of the listener.
    pub listener: usize,
    /// What the door knows of the client; `None` where nobody looked yet.
    pub(super) standing: Option<Box<Standing>>,
}

impl Accepted {
    /// A connection at which nobody has looked yet.
    #[must_use]
    pub fn new(stream: BoxStream, peer: SocketAddr, local: SocketAddr, listener: usize) -> Self {
        Self { stream, peer, local, listener, standing: None }
    }
}

/// The peer of a socket, as the policy sees it.
pub(super) fn client_of(peer: SocketAddr, generation: &Generation) -> Client {
    let ip = unmapped(peer.ip());
    Client {
        ip,
        port: peer.port(),
        name: Fact::default(),
        trusted: generation.policy.trusted.contains(ip),
        may_relay: generation.policy.relay.from.contains(ip),
        balancer: false,
    }
}

/// How a session ended, as the audit log says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Quit,
    ClosedByClient,
    Timeout,
    Errors,
    Shutdown,
    Refused,
    Protocol,
    DownstreamLost,
    Tls,
    /// By an admin.
    Kicked,
    /// By the end of the process or a panic.
    Cut,
}

impl End {
    /// Whether we closed while the client may still be sending: what it has not been told yet would be lost with
    /// the connection.
    fn is_ours(self) -> bool {
        match self {
            Self::Errors
            | Self::Protocol
            | Self::Refused
            | Self::DownstreamLost
            | Self::Timeout
            | Self::Kicked => true,
            Self::Quit | Self::ClosedByClient | Self::Shutdown | Self::Tls | Self::Cut => false,
        }
    }

    /// Why a transaction that was open then came to nothing.
    fn why(self) -> &'static str {
        match self {
            Self::Quit | Self::ClosedByClient | Self::Tls => "the client was gone",
            Self::Timeout => "the client took too long",
            Self::Errors | Self::Protocol | Self::Refused => "the client was sent away",
            Self::Shutdown | Self::Cut => "the gateway was stopped",
            Self::Kicked => "an admin ended the session",
            Self::DownstreamLost => "the downstream was lost",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ClosedByClient => "closed",
            Self::Timeout => "timeout",
            Self::Errors => "errors",
            Self::Shutdown => "shutdown",
            Self::Refused => "refused",
            Self::Protocol => "protocol",
            Self::DownstreamLost => "downstream-lost",
            Self::Tls => "tls",
            Self::Kicked => "kicked",
            Self::Cut => "cut",
        }
    }
}

/// What the client said in HELO or EHLO.
pub(super) struct Hello {
    pub(super) name: Box<[u8]>,
    pub(super) extended: bool,
}

/// Counts of one session.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) messages: u32,
    pub(super) errors: u32,
    pub(super) commands: u32,
}

/// The session.
pub struct Session {
    pub(super) gateway: Arc<Gateway>,
    pub(super) generation: Arc<Generation>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) stream: BoxStream,
    pub(super) server: Server,
    pub(super) id: Id,
    pub(super) client: Client,
    pub(super) local: SocketAddr,
    pub(super) hello: Option<Hello>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) user: Option<Box<str>>,
    pub(super) authenticated: bool,
    /// The client's credentials live in one downstream session, which no other can stand in for.
    pub(super) bound: bool,
    /// The peer of the socket (or the one behind PROXY) may use XCLIENT, as often as it likes.
    pub(super) may_xclient: bool,
    /// The mechanism of an AUTH dialogue whose first response is awaited.
    pub(super) auth: Option<Box<str>>,
    pub(super) offer: Option<Arc<Offer>>,
    /// The session that carries the client's credentials, between transactions.
    pub(super) link: Option<Box<Link>>,
    /// The downstream session of the message before, kept for a moment.
    pub(super) parked: Option<Box<Parked>>,
    pub(super) transaction: Option<Box<Transaction>>,
    /// The message that is being received.
    pub(super) incoming: Option<Box<Incoming>>,
    pub(super) counts: Counts,
    /// What is known of the client and held against it.
    pub(super) standing: Box<Standing>,
    /// Messages that were refused here, for the transcript.
    pub(super) refused: Vec<Id>,
    pub(super) began: Instant,
    pub(super) line_by: Instant,
    pub(super) last_refusal: Option<Box<str>>,
    /// Why the machine was closed, where it was not by the client.
    pub(super) end: Option<End>,
    /// How the session ended, once it has.
    pub(super) over: Option<End>,
    pub(super) stop: watch::Receiver<Phase>,
    pub(super) place: Place,
}

impl Drop for Session {
    /// The audit line of the connection; also of one that was cut by a stop or a panic, with the message that
    /// was on its way.
    fn drop(&mut self) {
        if let Some(mut transaction) = self.transaction.take() {
            let note = if transaction.in_doubt { "cut, may be delivered twice" } else { "cut" };
            transaction.note.get_or_insert_with(|| note.to_owned());
            self.audit_message(&transaction);
        }
        self.keep_transcript();
        self.audit_connection(self.over.unwrap_or(End::Cut));
    }
}

impl Session {
    /// A session for an accepted connection; `None` if its listener is no more.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, accepted: Accepted, place: Place) -> Option<Self> {
        let generation = gateway.current.load_full();
        let entrance = Arc::clone(generation.entrances.get(accepted.listener)?);
        let client = client_of(accepted.peer, &generation);
        let now = Instant::now();
        let mut server = Server::default();
        server.tolerate(generation.policy.protocol.syntax.tolerance());
        Some(Self {
            id: gateway.ids.next(),
            stop: gateway.phase.subscribe(),
            line_by: now + generation.policy.timeouts.command,
            gateway,
            generation,
            entrance,
            stream: accepted.stream,
            server,
            client,
            local: accepted.local,
            hello: None,
            tls: None,
            user: None,
            authenticated: false,
            bound: false,
            may_xclient: false,
            auth: None,
            offer: None,
            link: None,
            parked: None,
            transaction: None,
            incoming: None,
            counts: Counts::default(),
            standing: accepted.standing.unwrap_or_default(),
            refused: Vec::new(),
            began: now,
            last_refusal: None,
            end: None,
            over: None,
            place,
        })
    }

    /// Runs the session to its end and writes its audit line.
    pub async fn run(mut self) {
        let end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if self.transaction.is_some() {
            Box::pin(self.abandon(end.why())).await;
        }
        self.unpark();
        if let Some(link) = self.link.take() {
            link.quit().await;
        }
        self.over = Some(end);
        if end.is_ours() {
            self.linger().await;
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        self.welcome().await?;
        loop {
            while let Some(event) = self.server.poll() {
                self.on_event(event).await?;
            }
            if self.server.is_closed() {
                return Err(self.farewell().await);
            }
            if self.server.awaits_handshake() {
                self.flush().await?;
                Box::pin(self.handshake()).await?;
            } else if self.server.in_body() {
                Box::pin(self.receive()).await?;
            } else {
                self.flush().await?;
                self.wait_line().await?;
            }
        }
    }

    /// The answer that closes the machine is written; why it was closed is known from what was said.
    async fn farewell(&mut self) -> End {
        let otherwise = if self.server.quit_was_said() { End::Quit } else { End::Protocol };
        let end = self.end.unwrap_or(otherwise);
        if self.flush().await.is_err() {
            return End::ClosedByClient;
        }
        end
    }

    async fn on_event(&mut self, event: Event) -> Result<(), End> {
        let now = Instant::now();
        self.line_by = now + self.generation.policy.timeouts.command;
        let since = u32::try_from((now - self.began).as_millis()).unwrap_or(u32::MAX);
        self.server.transcript_mut().at(since);
        self.counts.commands += 1;
        match event {
            Event::Command(command) => self.on_command(command).await?,
            Event::AuthLine(line) => Box::pin(self.auth_line(&line)).await?,
            Event::Chunk { octets, last, refuse } => self.chunk(octets, last, refuse),
            Event::Refuse(entry) => self.refuse(entry),
            Event::Drop(entry) => self.refuse(entry),
        }
        self.check_budget();
        Ok(())
    }

    async fn on_command(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Mail(_) | Command::Rcpt(_) => Box::pin(self.envelope(command)).await?,
            Command::Hello { extended, name } => self.hello(extended, name).await,
            Command::Data => self.data(),
            Command::Rset => {
                self.reset().await;
                self.answer(&catalogue::OK.reply());
            }
            Command::Noop => self.answer(&catalogue::OK.reply()),
            Command::Help => self.answer(&catalogue::HELP.reply()),
            Command::Vrfy => self.answer(&catalogue::VRFY.reply()),
            Command::Quit => {
                self.reset().await;
                self.answer(&catalogue::BYE.reply());
            }
            Command::Expn(line) | Command::Etrn(line) => Box::pin(self.hand_through(&line)).await,
            Command::Auth { mechanism, initial, line } => {
                Box::pin(self.begin_auth(mechanism, initial, &line)).await?
            }
            Command::StartTls => self.start_tls(),
            Command::Xclient(attributes) => self.xclient(&attributes).await,
            // The machine answers these with Refuse and Drop, and chunks with Chunk.
            Command::Bad(entry) => self.refuse(entry),
            Command::Bdat { .. } | Command::BadBdat | Command::Foreign => {
                self.refuse(catalogue::BAD_SEQUENCE)
            }
        }
        Ok(())
    }

    /// Answers the oldest event.
    pub(super) fn answer(&mut self, reply: &Reply) {
        if reply.is_refusal() {
            self.last_refusal = Some(reply.to_log().into());
        }
        if reply.code() == 421 {
            self.end = Some(End::DownstreamLost);
        }
        self.server.answer(reply);
    }

    /// Refuses what the client did wrong; it counts as an error.
    pub(super) fn refuse(&mut self, entry: Entry) {
        if entry.code >= 500 {
            self.count_protocol_error();
        }
        let reply = entry.refusal(self.reference());
        self.answer(&reply);
    }

    /// What a refusal is found by: the message in progress, else the session.
    pub(super) fn reference(&self) -> Id {
        self.transaction.as_ref().map_or(self.id, |t| t.id)
    }

    /// Ends a session that made too many errors, or says too much without ever sending a message.
    fn check_budget(&mut self) {
        if self.server.is_closed() {
            return;
        }
        let listener = &self.entrance.listener;
        let entry = if self.counts.errors > listener.max_errors || self.standing.over_errors {
            catalogue::TOO_MANY_ERRORS
        } else if self.counts.commands > listener.max_commands {
            catalogue::TOO_MANY_COMMANDS
        } else {
            return;
        };
        self.say_and_close(entry, End::Errors);
    }

    /// 421 and the end.
    pub(super) fn say_and_close(&mut self, entry: Entry, end: End) {
        let reply = entry.refusal(self.reference());
        self.end = Some(end);
        self.last_refusal = Some(reply.to_log().into());
        self.server.close(&reply);
    }

    /// RSET, HELO, QUIT: the transaction is forgotten.
    pub(super) async fn reset(&mut self) {
        self.unpark();
        if self.transaction.is_some() {
            Box::pin(self.abandon("the client reset the transaction")).await;
        }
    }

    pub(super) fn helo_text(&self) -> Option<String> {
        self.helo_name().map(escape)
    }

    pub(super) fn helo_name(&self) -> Option<&[u8]> {
        self.hello.as_ref().map(|h| &*h.name)
    }

    /// The name that AUTH was for, once the downstream took it.
    pub(super) fn user_name(&self) -> Option<&str> {
        self.user.as_deref().filter(|_| self.authenticated)
    }

    /// What was said, where something was refused, for `explain`.
    fn keep_transcript(&self) {
        if self.last_refusal.is_none() {
            return;
        }
        let transcripts = self.gateway.records.transcripts();
        let (ip, now) = (self.client.ip, unix_ms());
        if transcripts.wants(ip, now) {
            transcripts.put(self.id, &self.refused, ip, now, &self.server.transcript().render());
        }
    }

    fn audit_connection(&self, end: End) {
        self.gateway.audit.line(&ConnectionLine {
            unix_ms: unix_ms(),
            session: self.id,
            listener: &self.entrance.listener.name,
            direction: self.entrance.listener.direction,
            client: self.client.ip,
            port: self.client.port,
            helo: self.helo_name(),
            tls: self.tls.as_deref(),
            user: self.user_name(),
            messages: self.counts.messages,
            errors: self.counts.errors,
            seconds: millis(self.began.elapsed()) / 1000.0,
            end: end.name(),
            refused: end == End::Refused,
            generation: self.generation.number,
            findings: &self.standing.findings,
            name: self.client.name.known().map(|n| &**n),
            reply: self.last_refusal.as_deref(),
        });
    }
}
