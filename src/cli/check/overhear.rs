//! A dialer that remembers what a server says first, which the session itself does not keep.

use crate::downstream::{BoxStream, Dial, DialFuture, TcpDial};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets that are kept: more than a line of a reply (RFC 5321 section 4.5.3.1.5).
const KEPT: usize = 1024;

/// The dialer; its clones share what was heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Overhear(Arc<Mutex<Vec<u8>>>);

impl Overhear {
    /// The first line of the last connection, without code and separator; empty before it is complete.
    pub(super) fn greeting(&self) -> Vec<u8> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = memchr::memchr(b'\r', &heard).unwrap_or(0);
        heard.get(4..end).unwrap_or_default().to_vec()
    }
}

impl Dial for Overhear {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let heard = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = TcpDial.dial(address).await?;
            Ok(Box::new(Heard { stream, heard }) as BoxStream)
        })
    }
}

struct Heard {
    stream: BoxStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Heard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, heard } = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buf))?;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(heard.len());
        let fresh = buf.filled().get(before..).unwrap_or_default();
        heard.extend_from_slice(fresh.get(..room).unwrap_or(fresh));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Heard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
