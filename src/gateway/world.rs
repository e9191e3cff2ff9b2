//! What the desk sees of the running gateway: the rules in force and their downstreams.

use super::audit::Audit;
use super::counters::Counters;
use super::generation::Generation;
use crate::config::model::Policy;
use crate::desk::World;
use crate::downstream::Pool;
use crate::lookup::Lookup;
use crate::scan::Scanners;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::Notify;

/// The generation in force, whichever it is when the desk asks.
pub struct Surroundings {
    current: Arc<ArcSwap<Generation>>,
    audit: Audit,
    counters: Arc<Counters>,
    changed: Notify,
}

impl Surroundings {
    /// Of the generation that a gateway has in force, its log, and its messages.
    #[must_use]
    pub fn new(current: Arc<ArcSwap<Generation>>, audit: Audit, counters: Arc<Counters>) -> Self {
        Self { current, audit, counters, changed: Notify::new() }
    }

    /// Until the desk edited a list that nobody watches: the rules are to be read again.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl World for Surroundings {
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.current.load().policy)
    }

    fn pool(&self, downstream: &str) -> Option<Arc<Pool>> {
        let generation = self.current.load();
        generation.pools.iter().find(|pool| *pool.config().name == *downstream).map(Arc::clone)
    }

    fn scanners(&self) -> Scanners {
        self.current.load().scanners.clone()
    }

    fn lookup(&self) -> Option<Arc<Lookup>> {
        Some(Arc::clone(&self.current.load().lookup))
    }

    fn rules_changed(&self) {
        if !self.policy().watch {
            self.changed.notify_one();
        }
    }

    fn messages(&self) -> u64 {
        self.counters.messages()
    }

    fn audit(&self, line: serde_json::Value) {
        self.audit.line(&line);
    }
}
