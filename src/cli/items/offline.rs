//! The desk in this process, while no gateway runs: under the lock of the state directory, as the user that the gateway
//! would be, so that whatever is written stays readable for it.

use crate::body::Budget;
use crate::cli::daemon;
use crate::cli::exit::{REFUSED, UNREACHABLE};
use crate::config::model::{AuditTarget, Policy};
use crate::desk::{Answer, Desk, Outcome, Request, World};
use crate::downstream::{Dial, Pool, TcpDial};
use crate::gateway::audit::{Audit, AuditWriter};
use crate::gateway::{Generation, load_rules};
use crate::lookup::Lookup;
use crate::message::trace::TraceKey;
use crate::scan::Scanners;
use crate::store::{LockError, StateDir, StateLock};
use crate::vault::{Vault, VaultWriter};
use nix::unistd::{Uid, User};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// How long deliveries that a command asked for are waited for.
const DELIVERY_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two words on how far an index is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Answers that wait.
const ANSWERS_WAITING: usize = 16;

/// Fields are dropped in this order: the lock goes last.
pub(super) struct Offline {
    desk: Arc<Desk>,
    runtime: Runtime,
    writer: VaultWriter,
    audit: Option<AuditWriter>,
    by: String,
    _lock: StateLock,
}

/// Rules that do not change, and what runs by them.
struct Rules {
    generation: Generation,
    /// `None` where the log is standard output, which is the command's own.
    audit: Option<Audit>,
}

impl World for Rules {
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.generation.policy)
    }

    fn pool(&self, downstream: &str) -> Option<Arc<Pool>> {
        self.generation.pools.iter().find(|pool| *pool.config().name == *downstream).map(Arc::clone)
    }

    fn scanners(&self) -> Scanners {
        self.generation.scanners.clone()
    }

    fn lookup(&self) -> Option<Arc<Lookup>> {
        Some(Arc::clone(&self.generation.lookup))
    }

    fn serves_others(&self) -> bool {
        false
    }

    fn audit(&self, line: serde_json::Value) {
        if let Some(audit) = &self.audit {
            audit.line(&line);
        }
    }
}

impl Offline {
    /// Takes the lock and opens what the gateway left.
    ///
    /// # Errors
    /// The exit code; standard error says why.
    pub(super) fn open(rules: &Path) -> Result<Self, ExitCode> {
        let (policy, problems) = load_rules(rules, None);
        let Some(policy) = policy else {
            problems.iter().filter(|p| p.is_error()).for_each(|problem| complain!("{problem}"));
            complain!(
                "portcullis: no gateway runs, and with these mistakes in its rules nothing can be done in its place"
            );
            return Err(REFUSED.into());
        };
        // Before the privileges go: who asks.
        let by = who();
        let lock = match StateLock::acquire(&policy.state_dir) {
            Ok(lock) => lock,
            Err(error @ LockError::Held { .. }) => {
                complain!(
                    "portcullis: the gateway does not answer at its socket, and nobody else may work there: {error}"
                );
                return Err(UNREACHABLE.into());
            }
            Err(LockError::File(error)) => return Err(refused(&error)),
        };
        Self::with(policy, rules, lock, by).map_err(|error| refused(&*error))
    }

    fn with(policy: Policy, rules: &Path, lock: StateLock, by: String) -> Result<Self, Box<dyn Error>> {
        // Files of TLS are read while we still may.
        let dial: Arc<dyn Dial> = Arc::new(TcpDial);
        let generation = Generation::build(Arc::new(policy), None, &dial)?;
        let policy = Arc::clone(&generation.policy);
        let rules_dir = std::path::absolute(rules)?;
        daemon::drop_privileges(&policy)?;
        let state = StateDir::open(&policy.state_dir)?;
        generation.scanners.switches().open(&policy.state_dir);
        let (vault, writer) = Vault::open(&policy.state_dir)?;
        let budget = Budget::new(policy.memory_octets, policy.disk_octets, state.tmp());
        let (audit, audit_writer) = match &policy.audit {
            AuditTarget::Stdout => (None, None),
            AuditTarget::File(_) => {
                let (audit, writer) = Audit::open(policy.audit.clone(), None)?;
                (Some(audit), Some(writer))
            }
        };
        let world = Arc::new(Rules { generation, audit });
        let runtime = daemon::runtime()?;
        let desk = Desk::new(vault, world, budget, state.ids(), TraceKey::new(state.trace_key()), rules_dir);
        Ok(Self { desk, runtime, writer, audit: audit_writer, by, _lock: lock })
    }

    /// Serves one request, with an index that is complete. What it asked to be delivered or scanned is tried once.
    pub(super) fn ask(&self, request: Request, take: &mut dyn FnMut(Answer)) {
        let made = self.complete();
        if let (Some(changed), Request::Rebuild {}) = (made, &request) {
            return take(Answer::Done(Outcome { changed, ..Outcome::default() }));
        }
        let delivers =
            matches!(request, Request::Release { .. } | Request::Try { .. } | Request::Rescan { .. });
        let desk = Arc::clone(&self.desk);
        self.runtime.block_on(async {
            let (answers, mut taken) = mpsc::channel(ANSWERS_WAITING);
            let serving = Arc::clone(&desk);
            let by = self.by.clone();
            let work = tokio::spawn(async move { Box::pin(serving.serve(request, &by, answers)).await });
            let mut changed = false;
            while let Some(answer) = taken.recv().await {
                changed |= matches!(&answer, Answer::Done(outcome) if outcome.changed > 0);
                take(answer);
            }
            let _ = work.await;
            if delivers && changed {
                deliver(desk).await;
            }
        });
    }
}

impl Offline {
    /// Waits for an index that is being made anew: a damaged one, or none, would say that there is nothing. How many
    /// messages are in it then, if it was not complete before.
    fn complete(&self) -> Option<u64> {
        let (mut waited, mut told) = (None, Instant::now());
        loop {
            let report = self.desk.vault.report();
            let Some(rebuild) = &report.rebuild else { return waited.map(|()| report.items) };
            if rebuild.failures > 0 && !rebuild.running {
                report.troubles.iter().for_each(|trouble| complain!("portcullis: {trouble}"));
                return None;
            }
            if waited.replace(()).is_none() {
                complain!(
                    "portcullis: the index of the quarantine is not complete: it is made anew from its files first"
                );
            }
            if told.elapsed() >= TOLD_EVERY {
                complain!("portcullis: {} messages are in it", rebuild.items);
                told = Instant::now();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Works until nothing is due any more.
async fn deliver(desk: Arc<Desk>) {
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(Arc::clone(&desk).work(stopped));
    let began = Instant::now();
    while began.elapsed() < DELIVERY_LIMIT && is_due(&desk).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = stop.send(true);
    let _ = working.await;
}

async fn is_due(desk: &Arc<Desk>) -> bool {
    let (vault, now) = (Arc::clone(&desk.vault), desk.world.now_ms());
    let due = move || {
        let due = |held| vault.due(held, now, 1).is_ok_and(|(ids, _)| !ids.is_empty());
        due(false) || due(true)
    };
    tokio::task::spawn_blocking(due).await.unwrap_or(false)
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.writer.close();
        if let Some(audit) = &mut self.audit {
            audit.close();
        }
    }
}

/// Who runs this command: the one who became root, where it runs as root.
fn who() -> String {
    let user = nix::unistd::getuid();
    let before = std::env::var("SUDO_USER").ok().filter(|name| user.is_root() && !name.is_empty());
    let name = |uid: Uid| User::from_uid(uid).ok().flatten().map(|user| user.name);
    before.or_else(|| name(user)).unwrap_or_else(|| format!("uid {user}"))
}

fn refused(error: &dyn std::fmt::Display) -> ExitCode {
    complain!("portcullis: {error}");
    REFUSED.into()
}
