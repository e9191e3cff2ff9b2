//! The daemon's side: a few clients at once, each under a deadline.

use super::desk::{self, Counters};
use super::limits;
use super::protocol::{Answer, REQUEST_OCTETS_MAX, Request};
use super::scanners;
use super::socket::ControlSocket;
use crate::gateway::{Gateway, ReloadReport};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Clients served at once; others wait in the backlog of the socket.
const CLIENTS_MAX: usize = 16;
/// For the request to come, and again for the answer to be taken.
const LIMIT: Duration = Duration::from_secs(10);
/// Most rows of `top`.
const ROWS_MAX: usize = 10_000;
/// Most sessions of `who`: the answer has to fit into a line.
const SESSIONS_MAX: usize = 20_000;
/// Pause after an accept that failed for lack of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where requests to reload go: one at a time, and in turn with SIGHUP.
pub type Reloads = mpsc::Sender<oneshot::Sender<ReloadReport>>;

/// Serves the socket until the future is dropped; then its file is removed and its clients are cut.
pub async fn serve(gateway: Arc<Gateway>, socket: ControlSocket, reloads: Reloads) -> io::Result<()> {
    let (listener, file) = socket.into_parts();
    let listener = UnixListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    let counters = Arc::new(Counters::new());
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "control socket: cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let allowed = may_speak(&stream, file.path());
        let (gateway, reloads, counters) = (Arc::clone(&gateway), reloads.clone(), Arc::clone(&counters));
        clients.spawn(async move {
            let mut stream = stream;
            // Work at the desk may last, and does not keep others from asking.
            if let Some(request) = client(&mut stream, allowed, &gateway, &reloads).await {
                drop(place);
                counters.serve(&gateway, request, &mut stream).await;
            }
        });
    }
}

/// Whether the peer may ask: our own user, root, or whoever the mode of the socket let in. The kernel lets in
/// only those with the right to write to the file; as long as others have none, they are of its group.
fn may_speak(stream: &UnixStream, path: &Path) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    if peer.uid() == 0 || peer.uid() == nix::unistd::geteuid().as_raw() {
        return true;
    }
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o007 == 0)
}

/// Serves one client; a request that is for the desk is given back.
async fn client(
    stream: &mut UnixStream,
    allowed: bool,
    gateway: &Arc<Gateway>,
    reloads: &Reloads,
) -> Option<crate::desk::Request> {
    let answer = if allowed {
        match timeout(LIMIT, read_request(stream)).await {
            Ok(Ok(Request::Desk(request))) => return Some(request),
            Ok(Ok(request)) => answer(request, gateway, reloads).await,
            Ok(Err(why)) => Answer::Error(why),
            Err(_elapsed) => Answer::Error(format!("no request within {} s", LIMIT.as_secs())),
        }
    } else {
        Answer::Error(
            "you may not speak with the gateway: become root, its user or a member of the socket's group"
                .into(),
        )
    };
    // A client that does not take its answer is closed all the same.
    let _ = desk::say(stream, &answer).await;
    None
}

async fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut input = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memchr(b'\n', &input) {
            break end;
        }
        if input.len() >= REQUEST_OCTETS_MAX {
            return Err(format!("a request has at most {REQUEST_OCTETS_MAX} octets"));
        }
        match stream.read_buf(&mut input).await {
            Ok(0) => return Err("the connection ended inside the request".into()),
            Ok(_) => {}
            Err(error) => return Err(format!("the request cannot be read: {error}")),
        }
    };
    let line = input.get(..end).unwrap_or_default();
    serde_json::from_slice(line).map_err(|e| format!("this is no request that I know: {e}"))
}

async fn answer(request: Request, gateway: &Arc<Gateway>, reloads: &Reloads) -> Answer {
    match request {
        Request::Status {} => Answer::Status(Box::new(gateway.status())),
        Request::Reload {} => {
            let (tell, told) = oneshot::channel();
            let stopping = || Answer::Error("the gateway is stopping; nothing was reloaded".into());
            if reloads.send(tell).await.is_err() {
                return stopping();
            }
            told.await.map_or_else(|_| stopping(), Answer::Reload)
        }
        Request::Top { by, window, sort, rows } => {
            let records = Arc::clone(&gateway.records);
            let most = rows.min(ROWS_MAX);
            // Sorting all sources takes milliseconds.
            let sorted = tokio::task::spawn_blocking(move || records.busiest(by, window, most, sort)).await;
            sorted.map_or_else(|e| Answer::Error(format!("the counters cannot be read: {e}")), Answer::Top)
        }
        Request::Loops {} => Answer::Loops(gateway.records.loops()),
        Request::Who {} => Answer::Who(gateway.live.report(SESSIONS_MAX)),
        Request::Kick { who } => match gateway.live.find(&who) {
            Ok(which) => {
                let kicked = which.map(|which| gateway.live.kick(which)).unwrap_or_default();
                tracing::info!(sessions = kicked.len(), "sessions ended by an admin");
                Answer::Kick(kicked)
            }
            Err(words) => Answer::Error(words),
        },
        Request::Keep {} => {
            let gateway = Arc::clone(gateway);
            let kept = tokio::task::spawn_blocking(move || gateway.history.keep_edits(&gateway.rules_dir));
            match kept.await {
                Ok(Ok(number)) => Answer::Kept(number),
                Ok(Err(why)) => Answer::Error(why),
                Err(panic) => Answer::Error(format!("the rules could not be kept: {panic}")),
            }
        }
        Request::Bans {} => limits::bans(gateway).await,
        Request::BansAdd { net, seconds, why } => limits::ban(gateway, &net, seconds, &why),
        Request::BansLift { net, all } => limits::lift_bans(gateway, net, all).await,
        Request::Throttles {} => limits::throttles(gateway).await,
        Request::ThrottlesLift { subject, throttle, all } => {
            limits::lift_throttles(gateway, subject, throttle, all).await
        }
        Request::Scanners {} => Answer::Scanners(gateway.current.load().scanners.report()),
        Request::ScannersSwitch { name, enabled } => scanners::switch(gateway, name, enabled).await,
        Request::ScannersTest { name } => scanners::test(gateway, name).await,
        Request::Desk(_) => Answer::Error("this is for the desk".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    async fn read(octets: &[u8]) -> Result<Request, String> {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let octets = octets.to_vec();
        let writer = tokio::spawn(async move {
            // Whoever reads may stop in the middle.
            let _ = far.write_all(&octets).await;
        });
        let got = read_request(&mut near).await;
        drop(near);
        writer.await.unwrap();
        got
    }

    #[tokio::test]
    async fn one_bounded_line_is_a_request() {
        assert_eq!(read(b"{\"request\":\"status\"}\n").await, Ok(Request::Status {}));
        assert_eq!(read(b"{\"request\":\"reload\"}\nmore").await, Ok(Request::Reload {}));
        for (octets, says) in [
            (&b"{\"request\":\"status\"}"[..], "ended inside"),
            (b"", "ended inside"),
            (b"help\n", "no request that I know"),
            (&[b' '; 2 * REQUEST_OCTETS_MAX], "at most"),
        ] {
            let error = read(octets).await.unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn our_own_user_may_speak() {
        let (near, _far) = UnixStream::pair().unwrap();
        assert!(may_speak(&near, Path::new("/no/such/file")));
    }
}
