//! What the desk sees of the running gateway: the rules in force and their downstreams.

use super::generation::Generation;
use crate::config::model::Policy;
use crate::desk::World;
use crate::downstream::Pool;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The generation in force, whichever it is when the desk asks.
pub struct Surroundings {
    current: Arc<ArcSwap<Generation>>,
}

impl Surroundings {
    /// Of the generation that a gateway has in force.
    #[must_use]
    pub fn new(current: Arc<ArcSwap<Generation>>) -> Self {
        Self { current }
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
}
