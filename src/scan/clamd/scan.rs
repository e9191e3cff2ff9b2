//! Asking clamd.

use super::wire;
use crate::scan::exchange::{Request, exchange};
use crate::scan::job::Input;
use crate::scan::stream::Stream;
use crate::scan::verdict::ScanVerdict;

/// Streams the octets to it.
pub(in crate::scan) async fn scan(stream: Box<dyn Stream>, input: Input<'_>) -> ScanVerdict {
    let request = Request { head: wire::INSTREAM.to_vec(), input: Some(input), framed: true };
    match exchange(stream, request, wire::REPLY_MAX, wire::complete).await {
        Ok(reply) => wire::verdict(&reply.octets, reply.after_all),
        Err(trouble) => ScanVerdict::Error(trouble.words()),
    }
}

/// Its version, and that of its signatures; an error in words.
pub(in crate::scan) async fn version(stream: Box<dyn Stream>) -> Result<String, String> {
    let request = Request { head: wire::VERSION.to_vec(), input: None, framed: false };
    let reply = exchange(stream, request, wire::REPLY_MAX, wire::complete).await.map_err(|t| t.words())?;
    wire::version(&reply.octets).ok_or_else(|| "it does not say its version: is it clamd?".to_owned())
}
