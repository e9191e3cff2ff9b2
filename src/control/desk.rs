//! Requests for the desk: several answers, and work that lasts. What was begun goes on when the client hangs up.

use super::protocol::Answer;
use crate::desk::Request;
use crate::gateway::Gateway;
use nix::unistd::{Uid, User};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// At least so often something is said, so that whoever waits knows that the work goes on.
const SAID_EVERY: Duration = Duration::from_secs(5);
/// Clients at the desk at once; others are told to come again.
const DESK_CLIENTS_MAX: usize = 32;
/// Answers that wait for the client to take them.
const ANSWERS_WAITING: usize = 16;
/// For an answer to be taken.
const LIMIT: Duration = Duration::from_secs(10);
/// For one that lasts: a person reads, and a pipe stands still as long.
const STREAM_LIMIT: Duration = Duration::from_secs(600);

/// The desk's counters: places for clients.
pub(super) struct Counters {
    places: Semaphore,
}

impl Counters {
    /// All free.
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(DESK_CLIENTS_MAX) }
    }

    /// Serves a client.
    pub(super) async fn serve(&self, gateway: &Arc<Gateway>, request: Request, stream: &mut UnixStream) {
        let Ok(_place) = self.places.try_acquire() else {
            let text =
                "too many commands work with messages at this moment: try again in a moment".to_owned();
            let _ = say(stream, &Answer::Error(text)).await;
            return;
        };
        let by = match stream.peer_cred() {
            Ok(peer) => user(peer.uid()).await,
            Err(error) => {
                let _ = say(stream, &Answer::Error(format!("who asks cannot be found out: {error}"))).await;
                return;
            }
        };
        serve_desk(gateway, request, &by, stream).await;
    }
}

/// Hands a request to the desk of the gateway, and its answers to the client.
pub(super) async fn serve_desk(gateway: &Arc<Gateway>, request: Request, by: &str, stream: &mut UnixStream) {
    let desk = Arc::clone(&gateway.desk);
    let (answers, taken) = mpsc::channel(ANSWERS_WAITING);
    let by = by.to_owned();
    // In a task of its own: what was begun goes on when nobody listens any more.
    tokio::spawn(async move { Box::pin(desk.serve(request, &by, answers)).await });
    hand_on(taken, stream, SAID_EVERY).await;
}

/// Says what is answered, and in between that work goes on.
async fn hand_on(mut taken: mpsc::Receiver<crate::desk::Answer>, stream: &mut UnixStream, every: Duration) {
    loop {
        let answer = match timeout(every, taken.recv()).await {
            Ok(Some(answer)) => Answer::Desk(answer),
            Ok(None) => return,
            Err(_elapsed) => Answer::Busy {},
        };
        if say_within(stream, &answer, STREAM_LIMIT).await.is_err() {
            return;
        }
    }
}

/// The name of a user of this machine; user databases may be far away.
async fn user(uid: u32) -> String {
    let found = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)).ok().flatten()).await;
    found.ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}

/// Says one line.
///
/// # Errors
/// The client is gone, or does not take it.
pub(super) async fn say(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    say_within(stream, answer, LIMIT).await
}

async fn say_within(stream: &mut UnixStream, answer: &Answer, limit: Duration) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(limit, stream.write_all(&line)).await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn work_that_lasts_says_that_it_goes_on() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (answers, taken) = mpsc::channel(1);
        let work = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            answers.send(desk::Answer::Jobs(Vec::new())).await.unwrap();
        });
        hand_on(taken, &mut near, Duration::from_millis(20)).await;
        drop(near);
        work.await.unwrap();
        let mut said = String::new();
        far.read_to_string(&mut said).await.unwrap();
        let lines: Vec<&str> = said.lines().collect();
        let (last, busy) = lines.split_last().unwrap();
        assert!(!busy.is_empty() && busy.iter().all(|line| *line == r#"{"busy":{}}"#), "{said}");
        assert_eq!(*last, r#"{"desk":{"jobs":[]}}"#);
    }
}
