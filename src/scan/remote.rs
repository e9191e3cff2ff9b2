//! Engines that are connected to: a place, an address that is in order, one exchange, and the next address where that
//! failed.

use super::cache::Cache;
use super::endpoint::{Endpoint, Ping};
use super::gate::Gate;
use super::job::Job;
use super::scanner::{EndpointReport, PingFuture, ScanFuture, Scanner};
use super::stream::Stream;
use super::verdict::ScanVerdict;
use super::{clamd, rspamd, spamd};
use crate::config::model::{Engine, ScannerRules};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// An engine at one or more addresses.
pub(super) struct Remote {
    rules: Arc<ScannerRules>,
    gate: Gate,
    endpoints: Vec<Arc<Endpoint>>,
    /// Whose turn it is.
    turn: AtomicUsize,
    /// What the rules give it for a message.
    patience: Duration,
    cache: Option<Cache>,
}

impl Remote {
    /// `cache`: results that are remembered, for engines whose version says which signatures they have. `deadline`: for all
    /// scanners together.
    pub(super) fn new(rules: Arc<ScannerRules>, cache: usize, deadline: Duration) -> Self {
        let ping = ping_of(&rules.engine);
        let addresses = rules.engine.addresses().iter().cloned();
        let endpoints = addresses.map(|address| Arc::new(Endpoint::new(address, &rules, ping)));
        let remembers = matches!(rules.engine, Engine::Clamd(_)) && cache > 0;
        Self {
            gate: Gate::new(rules.concurrency, rules.queue),
            endpoints: endpoints.collect(),
            turn: AtomicUsize::new(0),
            cache: remembers.then(|| Cache::new(cache)),
            patience: rules.timeout.min(deadline),
            rules,
        }
    }

    async fn work(&self, job: Job<'_>) -> ScanVerdict {
        if job.input.len() > self.rules.max_octets {
            return ScanVerdict::TooLarge;
        }
        let place = match self.gate.enter(job.deadline).await {
            Ok(place) => place,
            Err(verdict) => return verdict,
        };
        let deadline = job.deadline.min(Instant::now() + self.rules.timeout);
        let verdict = Box::pin(self.ask(Job { deadline, ..job })).await;
        drop(place);
        verdict
    }

    /// Asks one address, and the others where it gives no answer. Against an address counts only what it did: not that a
    /// message came to it late, and had less than half of the time that the rules give.
    async fn ask(&self, job: Job<'_>) -> ScanVerdict {
        let usable: Vec<&Arc<Endpoint>> = self.endpoints.iter().filter(|e| e.is_usable()).collect();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut last = ScanVerdict::Unavailable(self.why_none());
        let late = job.deadline.saturating_duration_since(Instant::now()) * 2 < self.patience;
        for n in 0..usable.len() {
            let Some(endpoint) = usable.get((first.wrapping_add(n)) % usable.len()) else { break };
            let now = Instant::now();
            let left = job.deadline.saturating_duration_since(now);
            // One that hangs must leave time for the others.
            let share = u32::try_from(usable.len() - n).unwrap_or(u32::MAX);
            let until = now + left / share;
            last = Box::pin(self.ask_one(endpoint, Job { deadline: until, ..job })).await;
            if !last.is_trouble() {
                return last;
            }
            let blameless = last.is_said() || late && last == ScanVerdict::TimedOut;
            if !blameless {
                endpoint.failed(&last.words());
            }
        }
        last
    }

    async fn ask_one(&self, endpoint: &Arc<Endpoint>, job: Job<'_>) -> ScanVerdict {
        let asking = async {
            let key = match &self.cache {
                Some(cache) => match endpoint.version().await {
                    // Without a number of its signatures they may change and nobody sees it.
                    Some(version) if version.contains('/') => cache.key(job.input, &version).await,
                    Some(_) | None => None,
                },
                None => None,
            };
            if let Some(verdict) = key.as_ref().and_then(|key| self.cache.as_ref()?.get(key)) {
                return verdict;
            }
            let stream = match endpoint.connect().await {
                Ok(stream) => stream,
                Err(error) => return ScanVerdict::Unavailable(format!("cannot connect: {error}")),
            };
            let verdict = Box::pin(self.exchange(stream, job)).await;
            if verdict.is_said() {
                endpoint.answered();
            }
            if let (Some(key), Some(cache)) = (key, &self.cache) {
                cache.put(key, &verdict);
            }
            verdict
        };
        timeout_at(job.deadline, Box::pin(asking)).await.unwrap_or(ScanVerdict::TimedOut)
    }

    async fn exchange(&self, stream: Box<dyn Stream>, job: Job<'_>) -> ScanVerdict {
        match &self.rules.engine {
            Engine::Clamd(_) => clamd::scan(stream, job.input).await,
            Engine::Rspamd(_) => rspamd::scan(stream, job).await,
            Engine::Spamd { user, .. } => spamd::scan(stream, job, user.as_deref()).await,
            // Built as another kind of scanner.
            Engine::Command(_) => ScanVerdict::Error("a program has no address".to_owned()),
        }
    }

    fn why_none(&self) -> String {
        let reports = self.endpoints();
        let last = reports.iter().find_map(|report| report.last_error.as_deref());
        format!("left alone until it answers again{}", last.map(|e| format!(" ({e})")).unwrap_or_default())
    }
}

fn ping_of(engine: &Engine) -> Ping {
    match engine {
        Engine::Rspamd(_) => |stream| Box::pin(rspamd::ping(stream)),
        Engine::Spamd { .. } => |stream| Box::pin(spamd::ping(stream)),
        Engine::Clamd(_) | Engine::Command(_) => |stream| Box::pin(clamd::version(stream)),
    }
}

impl Scanner for Remote {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.rules
    }

    fn scan<'a>(&'a self, job: Job<'a>) -> ScanFuture<'a> {
        Box::pin(self.work(job))
    }

    fn endpoints(&self) -> Vec<EndpointReport> {
        self.endpoints.iter().map(|endpoint| endpoint.report()).collect()
    }

    fn load(&self) -> (usize, usize, usize) {
        self.gate.load()
    }

    fn ping(&self) -> PingFuture<'_> {
        Box::pin(async {
            let ask = |endpoint: &Arc<Endpoint>| {
                let endpoint = Arc::clone(endpoint);
                tokio::spawn(async move { endpoint.ask().await })
            };
            // All at the same time.
            let asked: Vec<_> = self.endpoints.iter().map(|endpoint| (endpoint, ask(endpoint))).collect();
            let mut out = Vec::with_capacity(asked.len());
            for (endpoint, said) in asked {
                let said = said.await.unwrap_or_else(|error| Err(format!("asking it broke off: {error}")));
                out.push((endpoint.report().address, said));
            }
            out
        })
    }
}
