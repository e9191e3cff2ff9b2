//! Listeners: bound before privileges are dropped, then one accept loop each.

use super::audit::{RefusedLine, finding_line};
use super::clock::unix_ms;
use super::fold::{Refusals, Why};
use super::generation::{Entrance, Generation};
use super::phase::Phase;
use super::session::{Accepted, Session, client_of};
use super::standing::{Refusal, Standing};
use super::state::Gateway;
use crate::config::model::{Listener, ListenerTls};
use crate::mail::rfc3339;
use crate::reply::{Reply, catalogue};
use crate::verdict::{Client, Finding, Stage};
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
    let generation = gateway.current.load_full();
    let Some(entrance) = generation.entrances.get(index) else { return };
    let client = client_of(peer, &generation);
    let Some(place) = gateway.live.enter(generation.policy.max_connections) else {
        let reply = catalogue::TOO_MANY_CONNECTIONS.reply();
        turn_away(gateway, entrance, &stream, client.ip, Some(reply), None);
        return;
    };
    // Behind a balancer the client is known when its header is here.
    let standing = if entrance.listener.proxy_protocol.contains(client.ip) {
        None
    } else {
        match at_door(gateway, &generation, entrance, &client) {
            Ok(standing) => Some(standing),
            Err(refused) => {
                let (refusal, finding) = *refused;
                let spoken = matches!(entrance.listener.tls, ListenerTls::Off | ListenerTls::Starttls(_));
                let reply = (spoken && !refusal.silent).then_some(refusal.reply);
                turn_away(gateway, entrance, &stream, client.ip, reply, finding);
                return;
            }
        }
    };
    let Ok(local) = stream.local_addr() else { return };
    let accepted = Accepted { standing, ..Accepted::new(Box::new(stream), peer, local, index) };
    let Some(session) = Session::new(Arc::clone(gateway), accepted, place) else { return };
    tokio::spawn(session.run());
}

/// Judged here where nothing has to be looked up for it: a refusal costs no task and no buffer.
fn at_door(
    gateway: &Gateway,
    generation: &Generation,
    entrance: &Entrance,
    client: &Client,
) -> Result<Box<Standing>, Box<(Refusal, Option<Finding>)>> {
    let mut standing = Box::new(Standing::at_door(gateway, generation, entrance, client));
    if generation.needs_at(Stage::Connect).is_at_hand() {
        let judged = standing.judge_connect(gateway, generation, entrance, client);
        judged.map_err(|refusal| Box::new((refusal, standing.take_decisive())))?;
    }
    Ok(standing)
}

/// A reply into the socket's buffer, without waiting: a client that does not take it is closed all the same.
fn turn_away(
    gateway: &Gateway,
    entrance: &Entrance,
    stream: &TcpStream,
    client: IpAddr,
    reply: Option<Reply>,
    finding: Option<Finding>,
) {
    gateway.counters.turned_away();
    let id = gateway.ids.next();
    if let Some(reply) = &reply {
        let mut line = Vec::with_capacity(128);
        reply.clone().with_reference(id).write_to(&mut line);
        let _ = stream.try_write(&line);
    }
    let listener = Arc::clone(&entrance.listener.name);
    if let Some(refusals) = gateway.fold.count(client, Why { id, listener, reply, finding }) {
        tell_refused(gateway, &refusals);
    }
}

/// The audit line of refusals at the door.
pub(super) fn tell_refused(gateway: &Gateway, refusals: &Refusals) {
    let why = &refusals.why;
    let reply = why.reply.clone().map(|r| r.with_reference(why.id).to_log());
    gateway.audit.line(&RefusedLine {
        time: rfc3339(unix_ms()),
        kind: "refused",
        session: why.id.to_string(),
        generation: gateway.current.load().number,
        listener: &why.listener,
        client: refusals.client,
        count: refusals.count,
        findings: why.finding.iter().map(finding_line).collect(),
        reply: reply.as_deref(),
    });
}
