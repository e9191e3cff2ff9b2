//! A byte stream, whatever carries it: TCP, TLS over TCP, or a pipe in a test.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets read at once into the stack. A session that waits holds no buffer.
const SCRATCH_OCTETS: usize = 8192;

/// A two-way stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A stream of any kind.
pub type BoxStream = Box<dyn Stream>;

/// Waits for octets and hands them to `take`. The buffer lives on the stack of the poll, not in the future.
/// Returns how many; 0 is the end of the stream.
///
/// # Errors
/// What the stream says.
pub async fn read_some(stream: &mut dyn Stream, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
    poll_fn(|cx| poll_read_some(stream, cx, &mut take)).await
}

/// [`read_some`] as a poll.
pub(crate) fn poll_read_some(
    stream: &mut dyn Stream,
    cx: &mut Context<'_>,
    take: &mut impl FnMut(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_OCTETS];
    let mut buf = ReadBuf::uninit(&mut scratch);
    ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
    take(buf.filled());
    Poll::Ready(Ok(buf.filled().len()))
}

/// Writes everything and flushes. Small writes cost one system call; TLS needs the flush.
///
/// # Errors
/// What the stream says; `WriteZero` when it takes nothing.
pub async fn write_all(stream: &mut dyn Stream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, octets)).await?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        octets = octets.get(written..).unwrap_or_default();
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}
