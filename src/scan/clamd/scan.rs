//! Asking clamd. Its version is asked for by clamav-client, over a connection of ours that gives it so many octets and no
//! more; what is scanned goes over our own exchange, for that crate does not read while it writes.

use super::wire;
use crate::scan::exchange::{Request, exchange};
use crate::scan::job::Input;
use crate::scan::stream::Stream;
use crate::scan::verdict::ScanVerdict;
use clamav_client::tokio::{TransportProtocol, get_version};
use std::io;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, Join, ReadHalf, Take, WriteHalf, join, split};

/// Streams the octets to it.
pub(in crate::scan) async fn scan(stream: Box<dyn Stream>, input: Input<'_>) -> ScanVerdict {
    let request = Request { head: wire::INSTREAM.to_vec(), input: Some(input), framed: true };
    match exchange(stream, request, wire::REPLY_MAX, wire::complete).await {
        Ok(reply) => wire::verdict(&reply.octets, reply.after_all),
        Err(trouble) => trouble.verdict(),
    }
}

/// Its version, and that of its signatures; an error in words.
pub(in crate::scan) async fn version(stream: Box<dyn Stream>) -> Result<String, String> {
    let connection = Bounded(Mutex::new(Some(stream)));
    let said = get_version(connection).await.map_err(|error| format!("the connection broke: {error}"))?;
    wire::version(&said).ok_or_else(|| "it does not say its version: is it clamd?".to_owned())
}

/// A connection that is there already, for one command; it ends after the longest answer.
struct Bounded(Mutex<Option<Box<dyn Stream>>>);

impl TransportProtocol for Bounded {
    type Stream = Join<Take<ReadHalf<Box<dyn Stream>>>, WriteHalf<Box<dyn Stream>>>;

    async fn connect(&self) -> io::Result<Self::Stream> {
        let stream = self.0.lock().ok().and_then(|mut stream| stream.take());
        let (from, to) = split(stream.ok_or(io::ErrorKind::NotConnected)?);
        Ok(join(from.take(wire::REPLY_MAX as u64), to))
    }
}
