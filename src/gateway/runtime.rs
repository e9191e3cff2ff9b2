//! Starting: accept loops, probes of the downstreams, the sweep of resting connections, and the looks at free space and
//! at the vault's canary.

use super::clock::unix_ms;
use super::listener::{Bound, accept_in_threads, tell_refused};
use super::state::Gateway;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How often resting connections and unhealthy downstreams are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// How often free space is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two writes of the memory of accepted recipients.
const SAVE_TICKS: u64 = 60;
/// How often the canary is looked at.
const CANARY: Duration = Duration::from_hours(1);

/// What runs; ends when it is dropped. Sessions are tasks of their own and end by draining.
pub struct Started {
    tasks: JoinSet<()>,
    accepting: Arc<AtomicBool>,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.accepting.store(false, Ordering::Release);
    }
}

impl Started {
    /// Stops accepting and sweeping at once.
    pub fn stop(&mut self) {
        self.accepting.store(false, Ordering::Release);
        self.tasks.abort_all();
    }
}

/// Probes the downstreams (at most `probe_limit`), then begins to accept on `bound`.
///
/// # Errors
/// A socket cannot be given to the runtime.
pub async fn start(gateway: &Arc<Gateway>, bound: Vec<Bound>, probe_limit: Duration) -> io::Result<Started> {
    let mut tasks = JoinSet::new();
    probe(gateway, probe_limit).await;
    let accepting = Arc::new(AtomicBool::new(true));
    for socket in bound {
        let entrances = &gateway.current.load().entrances;
        let index = entrances.iter().position(|e| e.listener.name == socket.name).unwrap_or(0);
        // Sockets from systemd do not have it; accepted ones inherit it.
        socket2::SockRef::from(&socket.socket).set_tcp_nodelay(true)?;
        accept_in_threads(gateway, index, &socket.socket, &accepting)?;
    }
    tasks.spawn(sweep_loop(Arc::clone(gateway)));
    tasks.spawn(space_loop(Arc::clone(gateway)));
    tasks.spawn(canary_loop(Arc::clone(gateway)));
    Ok(Started { tasks, accepting })
}

/// Looks at free space every second, and writes what was learnt of recipients now and then. Not on a network thread: a
/// disk may hang.
async fn space_loop(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        every.tick().await;
        let gateway = Arc::clone(&gateway);
        let looked = tokio::task::spawn_blocking(move || {
            gateway.space.look(&gateway.current.load().policy, &gateway.vault, unix_ms());
            if tick % SAVE_TICKS == SAVE_TICKS - 1
                && let Err(error) = gateway.accepted.save()
            {
                tracing::warn!(%error, "the memory of accepted recipients cannot be written");
            }
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "the look at free space failed");
        }
    }
}

/// Looks whether something else on this machine reads or deletes what lies in the vault; `status` names it.
async fn canary_loop(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(CANARY);
    loop {
        every.tick().await;
        let vault = Arc::clone(&gateway.vault);
        match tokio::task::spawn_blocking(move || vault.canary()).await {
            Ok(None) => {}
            Ok(Some(found)) => tracing::error!(%found, "something else touches the files of the quarantine"),
            Err(error) => tracing::error!(%error, "the canary of the quarantine failed"),
        }
    }
}

/// Asks every downstream what it offers, all at once; who is slower than the limit is heard later.
async fn probe(gateway: &Arc<Gateway>, limit: Duration) {
    let mut probes = JoinSet::new();
    for pool in &gateway.current.load().pools {
        let pool = Arc::clone(pool);
        probes.spawn(async move { pool.probe().await });
    }
    let all = async { while probes.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_err() {
        probes.detach_all();
    }
}

async fn sweep_loop(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(SWEEP);
    loop {
        every.tick().await;
        for refusals in gateway.fold.sweep() {
            tell_refused(&gateway, &refusals);
        }
        let limits = Arc::clone(&gateway.limits);
        // Milliseconds where there is very much: not on a network thread.
        let swept = tokio::task::spawn_blocking(move || limits.sweep(unix_ms() / 1000));
        if let Err(error) = swept.await {
            tracing::error!(%error, "the sweep of limits failed");
        }
        let generation = gateway.current.load_full();
        for pool in &generation.pools {
            pool.sweep();
            if pool.capabilities().is_none() {
                // One that hangs must not keep the others waiting.
                let _ = tokio::time::timeout(SWEEP, pool.probe()).await;
            }
        }
    }
}
