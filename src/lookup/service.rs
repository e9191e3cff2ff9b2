//! The service: what is kept of an earlier one, and the way to ask.
//!
//! State: see [`super`]; and when each zone was last complained about.

use super::answer::{Answer, Kind, Question};
use super::country::{Countries, CountryError};
use super::questions::{Questions, Source, Tally};
use super::table::Table;
use super::wire::{Wire, name_servers};
use crate::config::model::Dns;
use crate::verdict::{Cause, Fact};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The same trouble of the same zone is told so often.
const TELL_EVERY: Duration = Duration::from_secs(3600);
/// What an asker waits longer than the flight may take.
const GRACE: Duration = Duration::from_millis(50);
/// Most zones whose trouble is kept apart.
const TOLD_MAX: usize = 1000;

/// Looks things up. Cheap to share; one a generation.
pub struct Lookup {
    questions: Arc<Questions>,
    made_of: MadeOf,
    countries: Option<Arc<Countries>>,
    told: Mutex<HashMap<Box<str>, Instant>>,
}

/// What the questions were made of: the same again is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeOf {
    servers: Vec<SocketAddr>,
    timeout: Duration,
    cache: usize,
}

impl Lookup {
    /// The service for a policy. Keeps name servers and answers of `before` where the servers (of the configuration or
    /// of the system), the timeout and the size of the cache are the same, and its database where file and time are.
    /// Without a name server every fact is unknown, and the log says so. Reads files, asks nobody.
    ///
    /// # Errors
    /// The country database cannot be used.
    pub fn build(dns: &Dns, database: Option<&Path>, before: Option<&Self>) -> Result<Self, CountryError> {
        let kept = before.and_then(|b| b.countries.as_ref());
        let countries = match (database, kept) {
            (None, _) => None,
            (Some(path), Some(kept)) if kept.is_still(path) => Some(Arc::clone(kept)),
            (Some(path), _) => Some(Arc::new(Countries::open(path)?)),
        };
        let servers = name_servers(&dns.servers).unwrap_or_else(|error| {
            tracing::warn!(
                "{error}; names are not looked up, every fact that needs DNS is unknown: set `servers` in [dns]"
            );
            Vec::new()
        });
        let made_of = MadeOf { servers, timeout: dns.timeout, cache: dns.cache };
        let questions = match before.filter(|b| b.made_of == made_of) {
            Some(before) => Arc::clone(&before.questions),
            None => Questions::new(source(&made_of), made_of.timeout, made_of.cache),
        };
        Ok(Self { questions, made_of, countries, told: Mutex::default() })
    }

    /// A service that asks a table in place of servers, with the default timeout and cache.
    #[must_use]
    pub fn table(table: Table) -> Self {
        let dns = Dns::default();
        let made_of = MadeOf { servers: Vec::new(), timeout: dns.timeout, cache: dns.cache };
        let questions = Questions::new(Source::Table(table), dns.timeout, dns.cache);
        Self { questions, made_of, countries: None, told: Mutex::default() }
    }

    /// The country of an address: `Absent` where the database does not say, not asked where there is none.
    #[must_use]
    pub fn country(&self, ip: IpAddr) -> Fact<Box<str>> {
        self.countries.as_ref().map_or(Fact::Unknown(Cause::NotAsked), |countries| countries.of(ip))
    }

    /// The name servers that are asked; none with a table, and where the system has none.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.made_of.servers
    }

    /// Counts since these name servers are asked.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.questions.tally()
    }

    /// Answers remembered now; at most `cache` of `[dns]`, and one.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.questions.remembered_answers()
    }

    /// When a question that begins now is over at the latest: a flight ends by itself, a moment earlier.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.made_of.timeout + GRACE
    }

    pub(super) fn start(&self, name: &str, kind: Kind) -> super::questions::Pending {
        self.questions.start(Question { name: name.into(), kind })
    }

    pub(super) async fn ask(&self, name: &str, kind: Kind) -> Answer {
        self.start(name, kind).by(self.deadline()).await
    }

    /// Two kinds of records of one name, at once.
    pub(super) async fn ask_two(&self, name: &str, first: Kind, second: Kind) -> [Answer; 2] {
        let deadline = self.deadline();
        let (first, second) = (self.start(name, first), self.start(name, second));
        [first.by(deadline).await, second.by(deadline).await]
    }

    /// Whether the log should hear of trouble with this zone: once an hour.
    pub(super) fn tell(&self, zone: &str) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = told.get(zone).is_some_and(|at| now.saturating_duration_since(*at) < TELL_EVERY);
        if recent || (told.len() >= TOLD_MAX && !told.contains_key(zone)) {
            return false;
        }
        told.insert(zone.into(), now);
        true
    }
}

fn source(made_of: &MadeOf) -> Source {
    if made_of.servers.is_empty() {
        return Source::Nobody;
    }
    match Wire::new(&made_of.servers, made_of.timeout) {
        Ok(wire) => Source::Servers(Box::new(wire)),
        Err(error) => {
            tracing::warn!(%error, "names cannot be looked up, every fact that needs DNS is unknown");
            Source::Nobody
        }
    }
}
