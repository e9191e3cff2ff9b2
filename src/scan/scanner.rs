//! The trait, and the scanners of a generation.

use super::job::Job;
use super::switches::Switches;
use super::verdict::ScanVerdict;
use crate::config::model::{ScannerRules, Scanning};
use crate::rules::Mode;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A scan in the making.
pub type ScanFuture<'a> = Pin<Box<dyn Future<Output = ScanVerdict> + Send + 'a>>;

/// Each address of a scanner, and its version or what is wrong, in the making.
pub type PingFuture<'a> = Pin<Box<dyn Future<Output = Vec<(String, Result<String, String>)>> + Send + 'a>>;

/// One scanner. Async, since all but the trivial ones talk to another process.
pub trait Scanner: Send + Sync {
    /// What the rules say of it: its name, what follows its answers, and what follows where there is none.
    fn rules(&self) -> &Arc<ScannerRules>;
    /// Scans; what is not known by the deadline is `TimedOut`.
    fn scan<'a>(&'a self, job: Job<'a>) -> ScanFuture<'a>;
    /// Its addresses, and how they are; none for what has no address.
    fn endpoints(&self) -> Vec<EndpointReport> {
        Vec::new()
    }
    /// Scans now, the most at once, and messages that wait.
    fn load(&self) -> (usize, usize, usize) {
        (0, 0, 0)
    }
    /// Asks each address whether it lives: the address, and its version or an error.
    fn ping(&self) -> PingFuture<'_> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// The scanners of a generation. Those whose rules did not change are those of the generation before: their places,
/// their health, what they remember. The switches are the same in all generations of a process.
#[derive(Clone)]
pub struct Scanners {
    inner: Arc<Inner>,
}

struct Inner {
    all: Vec<Arc<dyn Scanner>>,
    deadline: Duration,
    cache: usize,
    switches: Arc<Switches>,
}

impl Scanners {
    /// Scanners under the rules that they were made by.
    #[must_use]
    pub fn new(all: Vec<Arc<dyn Scanner>>, scanning: &Scanning, switches: Arc<Switches>) -> Self {
        Self { inner: Arc::new(Inner { all, deadline: scanning.deadline, cache: scanning.cache, switches }) }
    }

    /// These, under rules that say nothing.
    #[must_use]
    pub fn of(all: Vec<Arc<dyn Scanner>>) -> Self {
        Self::new(all, &Scanning::default(), Arc::default())
    }

    /// In file order.
    #[must_use]
    pub fn all(&self) -> &[Arc<dyn Scanner>] {
        &self.inner.all
    }

    /// The scanner of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Scanner>> {
        self.all().iter().find(|scanner| *scanner.rules().name == *name)
    }

    /// For all of them together.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.inner.deadline
    }

    /// Results that each remembers.
    pub(super) fn cache(&self) -> usize {
        self.inner.cache
    }

    /// Which are switched off by hand.
    #[must_use]
    pub fn switches(&self) -> &Arc<Switches> {
        &self.inner.switches
    }

    /// How they are.
    #[must_use]
    pub fn report(&self) -> Vec<ScannerReport> {
        self.all().iter().map(|scanner| self.report_of(&**scanner)).collect()
    }

    fn report_of(&self, scanner: &dyn Scanner) -> ScannerReport {
        let rules = scanner.rules();
        let (busy, most, waiting) = scanner.load();
        let mode = match rules.mode {
            Mode::Off => "off",
            Mode::Log => "log",
            Mode::On => "on",
        };
        let off = self.switches().of(&rules.name);
        ScannerReport {
            name: rules.name.to_string(),
            engine: rules.engine.name().to_owned(),
            mode: mode.to_owned(),
            disabled_unix_ms: off.as_ref().map(|off| off.since_unix_ms),
            on_error: rules.on_error.name().to_owned(),
            busy,
            most,
            waiting,
            endpoints: scanner.endpoints(),
        }
    }
}

/// A scanner, for people and scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerReport {
    /// Its name.
    pub name: String,
    /// `clamd`, `rspamd`, `spamd`, `command`.
    pub engine: String,
    /// `on`, `log`, `off`: what the rules say.
    pub mode: String,
    /// Since when it is switched off by hand.
    pub disabled_unix_ms: Option<i64>,
    /// What follows where it gives no answer.
    pub on_error: String,
    /// Scans now.
    pub busy: usize,
    /// Scans at once at most.
    pub most: usize,
    /// Messages that wait for a place.
    pub waiting: usize,
    /// Its addresses.
    pub endpoints: Vec<EndpointReport>,
}

/// An address of a scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Where.
    pub address: String,
    /// Whether messages are given to it, and its last answer was one; also before it was ever asked.
    pub healthy: bool,
    /// Whether it ever gave an answer.
    pub answered: bool,
    /// What went wrong last, if nothing went well since.
    pub last_error: Option<String>,
    /// When that was, milliseconds since 1970; 0 if nothing ever went wrong.
    pub since_unix_ms: i64,
    /// Version of engine and signatures, where it was asked.
    pub version: Option<String>,
}

impl ScannerReport {
    /// Whether it is asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.mode != "off" && self.disabled_unix_ms.is_none()
    }

    /// Whether it is to be asked and no address of it answers.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.is_asked() && !self.endpoints.is_empty() && self.endpoints.iter().all(|e| !e.healthy)
    }
}
