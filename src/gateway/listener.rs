//! Listeners: bound before privileges are dropped, then one accept loop each.

use super::audit::RefusedLine;
use super::clock::unix_ms;
use super::phase::Phase;
use super::session::{Accepted, Session};
use super::state::Gateway;
use crate::config::model::Listener;
use crate::mail::{rfc3339, unmapped};
use crate::reply::catalogue;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Pause after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener, not yet accepting.
pub struct Bound {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its socket.
    pub socket: StdListener,
}

/// Binds a listener. `[::]` takes IPv4 too, unless the same port is bound for it separately.
///
/// # Errors
/// The address is in use, not ours, or needs privileges; the message names listener and address.
pub fn bind(listener: &Listener) -> io::Result<Bound> {
    let named = |e: io::Error| {
        let hint = match e.kind() {
            ErrorKind::AddrInUse => "; another program listens there: `ss -ltnp` names it",
            ErrorKind::PermissionDenied => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
            ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        io::Error::new(
            e.kind(),
            format!("listener \"{}\": cannot bind {}: {e}{hint}", listener.name, listener.address),
        )
    };
    bind_socket(listener.address)
        .map(|socket| Bound { name: Arc::clone(&listener.name), socket })
        .map_err(named)
}

fn bind_socket(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: one system call for all connections instead of one for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the gateway drains.
pub(super) async fn accept_loop(gateway: Arc<Gateway>, index: usize, socket: TcpListener) {
    let mut phase = gateway.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|p| *p == Phase::Draining) => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(&gateway, index, stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; raise the limit of open files if it says so");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of a connection that died before it was accepted (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

fn admit(gateway: &Arc<Gateway>, index: usize, stream: TcpStream, peer: SocketAddr) {
    gateway.counters.connected();
    let max = gateway.current.load().policy.max_connections;
    let Some(place) = gateway.live.enter(max) else {
        turn_away(gateway, &stream, unmapped(peer.ip()));
        return;
    };
    let Ok(local) = stream.local_addr() else { return };
    let accepted = Accepted { stream: Box::new(stream), peer, local, listener: index };
    let Some(session) = Session::new(Arc::clone(gateway), accepted, place) else { return };
    tokio::spawn(session.run());
}

/// 421 into the socket's buffer, without waiting: a client that does not take it is closed all the same.
fn turn_away(gateway: &Gateway, stream: &TcpStream, client: IpAddr) {
    gateway.counters.turned_away();
    let mut line = Vec::new();
    let reply = catalogue::TOO_MANY_CONNECTIONS.refusal(gateway.ids.next());
    reply.write_to(&mut line);
    if let Some((client, count)) = gateway.fold.count(client) {
        tell_refused(gateway, client, count);
    }
    let _ = stream.try_write(&line);
}

/// The audit line of refusals at the door.
pub(super) fn tell_refused(gateway: &Gateway, client: IpAddr, count: u64) {
    let reply = catalogue::TOO_MANY_CONNECTIONS.reply().to_log();
    gateway.audit.line(&RefusedLine {
        time: rfc3339(unix_ms()),
        kind: "refused",
        client,
        count,
        reply: &reply,
    });
}
