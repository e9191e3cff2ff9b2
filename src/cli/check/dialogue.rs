//! Each address of each downstream is spoken with as the gateway will: connect, greeting, EHLO, STARTTLS. Then
//! it is asked for a recipient that does not exist, without ever coming to DATA.

use super::around::Around;
use super::overhear::Overhear;
use super::own;
use super::report::Report;
use crate::cli::out::octets;
use crate::config::model::{Downstream, DownstreamTls, Identity, Policy};
use crate::downstream::{Dial, DownstreamError, Pool, Session};
use crate::gateway::make_pool;
use crate::mail::{Domain, escape};
use crate::smtp::client::Awaiting;
use crate::verdict::Direction;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// For one reply, and for connecting: nobody waits for minutes before a prompt.
const REPLY_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Relay domains that are asked about at one address.
const DOMAINS_MAX: usize = 20;

/// The downstreams, ready to be spoken with.
pub(super) struct Prepared(Vec<(Pool, Overhear)>);

/// Loads what TLS needs; files that do not load keep the gateway from starting: errors.
pub(super) fn prepare(report: &mut Report, policy: &Policy) -> Prepared {
    let mut timeouts = policy.timeouts.clone();
    timeouts.downstream_command = timeouts.downstream_command.min(REPLY_LIMIT);
    timeouts.downstream_connect = timeouts.downstream_connect.min(CONNECT_LIMIT);
    let mut pools = Vec::new();
    for config in &policy.downstreams {
        let heard = Overhear::default();
        let dial: Arc<dyn Dial> = Arc::new(heard.clone());
        match make_pool(config, &timeouts, &dial) {
            Ok(pool) => {
                if let Some(ca) = &config.ca {
                    report.ok(format!("downstream \"{}\": ca {}", config.name, ca.display()));
                }
                pools.push((pool, heard));
            }
            Err(error) => report.error(error.to_string()),
        }
    }
    Prepared(pools)
}

/// Speaks with all of them.
pub(super) fn run(report: &mut Report, policy: &Policy, around: &Around, prepared: Prepared) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.warning(format!("the downstreams cannot be asked: {error}"));
            return;
        }
    };
    for (pool, heard) in prepared.0 {
        let config = pool.config();
        report.section(&format!("downstream \"{}\"", config.name));
        for address in &config.addresses {
            let probe = Probe { policy, around, config, pool: &pool, heard: &heard, socket: address.socket };
            runtime.block_on(Box::pin(probe.run(report)));
        }
    }
}

struct Probe<'a> {
    policy: &'a Policy,
    around: &'a Around,
    config: &'a Downstream,
    pool: &'a Pool,
    heard: &'a Overhear,
    socket: SocketAddr,
}

impl Probe<'_> {
    async fn run(&self, report: &mut Report) {
        let socket = self.socket;
        let listeners = self.policy.listeners.iter().map(|l| l.address).chain(self.around.listens_on());
        if let Some(own) = listeners.into_iter().find(|own| own::reaches(socket, *own)) {
            report.error(format!(
                "{socket}: the downstream is this gateway itself (a loop): its own listener at {own} answers there; name the mail server behind"
            ));
            return;
        }
        match self.pool.open(socket, None).await {
            Err(error) => report.warning(self.explained(&error)),
            Ok(mut session) => {
                self.introduce(report, &session);
                if let Err(error) = self.strangers(report, &mut session).await {
                    report.warning(error.to_string());
                }
                session.quit().await;
            }
        }
    }

    fn explained(&self, error: &DownstreamError) -> String {
        let fix = match error {
            DownstreamError::Connect { .. } => {
                "; does it run, is the address right, does a firewall let us through?"
            }
            DownstreamError::Lost { .. } | DownstreamError::Timeout { .. } => {
                "; does an SMTP server listen there, and does it let our address in?"
            }
            DownstreamError::Refused { .. } => "; does it let our address in?",
            _ => "",
        };
        format!("{error}{fix}")
    }

    fn introduce(&self, report: &mut Report, session: &Session) {
        let socket = self.socket;
        let greeting = escape(&self.heard.greeting());
        let offered: Vec<String> = session
            .capabilities
            .keywords()
            .map(|(keyword, parameters)| format!("{keyword} {parameters}").trim_end().to_owned())
            .collect();
        if offered.is_empty() {
            report.warning(format!("{socket}: greets as \"{greeting}\" and offers no extensions"));
        } else {
            report.ok(format!("{socket}: greets as \"{greeting}\""));
            report.ok(format!("{socket}: offers {}", offered.join(", ")));
        }
        let name = greeting.split(' ').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(&self.policy.hostname) {
            report.warning(format!(
                "{socket}: greets with our own hostname: if that is this gateway, through NAT or a balancer, mail goes in circles; if it is another server, give one of the two another name (many servers refuse mail from their own name)"
            ));
        }
        self.tls(report, session);
        self.identity(report, session);
        let most = self.policy.max_message_octets;
        if let Some(size) = session.capabilities.size().filter(|size| *size > 0 && *size < most) {
            report.note(format!(
                "{socket}: takes messages up to {}, less than max_message_size ({}); clients are offered the smaller one",
                octets(size),
                octets(most)
            ));
        }
    }

    fn tls(&self, report: &mut Report, session: &Session) {
        let socket = self.socket;
        let Some(outcome) = &session.tls else {
            match self.config.tls {
                DownstreamTls::Off => report.note(format!("{socket}: no TLS, as `tls = \"off\"` says")),
                _ if session.capabilities.has("STARTTLS") => report.warning(format!(
                    "{socket}: offers STARTTLS, but the handshake fails, so mail goes to it in clear; see its log, or set tls = \"off\" to save the attempts"
                )),
                _ if socket.ip().is_loopback() => {
                    report.ok(format!("{socket}: offers no TLS, which loopback does not need"));
                }
                _ => report.note(format!("{socket}: offers no TLS, mail goes to it in clear")),
            }
            return;
        };
        let hex: String = outcome.spki_sha256.iter().map(|octet| format!("{octet:02x}")).collect();
        let verified = if outcome.verified { "certificate verified" } else { "certificate not verified" };
        report.ok(format!("{socket}: {} {}, {verified}", outcome.tls.version, outcome.tls.cipher));
        report.ok(format!("{socket}: to pin it: tls = \"pinned\", pins = [\"sha256:{hex}\"]"));
    }

    fn identity(&self, report: &mut Report, session: &Session) {
        let socket = self.socket;
        let has = |keyword| session.capabilities.has(keyword);
        let missing = |keyword: &str| {
            format!(
                "{socket}: `identity` asks for {keyword}, which it does not offer to us; list our address there"
            )
        };
        match self.config.identity {
            Identity::Auto if has("XCLIENT") => report.ok(format!("{socket}: learns the client by XCLIENT")),
            Identity::Auto if has("XFORWARD") => {
                report.ok(format!("{socket}: learns the client by XFORWARD"))
            }
            Identity::Auto => {
                report.note(format!("{socket}: learns the client by our Received: header only"));
            }
            Identity::Xclient if !has("XCLIENT") => report.warning(missing("XCLIENT")),
            Identity::Xforward if !has("XFORWARD") => report.warning(missing("XFORWARD")),
            Identity::Xclient | Identity::Xforward | Identity::Proxy | Identity::None => {}
        }
    }

    /// Recipients that cannot exist, one of each domain, in a transaction that is reset.
    async fn strangers(&self, report: &mut Report, session: &mut Session) -> Result<(), DownstreamError> {
        let inbound = |l: &&Arc<_>| is_inbound_for(l, self.config);
        let Some(listener) = self.policy.listeners.iter().find(inbound) else { return Ok(()) };
        let known = |domain: &Domain| self.policy.relay.recipients.answers(domain);
        let mut domains: Vec<Domain> =
            self.policy.relay.domains.exact().filter_map(|d| Domain::parse(d.as_bytes()).ok()).collect();
        domains.retain(|domain| !known(domain));
        domains.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        if domains.is_empty() {
            return Ok(());
        }
        if domains.len() > DOMAINS_MAX {
            report.note(format!("{}: asked about the first {DOMAINS_MAX} relay domains only", self.socket));
            domains.truncate(DOMAINS_MAX);
        }
        let reply = session.command(b"MAIL FROM:<>\r\n", Awaiting::Command, "MAIL", REPLY_LIMIT).await?;
        if !reply.is_success() {
            report.warning(format!(
                "{}: refuses the sender <>, so it takes no bounces (RFC 5321 section 6.1): {}",
                self.socket,
                reply.to_log()
            ));
            return Ok(());
        }
        let mut blind = Vec::new();
        for domain in &domains {
            let line = format!("RCPT TO:<{}@{domain}>\r\n", nobody());
            let reply = session.command(line.as_bytes(), Awaiting::Command, "RCPT", REPLY_LIMIT).await?;
            match reply.code() / 100 {
                2 => blind.push(domain.to_string()),
                4 => report.note(format!(
                    "{}: a recipient in {domain} that does not exist gets a temporary refusal: {}",
                    self.socket,
                    reply.to_log()
                )),
                _ => report.ok(format!(
                    "{}: refuses an unknown recipient in {domain}: {}",
                    self.socket,
                    reply.to_log()
                )),
            }
        }
        if !blind.is_empty() {
            let one = if listener.one_recipient_per_transaction {
                ""
            } else {
                ", and set one_recipient_per_transaction = true if it refuses whole messages later"
            };
            report.warning(format!(
                "{}: accepts recipients that do not exist in {}: it bounces them, or refuses the whole message; list the real ones in relay.recipients{one}",
                self.socket,
                blind.join(", ")
            ));
        }
        session.command(b"RSET\r\n", Awaiting::Command, "RSET", REPLY_LIMIT).await.map(|_| ())
    }
}

fn is_inbound_for(listener: &crate::config::model::Listener, config: &Downstream) -> bool {
    listener.direction == Direction::Inbound && listener.downstream == config.name
}

/// A local part that nobody has.
fn nobody() -> String {
    let mut random = [0; 8];
    // Without random octets the name is still one that nobody has.
    let _ = SystemRandom::new().fill(&mut random);
    let hex: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("portcullis-check-{hex}")
}
