//! `portcullis run`: load, lock, bind, drop privileges, then the runtime; then wait for signals.

use super::privileges::{self, PrivilegeError};
use super::{logging, systemd};
use crate::body::Budget;
use crate::config::{self, model::Policy};
use crate::downstream::{Dial, TcpDial};
use crate::gateway::audit::{Audit, AuditWriter};
use crate::gateway::{self, Bound, Gateway, Generation, bind};
use crate::message::trace::TraceKey;
use crate::store::{StateDir, StateLock};
use arc_swap::ArcSwap;
use sd_notify::NotifyState;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How long the start waits for the downstreams to say what they offer.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// Threads for disk work; tokio's default of 512 would be 512 stacks.
const BLOCKING_THREADS_MAX: usize = 16;

/// What a start needs and a stop gives back.
pub(super) struct Daemon {
    pub(super) gateway: Arc<Gateway>,
    bound: Vec<Bound>,
    writer: AuditWriter,
    _lock: StateLock,
}

/// Runs the verb.
pub(super) fn run(rules: &Path) -> ExitCode {
    let (policy, problems) = config::load(rules);
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    let Some(policy) = policy else {
        eprintln!(
            "portcullis: not started, see the errors above (`portcullis check --rules {}` says the same)",
            rules.display()
        );
        return ExitCode::from(2);
    };
    logging::start(&policy.log);
    match prepare(policy, rules).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis: {error}");
            ExitCode::from(2)
        }
    }
}

/// Everything that needs privileges or a single thread.
pub(super) fn prepare(policy: Policy, rules: &Path) -> Result<Daemon, Box<dyn Error>> {
    let open_files = privileges::raise_open_files(policy.max_connections);
    if open_files < policy.max_connections as u64 * 2 {
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
    drop_privileges(&policy)?;
    let state = StateDir::open(&policy.state_dir)?;
    let (audit, writer) = Audit::open(policy.audit.clone())?;
    let gateway = Gateway {
        current: ArcSwap::from_pointee(generation),
        ids: state.ids(),
        trace_key: TraceKey::new(state.trace_key()),
        budget: Budget::new(policy.memory_octets, policy.disk_octets, state.tmp()),
        audit,
        live: Arc::default(),
        counters: gateway::Counters::default(),
        phase: tokio::sync::watch::channel(gateway::Phase::Running).0,
        dial,
        rules_dir: std::path::absolute(rules)?,
        started_unix_ms: unix_ms(),
        last_reload_error: Mutex::default(),
    };
    Ok(Daemon { gateway: Arc::new(gateway), bound, writer, _lock: lock })
}

fn drop_privileges(policy: &Policy) -> Result<(), PrivilegeError> {
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

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
}

fn serve(daemon: Daemon) -> Result<(), Box<dyn Error>> {
    let Daemon { gateway, bound, mut writer, _lock } = daemon;
    let runtime = runtime()?;
    let result = runtime.block_on(live(&gateway, bound));
    // Sessions over the drain limit are dropped here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    writer.close();
    result
}

async fn live(gateway: &Arc<Gateway>, bound: Vec<Bound>) -> Result<(), Box<dyn Error>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut started = gateway::start(gateway, bound, PROBE_LIMIT).await?;
    announce(gateway);
    systemd::tell(&[NotifyState::Ready]);
    let pulse = systemd::watchdog();
    loop {
        let beat = async {
            match pulse {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = hangup.recv() => {
                systemd::tell(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]);
                let gateway = Arc::clone(gateway);
                let _ = tokio::task::spawn_blocking(move || gateway::reload(&gateway)).await;
                systemd::tell(&[NotifyState::Ready]);
            }
            () = beat => systemd::tell(&[NotifyState::Watchdog]),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    systemd::tell(&[NotifyState::Stopping]);
    let limit = gateway.current.load().policy.drain;
    tracing::info!(sessions = gateway.live.count(), limit_s = limit.as_secs(), "stopping");
    let left = gateway::drain(gateway, limit).await;
    started.stop();
    if left > 0 {
        tracing::warn!(sessions = left, "sessions over the drain limit were cut");
    }
    Ok(())
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
