//! The gateway as a process: what `run` and `demo` start, and what they give back at the end.
//!
//! Order matters. [`prepare`]: limits, lock, sockets and certificates while we still may; then the
//! privileges go; then everything that creates files, so that it belongs to the user that stays.
//! [`Daemon::serve`]: the runtime, until a signal or the demo's end; then the drain.

use super::privileges::{self, PrivilegeError};
use super::systemd;
use crate::body::Budget;
use crate::config::model::Policy;
use crate::control::{self, ControlSocket, Reloads};
use crate::desk::{Desk, World};
use crate::downstream::{Accepted, Dial, TcpDial};
use crate::gateway::audit::{Audit, AuditWriter};
use crate::gateway::{self, Bound, Gateway, Generation, History, ReloadReport, Space, Surroundings, bind};
use crate::limits::Limits;
use crate::message::trace::TraceKey;
use crate::records::Records;
use crate::store::{StateDir, StateLock};
use crate::vault::{Vault, VaultWriter};
use arc_swap::ArcSwap;
use sd_notify::NotifyState;
use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the start waits for the downstreams to say what they offer.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// Threads for disk work; tokio's default of 512 would be 512 stacks.
const BLOCKING_THREADS_MAX: usize = 16;
/// Reloads that may wait for one that is going on.
const RELOADS_WAITING: usize = 8;

/// What a start needs and a stop gives back. Dropped in this order: the lock goes last.
pub(super) struct Daemon {
    gateway: Arc<Gateway>,
    bound: Vec<Bound>,
    control: ControlSocket,
    vault: VaultWriter,
    writer: AuditWriter,
    _lock: StateLock,
}

/// Everything that needs privileges or a single thread.
///
/// # Errors
/// A sentence for people.
pub(super) fn prepare(policy: Policy, rules: &Path) -> Result<Daemon, Box<dyn Error>> {
    let open_files = privileges::raise_open_files(policy.max_connections);
    if open_files < privileges::open_files_needed(policy.max_connections) {
        tracing::warn!(
            open_files,
            max_connections = policy.max_connections,
            "the limit of open files is lower than max_connections needs"
        );
    }
    let lock = StateLock::acquire(&policy.state_dir)?;
    let mut bound = systemd::sockets(&policy);
    for listener in &policy.listeners {
        if !bound.iter().any(|b| b.name == listener.name) {
            bound.push(bind(listener)?);
        }
    }
    // Certificates are read while we still may; keys are often root's.
    let dial: Arc<dyn Dial> = Arc::new(TcpDial);
    let policy = Arc::new(policy);
    let generation = Generation::build(Arc::clone(&policy), None, &dial)?;
    let rules_dir = std::path::absolute(rules)?;
    drop_privileges(&policy)?;
    let state = StateDir::open(&policy.state_dir)?;
    generation.scanners.switches().open(&policy.state_dir);
    let control = ControlSocket::bind(&policy.state_dir)?;
    let limits = Limits::open(&policy.state_dir, unix_ms() / 1000)?;
    let (records, keeper) = Records::open(&policy.state_dir, &policy.records)?;
    let (audit, writer) = Audit::open(policy.audit.clone(), Some(keeper))?;
    let (history, numbered) = History::open(&policy.state_dir, &rules_dir);
    let (vault, vault_writer) = Vault::open(&policy.state_dir)?;
    let current = Arc::new(ArcSwap::from_pointee(generation.numbered(numbered)));
    let budget = Budget::new(policy.memory_octets, policy.disk_octets, state.tmp());
    let trace_key = TraceKey::new(state.trace_key());
    let counters = Arc::<gateway::Counters>::default();
    let world = Arc::new(Surroundings::new(Arc::clone(&current), audit.clone(), Arc::clone(&counters)));
    let desk = Desk::new(
        Arc::clone(&vault),
        Arc::clone(&world) as Arc<dyn World>,
        Arc::clone(&budget),
        state.ids(),
        trace_key.clone(),
        rules_dir.clone(),
    );
    let gateway = Gateway {
        current,
        ids: state.ids(),
        trace_key,
        budget,
        vault,
        desk,
        world,
        accepted: Accepted::open(&policy.state_dir),
        space: Space::default(),
        audit,
        records,
        live: Arc::default(),
        counters,
        limits: Arc::new(limits),
        fold: gateway::Fold::default(),
        phase: tokio::sync::watch::channel(gateway::Phase::Running).0,
        dial,
        rules_dir,
        started_unix_ms: unix_ms(),
        last_reload_error: Mutex::default(),
        history,
    };
    gateway.space.look(&policy, &gateway.vault, unix_ms());
    Ok(Daemon { gateway: Arc::new(gateway), bound, control, vault: vault_writer, writer, _lock: lock })
}

/// Becomes the user that the rules name, who gets the state directory and its lock.
///
/// # Errors
/// Why not.
pub(super) fn drop_privileges(policy: &Policy) -> Result<(), PrivilegeError> {
    let Some(user) = policy.user.as_deref().map(privileges::target).transpose()?.flatten() else {
        return Ok(());
    };
    for path in [policy.state_dir.clone(), policy.state_dir.join("lock")] {
        let handed = privileges::hand_over(&path, &user);
        handed.map_err(|source| PrivilegeError::Refused {
            user: user.name.clone(),
            step: "chown of state_dir",
            source,
        })?;
    }
    privileges::become_user(&user)
}

/// The runtime of the daemon.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
}

impl Daemon {
    /// Serves until SIGTERM, SIGINT or the end of `until`, which begins when the listeners greet; then
    /// drains.
    ///
    /// # Errors
    /// The runtime or a socket cannot be had.
    pub(super) fn serve(
        self,
        runtime: Runtime,
        until: impl Future<Output = ()>,
    ) -> Result<(), Box<dyn Error>> {
        let Self { gateway, bound, control, mut vault, mut writer, _lock } = self;
        let result = runtime.block_on(Box::pin(live(&gateway, bound, control, until)));
        // Sessions over the drain limit are dropped here.
        runtime.shutdown_timeout(Duration::from_secs(1));
        // Sessions and desk are gone: what they made durable goes into its files.
        vault.close();
        gateway.limits.save();
        if let Err(error) = gateway.accepted.save() {
            tracing::warn!(%error, "the recipients that were accepted lately are forgotten");
        }
        writer.close();
        result
    }
}

async fn live(
    gateway: &Arc<Gateway>,
    bound: Vec<Bound>,
    control: ControlSocket,
    until: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new()?;
    let mut started = gateway::start(gateway, bound, PROBE_LIMIT).await?;
    let (tell, mut reloads) = mpsc::channel(RELOADS_WAITING);
    let watching = tokio::spawn(gateway::watch(Arc::clone(gateway), tell.clone()));
    let control = serve_control(gateway, control, tell);
    let desk = Working::begin(gateway);
    announce(gateway);
    systemd::tell(&[NotifyState::Ready]);
    let pulse = systemd::watchdog();
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {
                reload(gateway).await?;
            }
            Some(asked) = reloads.recv() => {
                // Whoever asked may have gone meanwhile; the log has the result.
                let _ = asked.send(reload(gateway).await?);
            }
            () = gateway.world.changed() => {
                reload(gateway).await?;
            }
            () = beat(pulse) => systemd::tell(&[NotifyState::Watchdog]),
            () = &mut until => break,
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        }
    }
    drop(reloads);
    systemd::tell(&[NotifyState::Stopping]);
    let limit = gateway.current.load().policy.drain;
    tracing::info!(sessions = gateway.live.count(), limit_s = limit.as_secs(), "stopping");
    desk.stop();
    let left = gateway::drain(gateway, limit).await;
    desk.end(limit).await;
    started.stop();
    watching.abort();
    // Dropping it removes the socket, while the lock is still ours.
    control.abort();
    let _ = control.await;
    if left > 0 {
        tracing::warn!(sessions = left, "sessions over the drain limit were cut");
    }
    Ok(())
}

/// The desk at its work.
struct Working {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Working {
    fn begin(gateway: &Gateway) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Arc::clone(&gateway.desk).work(stopped));
        Self { stop, task }
    }

    /// Nothing new is begun.
    fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// What is under way is finished, within the limit; what is cut then is tried again after the next start.
    async fn end(self, limit: Duration) {
        let abort = self.task.abort_handle();
        match timeout(limit, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the work on quarantine and spool ended badly"),
            Err(_elapsed) => {
                abort.abort();
                tracing::warn!("deliveries over the drain limit were cut; they may be delivered twice");
            }
        }
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

async fn beat(pulse: Option<Duration>) {
    match pulse {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}

fn serve_control(gateway: &Arc<Gateway>, socket: ControlSocket, reloads: Reloads) -> JoinHandle<()> {
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        if let Err(error) = control::serve(gateway, socket, reloads).await {
            tracing::error!(%error, "no control socket: `status` and `reload` will not reach this gateway");
        }
    })
}

async fn reload(gateway: &Arc<Gateway>) -> Result<ReloadReport, Box<dyn Error>> {
    systemd::tell(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]);
    let reloading = Arc::clone(gateway);
    let done = tokio::task::spawn_blocking(move || gateway::reload(&reloading)).await;
    systemd::tell(&[NotifyState::Ready]);
    Ok(done.unwrap_or_else(|panic| ReloadReport {
        generation: gateway.current.load().number,
        reloaded: false,
        problems: vec![format!(
            "reading the rules failed ({panic}), see the log; the old rules stay in force"
        )],
    }))
}

fn announce(gateway: &Gateway) {
    let generation = gateway.current.load();
    for entrance in &generation.entrances {
        let l = &entrance.listener;
        tracing::info!(listener = %l.name, address = %l.address, downstream = %l.downstream, "listening");
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
