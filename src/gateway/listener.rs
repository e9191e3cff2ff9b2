//! Listeners: bound before privileges are dropped, then one accept loop each.

use super::clock::unix_ms;
use super::fold::{Refusals, Why};
use super::generation::{Entrance, Generation};
use super::lines::RefusedLine;
use super::phase::Phase;
use super::session::{Accepted, Session, client_of};
use super::standing::{Refusal, Standing};
use super::state::Gateway;
use crate::config::model::{Listener, ListenerTls};
use crate::reply::{Reply, catalogue};
use crate::verdict::{Client, Finding, Stage};
use nix::sys::socket::{MsgFlags, send};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// How often an idle accept looks whether it is to go on.
const ACCEPT_LOOK: Duration = Duration::from_millis(100);
/// Most threads that accept for one listener.
const ACCEPT_THREADS_MAX: usize = 2;
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

/// Accepts until the gateway drains or `running` says no, in threads of its own: a connection that is refused at the
/// door costs an accept, a write and a close, and those that stay are handed to the runtime.
///
/// # Errors
/// The socket or the thread cannot be set up.
pub(super) fn accept_in_threads(
    gateway: &Arc<Gateway>,
    index: usize,
    socket: &StdListener,
    running: &Arc<AtomicBool>,
) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    // accept(2) comes back now and then, to see whether it is to go on.
    SockRef::from(socket).set_read_timeout(Some(ACCEPT_LOOK))?;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(ACCEPT_THREADS_MAX));
    for _ in 0..threads {
        accept_thread(Arc::clone(gateway), index, socket.try_clone()?, Arc::clone(running))?;
    }
    Ok(())
}

fn accept_thread(
    gateway: Arc<Gateway>,
    index: usize,
    socket: StdListener,
    running: Arc<AtomicBool>,
) -> io::Result<()> {
    let runtime = Handle::current();
    std::thread::Builder::new().name(format!("accept-{index}")).spawn(move || {
        let _runtime = runtime.enter();
        while running.load(Ordering::Acquire) && *gateway.phase.borrow() != Phase::Draining {
            match socket.accept() {
                // A panic costs the connection, never the listener; the hook has told of it.
                Ok(_) if *gateway.phase.borrow() == Phase::Draining => return,
                Ok((stream, peer)) => {
                    let _ = catch_unwind(AssertUnwindSafe(|| admit(&gateway, index, stream, peer)));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; raise the limit of open files if it says so");
                    std::thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    })?;
    Ok(())
}

/// Errors of a connection that died before it was accepted (accept(2)), or of none in time.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::TimedOut
    )
}

fn admit(gateway: &Arc<Gateway>, index: usize, stream: StdStream, peer: SocketAddr) {
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
    let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) else { return };
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
    stream: &StdStream,
    client: IpAddr,
    reply: Option<Reply>,
    finding: Option<Finding>,
) {
    gateway.counters.turned_away();
    let id = gateway.ids.next();
    if let Some(reply) = &reply {
        let mut line = Vec::with_capacity(128);
        reply.clone().with_reference(id).write_to(&mut line);
        let _ = send(stream.as_raw_fd(), &line, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    } else {
        // Nothing is on its way that could be lost: a reset leaves no connection behind that waits for its end.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
    let listener = Arc::clone(&entrance.listener.name);
    if let Some(refusals) = gateway.fold.count(client, Why { id, listener, reply, finding }) {
        tell_refused(gateway, &refusals);
    }
}

/// The audit line of refusals at the door.
pub(super) fn tell_refused(gateway: &Gateway, refusals: &Refusals) {
    let why = &refusals.why;
    gateway.audit.line(&RefusedLine {
        unix_ms: unix_ms(),
        session: why.id,
        generation: gateway.current.load().number,
        listener: &why.listener,
        client: refusals.client,
        count: refusals.count,
        findings: why.finding.as_slice(),
        reply: why.reply.clone().map(|r| r.with_reference(why.id)),
    });
}
