//! The desk as a service.

use super::away::Away;
use super::jobs::Jobs;
use super::notices::Notices;
use super::refusal::{Refusal, blocking};
use super::request::{Answer, Request};
use super::sweeps::Sweeps;
use super::terms::Terms;
use super::under_way::UnderWay;
use super::unnoted::Unnoted;
use crate::body::Budget;
use crate::config::model::Policy;
use crate::downstream::Pool;
use crate::inspect::places;
use crate::lookup::Lookup;
use crate::message::trace::TraceKey;
use crate::scan::Scanners;
use crate::store::Ids;
use crate::vault::Vault;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, Semaphore, mpsc};

/// How long an answer waits for files and index.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

/// What the desk sees of the world, by one generation of the rules.
pub trait World: Send + Sync {
    /// The policy in force.
    fn policy(&self) -> Arc<Policy>;

    /// A downstream by its name.
    fn pool(&self, downstream: &str) -> Option<Arc<Pool>>;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// The scanners that a message has to pass.
    fn scanners(&self) -> Scanners {
        Scanners::of(Vec::new())
    }

    /// DNS, for what senders can prove; `None`: they have nothing to prove.
    fn lookup(&self) -> Option<Arc<Lookup>> {
        None
    }

    /// A list was edited: a gateway that does not watch its rules reads them again.
    fn rules_changed(&self) {}

    /// Whether those who ask may be others than the user of this process, so that it must not read files for them that
    /// they may not.
    fn serves_others(&self) -> bool {
        true
    }

    /// Messages that came since the start, however they ended: work on many waits for mail.
    fn messages(&self) -> u64 {
        0
    }

    /// An audit line: an object with `kind` = `delivery` or `desk`.
    fn audit(&self, line: serde_json::Value) {
        tracing::info!(%line, "audit");
    }
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
    /// Places for messages that are looked at, each loaded whole: as many as there are cores.
    pub places: Arc<Semaphore>,
    pub(super) jobs: Arc<Jobs>,
    pub(super) under_way: Arc<UnderWay>,
    pub(super) unnoted: Arc<Unnoted>,
    pub(super) notices: Notices,
    pub(super) away: Away,
    pub(super) sweeps: Sweeps,
    /// Deliveries, and scans, that are due now.
    wakes: [Notify; 2],
}

impl Desk {
    /// A desk at which nobody works yet.
    #[must_use]
    pub fn new(
        vault: Arc<Vault>,
        world: Arc<dyn World>,
        budget: Arc<Budget>,
        ids: Ids,
        trace_key: TraceKey,
        rules_dir: PathBuf,
    ) -> Arc<Self> {
        Arc::new(Self {
            vault,
            world,
            budget,
            ids,
            trace_key,
            rules_dir,
            places: places(),
            jobs: Arc::default(),
            under_way: Arc::default(),
            unnoted: Arc::default(),
            notices: Notices::default(),
            away: Away::default(),
            sweeps: Sweeps::default(),
            wakes: [Notify::new(), Notify::new()],
        })
    }

    /// Something was put into the vault that is to be delivered or scanned now.
    pub fn nudge(&self) {
        self.wakes.iter().for_each(Notify::notify_one);
    }

    /// What tells of deliveries (`held`: scans) that are due now.
    pub(super) fn wake(&self, held: bool) -> &Notify {
        let [deliveries, scans] = &self.wakes;
        if held { scans } else { deliveries }
    }

    /// Serves one request; answers go to `answers`, the last one is never [`Answer::Progress`]. Work that was begun goes
    /// on when nobody listens any more.
    pub async fn serve(self: Arc<Self>, request: Request, by: &str, answers: mpsc::Sender<Answer>) {
        let by = by.to_owned();
        let stay = answers.clone();
        let work = tokio::spawn(async move {
            let answered = Box::pin(self.answer(request, &by, &answers)).await;
            // Nobody may listen any more.
            let _ = answers.send(answered.unwrap_or_else(Answer::from)).await;
        });
        if let Err(error) = work.await {
            let text = format!("the request could not be served: {error}; see the log");
            let _ = stay.send(Answer::Error { text, nothing: false }).await;
        }
    }

    /// What has to be said in the end; pieces and progress go to `answers` before.
    async fn answer(
        self: &Arc<Self>,
        request: Request,
        by: &str,
        answers: &mpsc::Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if !matches!(request, Request::Jobs {} | Request::Cancel { .. } | Request::Rebuild {}) {
            self.see_all().await;
        }
        match request {
            Request::List { page } => self.list(page).await,
            Request::Count { pick } => self.preview(&pick).await,
            Request::Show { id } => Box::pin(self.show(&id)).await,
            Request::Part { id, part, header_only } => self.part(&id, part, header_only, answers).await,
            Request::Group { pick, most } => self.groups(pick, most).await,
            Request::Stats {} => self.stats().await,
            Request::Release { pick, to, again, unscanned, allow_sender, block_sender } => {
                let terms = Terms { to, again, unscanned, allow_sender, block_sender };
                Box::pin(self.release(&pick, terms, by, answers)).await
            }
            Request::Rescan { pick } => Box::pin(self.rescan(&pick, by, answers)).await,
            Request::Delete { pick, forever } => Box::pin(self.delete(&pick, forever, by, answers)).await,
            Request::Undelete { pick, batch } => Box::pin(self.undelete(&pick, batch, by, answers)).await,
            Request::Move { pick, folder } => Box::pin(self.put_elsewhere(&pick, &folder, by, answers)).await,
            Request::Import { path, folder, skip } => {
                Box::pin(self.import((&path, skip), &folder, by, answers)).await
            }
            Request::Expire { dry_run } => self.expire(dry_run, by, answers).await,
            Request::Rebuild {} => self.rebuild(by, answers).await,
            Request::Digest { pick, send } => Box::pin(self.digest(&pick, send, by, answers)).await,
            Request::Try { pick, reset } => Box::pin(self.try_now(&pick, reset, by, answers)).await,
            Request::Prioritise { pick, priority } => {
                Box::pin(self.prioritise(&pick, priority, by, answers)).await
            }
            Request::Jobs {} => Ok(Answer::Jobs(self.jobs.list())),
            Request::Cancel { job } => match self.jobs.cancel(job) {
                Some(_) => Ok(Answer::Jobs(self.jobs.list())),
                None => Err(Refusal::nothing(format!("there is no job {job}: `jobs` lists those that run"))),
            },
        }
    }

    /// Whoever asks sees what was taken before: files and index follow behind what is durable. Where they are far
    /// behind, or stuck, the answer is of what is there.
    async fn see_all(&self) {
        let vault = Arc::clone(&self.vault);
        let _ = tokio::time::timeout(CATCH_UP_MAX, blocking(move || vault.catch_up())).await;
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }
}
