//! Questions in flight: one query for all who ask the same, a bound on all together, answers remembered.
//!
//! State: the cache, and the flights. A flight is a task of its own, so that an answer that comes after an asker lost
//! patience still serves the next one. Failure: a flight ends within the timeout of `[dns]` whatever happens, also in
//! a panic; beyond [`QUESTIONS_MAX`] at once questions wait for a place within that time, and beyond [`WAITING_MAX`]
//! they are unknown at once.

use super::answer::{Answer, Question};
use super::cache::Cache;
use super::table::Table;
use super::wire::{FAILURE_TTL, Wire};
use crate::verdict::Cause;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// Most questions asked of the name servers at once; each takes a socket for each of two servers.
pub const QUESTIONS_MAX: usize = 256;
/// Most questions in flight and waiting for a place.
const WAITING_MAX: usize = 16 * QUESTIONS_MAX;
/// How long the answers of a table are remembered.
const TABLE_TTL: Duration = Duration::from_secs(300);

/// Who answers.
pub(super) enum Source {
    /// Name servers.
    Servers(Box<Wire>),
    /// A table.
    Table(Table),
    /// Nobody: there is no name server.
    Nobody,
}

/// How many questions there were since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Asked by the gateway.
    pub asked: u64,
    /// Of these, answered from memory.
    pub remembered: u64,
    /// Sent to the name servers; the rest shared the answer of somebody else.
    pub sent: u64,
    /// Sent and without an answer in time.
    pub timeouts: u64,
    /// Sent and answered with a failure, a refusal or nonsense.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    asked: AtomicU64,
    remembered: AtomicU64,
    sent: AtomicU64,
    timeouts: AtomicU64,
    failures: AtomicU64,
}

/// The questions of one set of name servers.
pub(super) struct Questions {
    source: Source,
    timeout: Duration,
    cache: Mutex<Cache>,
    flights: DashMap<Question, watch::Receiver<Option<Answer>>>,
    places: Semaphore,
    counters: Counters,
}

/// An answer that is there, or on its way.
pub(super) enum Pending {
    Ready(Answer),
    Waiting(watch::Receiver<Option<Answer>>),
}

impl Pending {
    /// The answer; unknown where it is not there at `deadline`.
    pub(super) async fn by(self, deadline: Instant) -> Answer {
        match self {
            Self::Ready(answer) => answer,
            Self::Waiting(mut flight) => match timeout_at(deadline, flight.wait_for(Option::is_some)).await {
                Ok(Ok(answer)) => answer.clone().unwrap_or(Answer::Unknown(Cause::Failure)),
                // The flight ended without a word.
                Ok(Err(_)) => Answer::Unknown(Cause::Failure),
                Err(_elapsed) => Answer::Unknown(Cause::Timeout),
            },
        }
    }
}

impl Questions {
    pub(super) fn new(source: Source, timeout: Duration, cache: usize) -> Arc<Self> {
        Arc::new(Self {
            source,
            timeout,
            cache: Mutex::new(Cache::new(cache)),
            flights: DashMap::new(),
            places: Semaphore::new(QUESTIONS_MAX),
            counters: Counters::default(),
        })
    }

    /// Asks; the answer is fetched whether or not anybody waits for it.
    pub(super) fn start(self: &Arc<Self>, question: Question) -> Pending {
        self.counters.asked.fetch_add(1, Relaxed);
        if matches!(self.source, Source::Nobody) {
            return Pending::Ready(Answer::Unknown(Cause::Failure));
        }
        if let Some(answer) = self.remembered(&question) {
            self.counters.remembered.fetch_add(1, Relaxed);
            return Pending::Ready(answer);
        }
        let full = self.flights.len() >= WAITING_MAX;
        match self.flights.entry(question) {
            Entry::Occupied(flight) => Pending::Waiting(flight.get().clone()),
            Entry::Vacant(_) if full => Pending::Ready(Answer::Unknown(Cause::Timeout)),
            Entry::Vacant(vacant) => {
                let (landing, flight) = watch::channel(None);
                let question = vacant.key().clone();
                vacant.insert(flight.clone());
                let landing = Landing { questions: Arc::clone(self), question, landing };
                tokio::spawn(landing.fly());
                Pending::Waiting(flight)
            }
        }
    }

    fn remembered(&self, question: &Question) -> Option<Answer> {
        let now = Instant::now();
        // What was driven out is dropped after the lock.
        let (answer, _gone) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(question, now);
        answer
    }

    fn remember(&self, question: &Question, answer: &Answer, ttl: Duration) {
        let until = Instant::now() + ttl;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = cache.put(question.clone(), answer.clone(), until);
        drop(cache);
        drop(gone);
    }

    async fn fetch(&self, question: &Question) -> (Answer, Duration) {
        match &self.source {
            Source::Servers(wire) => wire.ask(question).await,
            Source::Table(table) => (table.ask(question).await, TABLE_TTL),
            Source::Nobody => (Answer::Unknown(Cause::Failure), Duration::ZERO),
        }
    }

    /// How many answers are remembered.
    pub(super) fn remembered_answers(&self) -> usize {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn tally(&self) -> Tally {
        let c = &self.counters;
        Tally {
            asked: c.asked.load(Relaxed),
            remembered: c.remembered.load(Relaxed),
            sent: c.sent.load(Relaxed),
            timeouts: c.timeouts.load(Relaxed),
            failures: c.failures.load(Relaxed),
        }
    }
}

/// One flight. Dropping it, also in a panic, makes room for another try and wakes who waits.
struct Landing {
    questions: Arc<Questions>,
    question: Question,
    landing: watch::Sender<Option<Answer>>,
}

impl Landing {
    async fn fly(self) {
        let all = &self.questions;
        let end = Instant::now() + all.timeout;
        let Ok(Ok(_place)) = timeout_at(end, all.places.acquire()).await else {
            // Too much at once: says nothing about this name, so it is not remembered.
            self.landing.send_replace(Some(Answer::Unknown(Cause::Timeout)));
            return;
        };
        all.counters.sent.fetch_add(1, Relaxed);
        let fetched = timeout_at(end, all.fetch(&self.question)).await;
        let (answer, ttl) = fetched.unwrap_or((Answer::Unknown(Cause::Timeout), FAILURE_TTL));
        let ttl = match &answer {
            Answer::Unknown(Cause::Timeout) => {
                all.counters.timeouts.fetch_add(1, Relaxed);
                FAILURE_TTL
            }
            Answer::Unknown(Cause::Failure | Cause::NotAsked) => {
                all.counters.failures.fetch_add(1, Relaxed);
                FAILURE_TTL
            }
            Answer::Records(_) | Answer::NoRecords | Answer::NoName => ttl,
        };
        all.remember(&self.question, &answer, ttl);
        self.landing.send_replace(Some(answer));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.questions.flights.remove(&self.question);
    }
}
