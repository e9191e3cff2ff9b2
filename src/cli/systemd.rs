//! systemd: readiness, watchdog, sockets. Without it every call does nothing.

use crate::config::model::Policy;
use crate::gateway::Bound;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;

/// Tells the service manager.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    // Not under systemd, or its socket is gone: there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// How often the watchdog wants to hear of us; half of its limit.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Sockets that systemd opened for us, by the address that they are bound to.
pub(super) fn sockets(policy: &Policy) -> Vec<Bound> {
    let mut given = ListenFd::from_env();
    let mut bound = Vec::new();
    for index in 0..given.len() {
        let Ok(Some(socket)) = given.take_tcp_listener(index) else { continue };
        let Ok(address) = socket.local_addr() else { continue };
        match policy.listeners.iter().find(|l| l.address == address) {
            Some(listener) => bound.push(Bound { name: Arc::clone(&listener.name), socket }),
            None => {
                tracing::warn!(%address, "a socket from systemd that no listener in gateway.toml names is not used")
            }
        }
    }
    bound
}
