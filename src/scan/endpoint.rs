//! One address of an engine: whether it is in order, and its breaker.
//!
//! After some failures in a row the address is left alone, so that no message waits for an engine that is away. A task of
//! its own then asks it in pauses whether it is back; no message is used to find out. The task ends with the address.

use super::scanner::EndpointReport;
use super::stream::{Stream, connect};
use crate::config::model::{EngineAddress, ScannerRules};
use crate::mail::escape_at_most;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep, timeout};

/// For a question that an engine answers at once.
pub(super) const PING_LIMIT: Duration = Duration::from_secs(3);
/// A version is asked for again after so long: results under an older one are remembered no longer than this.
const VERSION_AGE: Duration = Duration::from_secs(20);
/// Characters of an error that are kept.
const ERROR_CHARS: usize = 200;

/// Asks over a connection whether the engine lives; its version, or an error in words.
pub(super) type Ping = fn(Box<dyn Stream>) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

pub(super) struct Endpoint {
    address: EngineAddress,
    ping: Ping,
    failures_most: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Left alone; a task asks whether it is back.
    open: bool,
    /// It gave an answer, whenever that was.
    answered: bool,
    last_error: Option<String>,
    failed_unix_ms: i64,
    version: Option<(Arc<str>, Instant)>,
}

impl Endpoint {
    pub(super) fn new(address: EngineAddress, rules: &ScannerRules, ping: Ping) -> Self {
        let (failures_most, pause) = (rules.breaker_failures, rules.breaker_pause);
        Self { address, ping, failures_most, pause, state: Mutex::default() }
    }

    /// Connects.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        connect(&self.address).await
    }

    /// Whether messages are given to it.
    pub(super) fn is_usable(&self) -> bool {
        self.state.lock().is_ok_and(|state| !state.open)
    }

    /// It answered.
    pub(super) fn answered(&self) {
        if let Ok(mut state) = self.state.lock() {
            (state.failures, state.open, state.last_error) = (0, false, None);
            state.answered = true;
        }
    }

    /// It did not. With too many in a row it is left alone until it is back.
    pub(super) fn failed(self: &Arc<Self>, words: &str) {
        let Ok(mut state) = self.state.lock() else { return };
        state.failures = state.failures.saturating_add(1);
        state.last_error = Some(escape_at_most(words.as_bytes(), ERROR_CHARS));
        state.failed_unix_ms = unix_ms();
        state.version = None;
        if state.failures >= self.failures_most && !state.open {
            state.open = true;
            tracing::warn!(address = %self.address, error = words, "a scanner is left alone until it answers again");
            tokio::spawn(watch(Arc::downgrade(self), self.pause));
        }
    }

    /// Asks whether it lives: its version.
    pub(super) async fn ask(&self) -> Result<String, String> {
        let asked = async {
            let stream = self.connect().await.map_err(|error| format!("cannot connect: {error}"))?;
            (self.ping)(stream).await
        };
        let said = timeout(PING_LIMIT, asked).await;
        let said = said.unwrap_or_else(|_| Err(format!("no answer within {} s", PING_LIMIT.as_secs())))?;
        if let Ok(mut state) = self.state.lock() {
            state.version = Some((said.as_str().into(), Instant::now()));
            state.answered = true;
        }
        Ok(said)
    }

    /// Its version, of the last seconds.
    pub(super) async fn version(&self) -> Option<Arc<str>> {
        let known = self.state.lock().ok().and_then(|state| state.version.clone());
        match known {
            Some((version, at)) if at.elapsed() < VERSION_AGE => Some(version),
            _ => self.ask().await.ok().map(Into::into),
        }
    }

    /// It is back: one failure more and it is left alone again.
    fn back(&self) {
        if let Ok(mut state) = self.state.lock() {
            (state.open, state.last_error) = (false, None);
            state.failures = self.failures_most.saturating_sub(1);
            tracing::info!(address = %self.address, "a scanner answers again");
        }
    }

    fn still_away(&self, words: String) {
        if let Ok(mut state) = self.state.lock() {
            state.last_error = Some(escape_at_most(words.as_bytes(), ERROR_CHARS));
        }
    }

    pub(super) fn report(&self) -> EndpointReport {
        let address = self.address.to_string();
        let Ok(state) = self.state.lock() else {
            return EndpointReport {
                address,
                healthy: false,
                answered: false,
                last_error: None,
                since_unix_ms: 0,
                version: None,
            };
        };
        EndpointReport {
            address,
            healthy: !state.open && state.last_error.is_none(),
            answered: state.answered,
            last_error: state.last_error.clone(),
            since_unix_ms: state.failed_unix_ms,
            version: state.version.as_ref().map(|(version, _)| version.to_string()),
        }
    }
}

/// Asks in pauses until it is back, or nobody wants to know any more.
async fn watch(endpoint: Weak<Endpoint>, pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(endpoint) = endpoint.upgrade() else { return };
        match endpoint.ask().await {
            Ok(_) => return endpoint.back(),
            Err(words) => endpoint.still_away(words),
        }
    }
}

fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(0)
}
