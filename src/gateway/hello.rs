//! The beginning of a session: PROXY header, greeting, HELO and EHLO, STARTTLS, XCLIENT.

use super::live::Doing;
use super::phase::Phase;
use super::prefixed::Prefixed;
use super::session::{End, Hello, Session};
use super::standing::{Door, Refusal, Standing};
use crate::checks;
use crate::config::model::{AuthMode, ListenerTls};
use crate::downstream::read_some;
use crate::mail::unmapped;
use crate::reply::{Reply, catalogue};
use crate::smtp::extension::{AuthOffer, MirrorInput, Offer, mirror};
use crate::smtp::proxy::{self, ProxyHeader};
use crate::smtp::xclient::{self, Attr, XclientIn};
use crate::verdict::{Fact, Stage};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The check of who speaks before the greeting.
const EARLY_TALK: &str = "early-talk";

impl Session {
    /// Everything before the client's first word.
    pub(super) async fn welcome(&mut self) -> Result<(), End> {
        if self.entrance.listener.proxy_protocol.contains(self.client.ip) {
            Box::pin(self.proxy_header()).await?;
        }
        self.may_xclient = self.entrance.listener.xclient.contains(self.client.ip);
        if matches!(self.entrance.listener.tls, ListenerTls::Implicit(_)) {
            Box::pin(self.handshake()).await?;
        }
        self.show();
        if self.standing.door == Door::Unseen {
            self.stand_at_door();
        }
        self.prefetch();
        if self.standing.door != Door::Judged {
            Box::pin(self.gather(Stage::Connect)).await;
            let Self { standing, gateway, generation, entrance, client, .. } = self;
            if let Err(refusal) = standing.judge_connect(gateway, generation, entrance, client) {
                return self.turn_away(refusal).await;
            }
        }
        if let Some(delay) = self.greet_delay() {
            Box::pin(self.wait_before_greeting(delay)).await?;
        }
        self.greet();
        self.flush().await
    }

    /// Counted anew: behind a balancer, and after XCLIENT, the client is another than the peer of the socket.
    fn stand_at_door(&mut self) {
        self.standing.leave();
        *self.standing = Standing::at_door(&self.gateway, &self.generation, &self.entrance, &self.client);
    }

    /// Refused before the greeting.
    async fn turn_away(&mut self, refusal: Refusal) -> Result<(), End> {
        if refusal.silent {
            return Err(End::Refused);
        }
        let reply = refusal.reply.with_reference(self.id);
        self.last_refusal = Some(reply.to_log().into());
        self.server.greet(&reply);
        self.flush().await?;
        Err(End::Refused)
    }

    /// How long this client waits for its greeting: only one that never delivered a message here.
    fn greet_delay(&self) -> Option<Duration> {
        let delay = self.generation.policy.limits.greeting.delay;
        let free = delay.is_zero() || self.standing.exempt || self.standing.allowed;
        (!free && !self.gateway.limits.known.has(self.client.ip, &self.generation.policy.limits))
            .then_some(delay)
    }

    /// A server speaks first (RFC 5321 section 3.1); who cannot wait for it is no mail server.
    async fn wait_before_greeting(&mut self, delay: Duration) -> Result<(), End> {
        let by = Instant::now() + delay;
        let Self { stream, server, stop, place, .. } = self;
        let read = tokio::select! {
            biased;
            // Whoever stops or is kicked is told so in place of a greeting's delay.
            _ = stop.wait_for(|phase| *phase == Phase::Draining) => return Ok(()),
            () = place.kicked() => return Ok(()),
            read = read_some(&mut **stream, |octets| server.push(octets)) => read,
            () = tokio::time::sleep_until(by) => return Ok(()),
        };
        if !matches!(read, Ok(1..)) {
            return Err(End::ClosedByClient);
        }
        self.standing.conduct.early_talk = true;
        self.server.transcript_mut().note("the client spoke before our greeting");
        let findings = {
            let facts = self.facts(None);
            checks::run(Stage::Connect, &facts, &self.generation.policy)
        };
        // The rest of the stage was judged, and counted, at the door.
        let findings: Vec<_> = findings.into_iter().filter(|f| &*f.id == EARLY_TALK).collect();
        self.standing.apply(&self.gateway, &self.generation, &self.client, &findings);
        let refusal = self.standing.settle(&findings, Stage::Connect);
        self.standing.keep(findings);
        match refusal.as_ref().and_then(Refusal::of) {
            Some(refusal) => self.turn_away(refusal).await,
            None => {
                self.wait_out(by).await;
                Ok(())
            }
        }
    }

    /// The rest of the delay, unless the session is to end: whoever stops or is kicked is told so after it.
    async fn wait_out(&mut self, by: Instant) {
        let Self { stop, place, .. } = self;
        tokio::select! {
            biased;
            _ = stop.wait_for(|phase| *phase == Phase::Draining) => {}
            () = place.kicked() => {}
            () = tokio::time::sleep_until(by) => {}
        }
    }

    pub(super) fn greet(&mut self) {
        self.place.state(Doing::Command);
        let text = format!("{} {}", self.generation.policy.hostname, self.entrance.listener.greeting);
        self.server.transcript_mut().share();
        self.server.greet(&catalogue::GREETING.reply().with_text(text.trim_end()));
    }

    fn show(&mut self) {
        let since = super::clock::unix_ms();
        self.place.show(self.id, self.client.ip, &self.entrance.listener.name, since);
        self.place.state(Doing::Greeting);
    }

    /// A listed balancer begins with its header, or is closed without a word: it speaks no SMTP itself.
    async fn proxy_header(&mut self) -> Result<(), End> {
        let by = Instant::now() + self.generation.policy.timeouts.greeting_tls;
        let mut input = Vec::new();
        loop {
            match proxy::parse(&input) {
                ProxyHeader::Incomplete => {}
                ProxyHeader::Local { consumed } => {
                    self.client.balancer = true;
                    self.put_back(input.split_off(consumed.min(input.len())));
                    return Ok(());
                }
                ProxyHeader::Proxied { consumed, source, destination } => {
                    self.become_client(source.ip(), source.port());
                    self.local = destination;
                    self.put_back(input.split_off(consumed.min(input.len())));
                    return Ok(());
                }
                ProxyHeader::Invalid(why) => {
                    tracing::warn!(client = %self.client.ip, why, "connection of a PROXY peer without a valid header");
                    return Err(End::Refused);
                }
            }
            match timeout_at(by, read_some(&mut *self.stream, |octets| input.extend_from_slice(octets))).await
            {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(End::ClosedByClient),
                Err(_elapsed) => return Err(End::Timeout),
            }
        }
    }

    /// What came behind the PROXY header in the same piece is read again, as SMTP or as TLS.
    fn put_back(&mut self, rest: Vec<u8>) {
        if rest.is_empty() {
            return;
        }
        let (placeholder, _) = tokio::io::duplex(1);
        let stream = std::mem::replace(&mut self.stream, Box::new(placeholder));
        self.stream = Box::new(Prefixed::new(rest, stream));
    }

    /// The client is another than the peer of the socket: every list sees the new address.
    fn become_client(&mut self, ip: IpAddr, port: u16) {
        let ip = unmapped(ip);
        self.client.ip = ip;
        self.client.port = port;
        self.client.balancer = false;
        self.client.trusted = self.generation.policy.trusted.contains(ip);
        self.client.may_relay = self.generation.policy.relay.from.contains(ip);
        self.client.name = Fact::default();
    }

    pub(super) async fn hello(&mut self, extended: bool, name: Box<[u8]>) {
        let before = self.hello.replace(Hello { name, extended });
        // They are about the name before.
        let pending = self.standing.pending.take_if(|p| p.stage == Stage::Helo);
        let resolves = std::mem::take(&mut self.standing.gathered.hello_resolves);
        Box::pin(self.gather(Stage::Helo)).await;
        if let Some(refusal) = self.judge_session(Stage::Helo) {
            // A refused greeting changes nothing (RFC 5321 section 4.1.4), nor what is held against the one before.
            self.hello = before;
            self.standing.pending = pending.or(self.standing.pending.take());
            self.standing.gathered.hello_resolves = resolves;
            self.answer_refusal(&refusal);
            return;
        }
        self.reset().await;
        self.place.hello(self.helo_text().as_deref());
        let reply = if extended {
            let offer = Arc::new(self.mirror());
            let reply = offer.reply();
            self.offer = Some(offer);
            reply
        } else {
            self.offer = Some(Arc::new(Offer::helo()));
            catalogue::HELO.reply().with_text(&self.generation.policy.hostname)
        };
        self.answer(&reply);
        self.server.transcript_mut().share();
    }

    /// What EHLO offers now.
    fn mirror(&self) -> Offer {
        let listener = &self.entrance.listener;
        let pool = &self.entrance.pool;
        let carried = self.link.as_ref().map(|l| Arc::clone(&l.capabilities));
        let capabilities = carried.or_else(|| pool.capabilities());
        mirror(&MirrorInput {
            hostname: &self.generation.policy.hostname,
            downstream: capabilities.as_deref(),
            own_size_max: self.generation.policy.max_message_octets,
            client_tls: self.tls.is_some(),
            downstream_tls: pool.is_secured(),
            downstream_verified: pool.is_verified(),
            downstream_loopback: pool.is_loopback(),
            offer_starttls: matches!(listener.tls, ListenerTls::Starttls(_)),
            auth: match listener.auth {
                AuthMode::Off => AuthOffer::Off,
                AuthMode::Tls => AuthOffer::Tls,
                AuthMode::Plaintext => AuthOffer::Plaintext,
            },
            ntlm: listener.auth_ntlm,
            hide: &self.hidden(),
            own_recipients_max: listener.max_recipients,
            authenticated: self.authenticated,
            xclient: self.may_xclient,
        })
    }

    /// Keywords that this client is not offered: the listener's, and those that rules hide from it.
    fn hidden(&self) -> Cow<'_, [String]> {
        let listed = &self.entrance.listener.hide;
        if self.standing.hidden.is_empty() {
            return Cow::Borrowed(listed);
        }
        Cow::Owned(listed.iter().cloned().chain(self.standing.hidden.iter().map(|k| k.to_string())).collect())
    }

    pub(super) fn start_tls(&mut self) {
        self.unpark();
        let offered = self.offer.as_ref().is_some_and(|o| o.has("STARTTLS"));
        if offered {
            self.answer(&catalogue::TLS_GO_AHEAD.reply());
        } else {
            self.refuse(catalogue::NOT_IMPLEMENTED);
        }
    }

    /// XCLIENT, from listed peers only: the session begins anew as another client.
    pub(super) async fn xclient(&mut self, attributes: &[u8]) {
        if !self.may_xclient {
            self.refuse(catalogue::UNKNOWN_COMMAND);
            return;
        }
        match xclient::parse(attributes) {
            Ok(stated) => {
                self.reset().await;
                let before = self.client.ip;
                self.take_identity(stated);
                if before != self.client.ip && !self.admit_anew().await {
                    return;
                }
                let text = format!("{} {}", self.generation.policy.hostname, self.entrance.listener.greeting);
                self.answer(&catalogue::GREETING.reply().with_text(text.trim_end()));
            }
            Err(_why) => self.refuse(catalogue::BAD_XCLIENT),
        }
    }

    /// The client that XCLIENT names stands at the door like any other.
    async fn admit_anew(&mut self) -> bool {
        self.stand_at_door();
        self.show();
        Box::pin(self.gather(Stage::Connect)).await;
        let Self { standing, gateway, generation, entrance, client, .. } = self;
        let Err(refusal) = standing.judge_connect(gateway, generation, entrance, client) else {
            self.prefetch();
            return true;
        };
        self.server.close_after_answer();
        let reply = refusal.reply.with_reference(self.id);
        self.answer(&reply);
        false
    }

    /// What is not named keeps its value, but a new address without a login is a client that has none. What is
    /// unavailable is nobody's, never the client's before.
    fn take_identity(&mut self, stated: XclientIn) {
        match stated.addr {
            Some(Attr::Known(ip)) => self.become_client(ip, self.client.port),
            Some(Attr::Unavailable | Attr::TempUnavailable) => {
                self.become_client(Ipv4Addr::UNSPECIFIED.into(), 0);
            }
            None => {}
        }
        if let Some(Attr::Known(port)) = stated.port {
            self.client.port = port;
        }
        match stated.name {
            Some(Attr::Known(name)) => self.client.name = Fact::Known(name.into()),
            Some(Attr::Unavailable | Attr::TempUnavailable) => self.client.name = Fact::Absent,
            None => {}
        }
        self.hello = None;
        self.offer = None;
        if stated.addr.is_some() || stated.login.is_some() {
            self.forget_user();
        }
        if let (true, Some(Attr::Known(login))) = (self.entrance.listener.xclient_login, stated.login) {
            self.user = Some(login.into());
            self.authenticated = true;
        }
    }

    /// EXPN and ETRN: for peers that may relay the downstream answers, for others nobody.
    pub(super) async fn hand_through(&mut self, line: &[u8]) {
        if !self.client.may_relay || self.client.balancer || self.transaction.is_some() {
            self.refuse(catalogue::NOT_IMPLEMENTED);
            return;
        }
        self.unpark();
        match self.ask_downstream(line).await {
            Ok(reply) => self.answer(&reply),
            Err(error) => {
                tracing::warn!(session = %self.id, %error, "downstream failed");
                let reply = Reply::from(&error).with_reference(self.id);
                self.answer(&reply);
            }
        }
    }
}
