//! Connecting. A trait, so that tests put a pipe where the network would be and run on a paused clock.

use super::stream::BoxStream;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::net::TcpStream;

/// A connection in the making.
pub type DialFuture<'a> = Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send + 'a>>;

/// Opens connections.
pub trait Dial: Send + Sync {
    /// Connects to `address`. The caller sets the deadline.
    fn dial(&self, address: SocketAddr) -> DialFuture<'_>;
}

/// TCP, with Nagle's algorithm off: a command waits for its reply, so delaying it is pure loss.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxStream)
        })
    }
}
