//! Sends one sample the way a mail server in the world does: over TCP, one command at a time.

use super::sample::Sample;
use crate::downstream::{BoxStream, read_some, write_all};
use crate::reply::Reply;
use crate::smtp::client::{Awaiting, Client, ClientError};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For one sample from connect to the last reply.
const LIMIT: Duration = Duration::from_secs(60);

/// Sends it. Gives the reply that decided: the first refusal, or the one to the message.
///
/// # Errors
/// The connection failed, or the gateway answered nonsense.
pub(super) async fn send(gateway: SocketAddr, sample: &Sample) -> io::Result<Reply> {
    timeout(LIMIT, Box::pin(converse(gateway, sample))).await?
}

struct Sender {
    stream: BoxStream,
    client: Client,
}

async fn converse(gateway: SocketAddr, sample: &Sample) -> io::Result<Reply> {
    let stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let mut sender = Sender { stream: Box::new(stream), client: Client::default() };
    let decided = sender.message(sample).await?;
    // After some refusals the gateway has closed already.
    let _ = sender.command(b"QUIT\r\n", Awaiting::Command).await;
    Ok(decided)
}

impl Sender {
    async fn message(&mut self, sample: &Sample) -> io::Result<Reply> {
        let mail = format!("MAIL FROM:<{}>{}\r\n", sample.from, sample.parameters);
        let rcpt = format!("RCPT TO:<{}>\r\n", sample.to);
        let greeting = self.reply().await?;
        if !greeting.is_success() {
            return Ok(greeting);
        }
        for line in ["EHLO sender.example.com\r\n", &mail, &rcpt] {
            let reply = self.command(line.as_bytes(), Awaiting::Command).await?;
            if !reply.is_success() {
                return Ok(reply);
            }
        }
        let go_ahead = self.command(b"DATA\r\n", Awaiting::GoAhead).await?;
        if go_ahead.is_refusal() {
            return Ok(go_ahead);
        }
        self.command(&sample.wire(), Awaiting::Message).await
    }

    async fn command(&mut self, octets: &[u8], awaiting: Awaiting) -> io::Result<Reply> {
        self.client.send(octets, awaiting);
        write_all(&mut *self.stream, self.client.output()).await?;
        self.client.output().clear();
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            match self.client.poll() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(ClientError::Closing(reply)) => return Ok(*reply),
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
            let Self { stream, client } = self;
            if read_some(&mut **stream, |octets| client.push(octets)).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
