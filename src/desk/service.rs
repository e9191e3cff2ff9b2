//! The desk as a service.

use super::request::{Answer, Request};
use crate::body::Budget;
use crate::config::model::Policy;
use crate::downstream::Pool;
use crate::message::trace::TraceKey;
use crate::store::Ids;
use crate::vault::Vault;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What the desk sees of the world, by one generation of the rules.
pub trait World: Send + Sync {
    /// The policy in force.
    fn policy(&self) -> Arc<Policy>;
    /// A downstream by its name.
    fn pool(&self, downstream: &str) -> Option<Arc<Pool>>;
}

/// The desk.
pub struct Desk {
    /// The messages.
    pub vault: Arc<Vault>,
    /// Rules and downstreams.
    pub world: Arc<dyn World>,
    /// For messages on their way.
    pub budget: Arc<Budget>,
    /// References of messages of our own.
    pub ids: Ids,
    /// Marks.
    pub trace_key: TraceKey,
    /// The rules directory, for entries of lists that go with a release.
    pub rules_dir: PathBuf,
}

impl Desk {
    /// Serves one request; answers go to `answers`, the last one is never [`Answer::Progress`]. Work that was begun goes
    /// on when nobody listens any more.
    pub async fn serve(self: Arc<Self>, request: Request, by: &str, answers: mpsc::Sender<Answer>) {
        let _ = (request, by);
        let error = Answer::Error { text: "not yet".into(), nothing: false };
        let _ = answers.send(error).await;
    }

    /// Delivers what waits, scans what is held, applies retention, sends notices; until `stop` is true. Deliveries under
    /// way are finished first, for as long as `stop`'s drain lasts.
    pub async fn work(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let _ = stop.wait_for(|stop| *stop).await;
    }
}
