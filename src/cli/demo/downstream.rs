//! The mail server behind the demo: keeps every message as a file, and knows nobody called `unknown`.
//!
//! Our own machine of the server's side drives it. Loopback only; what goes wrong ends that one connection.

use crate::downstream::{BoxStream, read_some, write_all};
use crate::reply::{Reply, catalogue};
use crate::smtp::command::{Command, Rcpt};
use crate::smtp::data::LineEnds;
use crate::smtp::server::{BodyStep, Event, Server};
use std::io;
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Its name.
const NAME: &str = "mail.example.net";
/// Largest message; the gateway's limit is lower.
const OCTETS_MAX: usize = 64 << 20;
/// A client that says nothing is closed.
const IDLE: Duration = Duration::from_secs(300);

/// Serves until the runtime ends. Messages go to `folder`.
pub(super) async fn serve(socket: StdListener, folder: PathBuf) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from_std(socket)?;
    let shelf = Arc::new(Shelf { folder, count: AtomicU32::new(0) });
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let talk = Talk {
            stream: Box::new(stream),
            server: Server::default(),
            message: Vec::new(),
            shelf: Arc::clone(&shelf),
        };
        tokio::spawn(talk.run());
    }
}

/// Where messages are kept.
struct Shelf {
    folder: PathBuf,
    count: AtomicU32,
}

impl Shelf {
    async fn keep(&self, message: Vec<u8>) -> Reply {
        if message.len() > OCTETS_MAX {
            return catalogue::TOO_BIG.reply();
        }
        let name = format!("{:04}.eml", self.count.fetch_add(1, Ordering::Relaxed) + 1);
        let path = self.folder.join(&name);
        let written = tokio::task::spawn_blocking(move || std::fs::write(path, message)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => catalogue::OK.reply().with_text(&format!("Ok: kept as {name}")),
            Err(error) => {
                tracing::error!(%error, "the demo's mail server cannot keep a message");
                catalogue::NO_SPACE.reply()
            }
        }
    }
}

struct Talk {
    stream: BoxStream,
    server: Server,
    message: Vec<u8>,
    shelf: Arc<Shelf>,
}

impl Talk {
    async fn run(mut self) {
        // A client that is gone is the end of the talk, and nothing else.
        let _ = self.talk().await;
    }

    async fn talk(&mut self) -> io::Result<()> {
        let greeting = format!("{NAME} ESMTP the mail server of the demo");
        self.server.greet(&catalogue::GREETING.reply().with_text(&greeting));
        loop {
            while let Some(event) = self.server.poll() {
                self.answer(event);
            }
            let more = !self.server.in_body() || self.body().await;
            write_all(&mut *self.stream, self.server.output()).await?;
            self.server.output().clear();
            if self.server.is_closed() {
                return Ok(());
            }
            if more {
                let Self { stream, server, .. } = self;
                let read = read_some(&mut **stream, |octets| server.push(octets));
                if timeout(IDLE, read).await?? == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Takes what is here of a message. Whether more must be read first.
    async fn body(&mut self) -> bool {
        let Self { server, message, .. } = self;
        let step = server.body(&mut |octets| {
            if message.len() <= OCTETS_MAX {
                message.extend_from_slice(octets);
            }
        });
        match step {
            BodyStep::More => return true,
            BodyStep::Skipped | BodyStep::None => {}
            BodyStep::ChunkEnd => self.server.answer(&catalogue::CHUNK_OK.reply()),
            BodyStep::End(facts) => {
                let message = std::mem::take(&mut self.message);
                let reply = match facts.violation {
                    None => self.shelf.keep(message).await,
                    Some(_) => catalogue::BARE_NEWLINE_IN_DATA.reply(),
                };
                self.server.answer(&reply);
            }
        }
        false
    }

    fn answer(&mut self, event: Event) {
        match event {
            Event::Command(command) => self.command(&command),
            Event::AuthLine(_) => self.server.answer(&catalogue::BAD_SEQUENCE.reply()),
            Event::Chunk { octets, last, refuse: None } => {
                self.server.accept_chunk(octets, last, LineEnds::Reject);
            }
            Event::Chunk { octets, refuse: Some(entry), .. } => {
                self.server.refuse_chunk(octets, entry.reply());
            }
            Event::Refuse(entry) | Event::Drop(entry) => self.server.answer(&entry.reply()),
        }
    }

    fn command(&mut self, command: &Command) {
        let entry = match command {
            Command::Hello { extended, .. } => {
                self.server.answer(&hello(*extended));
                return;
            }
            Command::Data => {
                self.server.go_ahead(&catalogue::DATA_GO_AHEAD.reply(), LineEnds::Reject);
                return;
            }
            Command::Mail(_) => {
                self.message.clear();
                catalogue::SENDER_OK
            }
            Command::Rcpt(rcpt) if is_unknown(rcpt) => catalogue::UNKNOWN_RECIPIENT,
            Command::Rcpt(_) | Command::Rset | Command::Noop => catalogue::OK,
            Command::Quit => catalogue::BYE,
            Command::Vrfy => catalogue::VRFY,
            Command::Help => catalogue::HELP,
            Command::Bad(entry) => *entry,
            Command::Bdat { .. }
            | Command::BadBdat
            | Command::Expn(_)
            | Command::Etrn(_)
            | Command::Auth { .. }
            | Command::StartTls
            | Command::Xclient(_)
            | Command::Foreign => catalogue::NOT_IMPLEMENTED,
        };
        self.server.answer(&entry.reply());
    }
}

fn hello(extended: bool) -> Reply {
    if extended {
        let size = format!("SIZE {OCTETS_MAX}");
        let lines = [NAME, "PIPELINING", &size, "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"];
        Reply::multi(250, &lines)
    } else {
        catalogue::HELO.reply().with_text(NAME)
    }
}

fn is_unknown(rcpt: &Rcpt) -> bool {
    rcpt.path.mailbox().is_some_and(|mailbox| mailbox.local().eq_ignore_ascii_case(b"unknown"))
}
