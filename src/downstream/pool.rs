//! One downstream: its addresses, its limit of connections, and the sessions that rest between messages.
//!
//! `max_connections`, or what back-pressure leaves of it, counts sessions in use and at rest. A session rests for less than half of the
//! downstream's own idle limit, so that it is never found closed by chance.

use super::address::{AddressReport, Addresses};
use super::dial::Dial;
use super::error::DownstreamError;
use super::gate::{Full, Gate, Kind, Place};
use super::pressure::{Pressure, Reduced};
use super::priority::Priority;
use super::session::Session;
use super::tls::ClientTls;
use crate::config::model::{self, Identity};
use crate::smtp::extension::Capabilities;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What two transactions must share to share a session: the generation of the policy and the listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Generation of the policy.
    pub generation: u64,
    /// Name of the listener.
    pub listener: Arc<str>,
}

/// Deadlines, from the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// TCP connect, and TLS handshake.
    pub connect: Duration,
    /// Reply to a command.
    pub command: Duration,
    /// Reply to the end of data.
    pub message: Duration,
    /// Waiting for a free connection.
    pub wait: Duration,
}

/// One downstream.
pub struct Pool {
    pub(super) config: Arc<model::Downstream>,
    pub(super) addresses: Addresses,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: Option<ClientTls>,
    pub(super) limits: Limits,
    gate: Arc<Gate>,
    pub(super) pressure: Arc<Pressure>,
    /// No generation has it any more: nothing rests here, for nobody would sweep it.
    retired: AtomicBool,
    resting: Mutex<Vec<(Key, Session)>>,
}

/// How a downstream is, for people.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Connections in use.
    pub in_use: usize,
    /// Connections at rest.
    pub resting: usize,
    /// `max_connections`.
    pub limit: usize,
    /// A lower limit while the downstream is under pressure.
    #[serde(default)]
    pub reduced: Option<Reduced>,
    /// Who waits for a connection.
    #[serde(default)]
    pub waiting: usize,
    /// Transactions since start that were put off at once because of it.
    #[serde(default)]
    pub shed: u64,
    /// Its addresses.
    pub addresses: Vec<AddressReport>,
}

impl Pool {
    /// A downstream that nobody spoke with yet.
    #[must_use]
    pub fn new(
        config: Arc<model::Downstream>,
        dial: Arc<dyn Dial>,
        tls: Option<ClientTls>,
        limits: Limits,
    ) -> Self {
        let addresses = Addresses::new(&config.addresses);
        let gate = Gate::new(config.max_connections);
        let pressure = Pressure::new(
            Arc::clone(&config.name),
            Arc::clone(&gate),
            config.max_connections,
            config.backpressure,
        );
        Self {
            config,
            addresses,
            dial,
            tls,
            limits,
            gate,
            pressure,
            retired: AtomicBool::new(false),
            resting: Mutex::default(),
        }
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<model::Downstream> {
        &self.config
    }

    /// Its deadlines.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What may be promised to clients: inside TLS where the sessions with it are.
    #[must_use]
    pub fn capabilities(&self) -> Option<Arc<Capabilities>> {
        let now = Instant::now();
        let secured = if self.tls.is_some() { self.addresses.capabilities(true, now) } else { None };
        secured.or_else(|| self.addresses.capabilities(false, now))
    }

    /// Whether what [`Pool::capabilities`] says was said inside TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.tls.is_some() && self.addresses.capabilities(true, Instant::now()).is_some()
    }

    /// Whether the certificate is verified or pinned whenever a session is open.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        match self.config.tls {
            model::DownstreamTls::Pinned(_) => true,
            model::DownstreamTls::Required => self.config.ca.is_some(),
            model::DownstreamTls::Off | model::DownstreamTls::Opportunistic => false,
        }
    }

    /// Whether all addresses are on this machine, where nobody listens in.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addresses.sockets().all(|s| s.ip().is_loopback())
    }

    /// Waits for a place among the connections that the downstream is given now.
    pub(super) async fn slot(&self, priority: Priority, kind: Kind) -> Result<Place, DownstreamError> {
        self.gate.enter(priority, kind, self.limits.wait).await.map_err(|full| match full {
            Full::Late => DownstreamError::Busy {
                name: Arc::clone(&self.config.name),
                seconds: self.limits.wait.as_secs(),
            },
            Full::Shed => {
                DownstreamError::Shed { name: Arc::clone(&self.config.name), limit: self.gate.load().limit }
            }
        })
    }

    /// Whether somebody waits for a connection.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.gate.load().waiting > 0
    }

    /// Whether a client may keep this session for its next message: nobody waits, and it is still good.
    #[must_use]
    pub fn may_be_kept(&self, session: &Session) -> bool {
        let shared = self.config.reuse && self.config.identity != Identity::Proxy;
        let good = session.is_reusable() && session.messages < self.config.max_messages_per_connection;
        shared && good && !self.has_waiting()
    }

    /// A session at rest that this key may have, the one used last.
    pub(super) fn take_resting(&self, key: &Key) -> Option<Session> {
        loop {
            let mut session = {
                let mut resting = self.resting();
                let at = resting.iter().rposition(|(k, _)| k == key)?;
                resting.remove(at).1
            };
            if session.resting_since.elapsed() < self.rest_max() && session.woke_up() {
                return Some(session);
            }
        }
    }

    /// Makes room for a fresh connection: sessions at rest give way to those in use.
    pub(super) fn make_room(&self) {
        let load = self.gate.load();
        let mut resting = self.resting();
        while !resting.is_empty() && resting.len() + load.in_use > load.limit {
            resting.remove(0);
        }
    }

    /// Gives a session back after its transaction. It rests if another may have it, else it is closed.
    pub fn give_back(&self, key: &Key, mut session: Session) {
        // Its place is free when it rests, not before: whoever waits for the place would find nothing at rest and
        // open one connection too many.
        let _slot = session.slot.take();
        let shared = self.config.reuse && self.config.identity != Identity::Proxy;
        if !shared || !session.is_reusable() || session.messages >= self.config.max_messages_per_connection {
            close(session);
            return;
        }
        // RSET now, in a write of its own. Before the next MAIL its reply could be mistaken for MAIL's; behind
        // the message, in the same write, a server that forgot to answer the message would answer RSET, and
        // its 250 would be taken for the message's: mail lost.
        if !session.say_reset() {
            close(session);
            return;
        }
        session.introduced = false;
        session.client.rest();
        session.resting_since = Instant::now();
        self.resting().push((key.clone(), session));
        if self.retired.load(Ordering::SeqCst) {
            self.close_all();
        }
    }

    /// Closes what rested for too long; called every few seconds.
    pub fn sweep(&self) {
        self.pressure.calm(Instant::now());
        let rest_max = self.rest_max();
        let old: Vec<_> = {
            let mut resting = self.resting();
            resting.extract_if(.., |(_, session)| session.resting_since.elapsed() >= rest_max).collect()
        };
        old.into_iter().for_each(|(_, session)| close(session));
    }

    /// Closes everything at rest.
    pub fn close_all(&self) {
        let all = std::mem::take(&mut *self.resting());
        all.into_iter().for_each(|(_, session)| close(session));
    }

    /// No new generation has it: what rests is closed, and what is still in use when it comes back.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.close_all();
    }

    /// Asks each address what it offers, so that the first client hears the truth.
    pub async fn probe(&self) {
        let sockets: Vec<_> = self.addresses.sockets().collect();
        for socket in sockets {
            match self.open(socket, None).await {
                Ok(session) => session.quit().await,
                Err(error) => {
                    tracing::warn!(downstream = %self.config.name, %error, "downstream does not answer")
                }
            }
        }
    }

    /// For people.
    #[must_use]
    pub fn report(&self) -> Report {
        let load = self.gate.load();
        Report {
            name: self.config.name.to_string(),
            in_use: load.in_use,
            resting: self.resting().len(),
            limit: self.config.max_connections,
            reduced: self.pressure.reduced(),
            waiting: load.waiting,
            shed: load.shed,
            addresses: self.addresses.report(Instant::now()),
        }
    }

    fn rest_max(&self) -> Duration {
        self.config.idle_timeout / 2
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Vec<(Key, Session)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says QUIT in the background; without a runtime (at exit) the session is just dropped.
pub(super) fn close(session: Session) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(session.quit());
    }
}
