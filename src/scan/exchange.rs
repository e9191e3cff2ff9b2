//! One request and its answer over one connection: reading while writing.
//!
//! An engine may answer before it has the whole request ("size limit exceeded") and close; a client that only writes then
//! loses the answer, or waits for ever where the other side neither reads nor closes. So both directions run at once, the
//! answer is bounded, and the caller's deadline is over all of it.

use super::job::Input;
use super::stream::Stream;
use super::verdict::ScanVerdict;
use std::io::{self, IoSlice};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Pieces of one write.
const SLICES: usize = 4;
/// After the other side stopped reading: for the answer that says why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request.
pub(super) struct Request<'a> {
    /// What stands before the octets.
    pub(super) head: Vec<u8>,
    /// The octets, if there are any.
    pub(super) input: Option<Input<'a>>,
    /// Each piece behind its length in four octets, and a length of zero at the end.
    pub(super) framed: bool,
}

/// An answer.
pub(super) struct Reply {
    pub(super) octets: Vec<u8>,
    /// Whether it came after all that we had to say.
    pub(super) after_all: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection failed, before or in the middle of the answer.
    Io(io::Error),
    /// The answer is longer than answers are.
    TooLong,
    /// Our copy of the message cannot be read.
    Body(String),
}

/// Sends `request` and reads an answer of at most `most` octets, until `complete` says that it is, or its end.
pub(super) async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<'_>,
    most: usize,
    complete: impl Fn(&[u8]) -> bool,
) -> Result<Reply, Trouble> {
    let (mut from, mut to) = tokio::io::split(stream);
    let mut sending = Box::pin(send(&mut to, request));
    let mut reading = Box::pin(read(&mut from, most, complete));
    let sent = tokio::select! {
        biased;
        sent = &mut sending => sent,
        // An answer to what was not said completely.
        octets = &mut reading => return Ok(Reply { octets: octets?, after_all: false }),
    };
    match sent {
        Ok(()) => Ok(Reply { octets: reading.await?, after_all: true }),
        Err(Trouble::Io(error)) => match timeout(LAST_WORDS, reading).await {
            Ok(Ok(octets)) if !octets.is_empty() => Ok(Reply { octets, after_all: false }),
            Ok(_) | Err(_) => Err(Trouble::Io(error)),
        },
        Err(trouble) => Err(trouble),
    }
}

async fn read(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
    complete: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, Trouble> {
    let mut octets = Vec::with_capacity(512);
    loop {
        // One more than it may have, so that an answer over the bound is seen.
        let room = (most + 1).saturating_sub(octets.len());
        let got = (&mut *from).take(room as u64).read_buf(&mut octets).await;
        match got {
            Ok(_) if octets.len() > most => return Err(Trouble::TooLong),
            Ok(0) => return Ok(octets),
            Ok(_) if complete(&octets) => return Ok(octets),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Io(error)),
        }
    }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), request: Request<'_>) -> Result<(), Trouble> {
    let Request { mut head, input, framed } = request;
    if let Some(input) = input {
        let mut reader = input.reader();
        let mut left = input.len();
        loop {
            let piece = reader.next().await.map_err(|error| Trouble::Body(error.to_string()))?;
            let Some(piece) = piece else { break };
            left = left.saturating_sub(piece.len() as u64);
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes();
            // A small message goes out in one write, its end too.
            let end: &[u8] = if framed && left == 0 { &END } else { &[] };
            let length: &[u8] = if framed { &length } else { &[] };
            write(to, [&head, length, &piece, end]).await?;
            head.clear();
        }
        if framed && input.is_empty() {
            head.extend_from_slice(&END);
        }
    }
    write(to, [&head, &[], &[], &[]]).await?;
    to.flush().await.map_err(Trouble::Io)
}

/// The piece of no octets that ends a framed request.
const END: [u8; 4] = [0; 4];

async fn write(to: &mut (impl AsyncWrite + Unpin), parts: [&[u8]; SLICES]) -> Result<(), Trouble> {
    let mut slices = parts.map(IoSlice::new);
    let mut left: &mut [IoSlice<'_>] = &mut slices;
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match to.write_vectored(left).await {
            Ok(0) => return Err(Trouble::Io(io::ErrorKind::WriteZero.into())),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Io(error)),
        }
    }
    Ok(())
}

impl Trouble {
    /// What that is: the engine's trouble, or ours.
    pub(super) fn verdict(self) -> ScanVerdict {
        match self {
            Self::Body(words) => ScanVerdict::Unread(words),
            Self::Io(_) | Self::TooLong => ScanVerdict::Error(self.words()),
        }
    }

    /// In words, for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Io(error) => format!("the connection broke: {error}"),
            Self::TooLong => "the answer is longer than any answer".to_owned(),
            Self::Body(words) => format!("the message cannot be read: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::DuplexStream;

    fn request(octets: &[u8]) -> Request<'_> {
        Request { head: b"GO".to_vec(), input: Some(Input::Part(octets)), framed: true }
    }

    fn ends(octets: &[u8]) -> bool {
        octets.ends_with(b"\0")
    }

    async fn all(far: &mut DuplexStream, octets: usize) -> Vec<u8> {
        let mut got = vec![0; octets];
        far.read_exact(&mut got).await.unwrap();
        got
    }

    #[tokio::test]
    async fn a_message_goes_out_in_pieces_and_its_end() {
        for size in [0, 1, 65_536, 65_537, 200_000] {
            let octets = vec![b'x'; size];
            let (near, mut far) = tokio::io::duplex(1000);
            let pieces = size.div_ceil(PIECE);
            let peer = tokio::spawn(async move {
                let got = all(&mut far, 2 + pieces * 4 + size + 4).await;
                far.write_all(b"fine\0").await.unwrap();
                got
            });
            let reply = exchange(Box::new(near), request(&octets), 10, ends).await.unwrap();
            assert!(reply.after_all);
            assert_eq!(reply.octets, b"fine\0");
            let got = peer.await.unwrap();
            assert!(got.starts_with(b"GO") && got.ends_with(&END), "{size}");
        }
    }

    const PIECE: usize = 64 * 1024;

    #[tokio::test]
    async fn an_answer_in_the_middle_is_heard() {
        let octets = vec![b'x'; 1 << 20];
        // The other side stays, and reads no more.
        let (near, mut far) = tokio::io::duplex(1000);
        let peer = tokio::spawn(async move {
            all(&mut far, 5000).await;
            far.write_all(b"too big\0").await.unwrap();
            far
        });
        let reply = exchange(Box::new(near), request(&octets), 10, ends).await.unwrap();
        assert_eq!((reply.after_all, reply.octets.as_slice()), (false, &b"too big\0"[..]));
        drop(peer.await.unwrap());
        // The other side says it and goes.
        let (near, mut far) = tokio::io::duplex(1000);
        tokio::spawn(async move {
            all(&mut far, 5000).await;
            far.write_all(b"too big\0").await.unwrap();
        });
        let reply = exchange(Box::new(near), request(&octets), 10, ends).await.unwrap();
        assert_eq!(reply.octets, b"too big\0");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_answer() {
        let octets = vec![b'x'; 1 << 20];
        for (answer, most) in [(&b""[..], 10), (b"0123456789a", 10)] {
            let (near, mut far) = tokio::io::duplex(1000);
            tokio::spawn(async move {
                all(&mut far, 3000).await;
                let _ = far.write_all(answer).await;
            });
            let got = exchange(Box::new(near), request(&octets), most, ends).await;
            assert!(
                got.as_ref().is_err_and(|t| !matches!(t, Trouble::Body(_)))
                    || got.is_ok_and(|r| r.octets.is_empty())
            );
        }
        // Whoever reads all and says nothing is for the caller's deadline.
        let (near, far) = tokio::io::duplex(1 << 21);
        let waited =
            timeout(Duration::from_secs(60), exchange(Box::new(near), request(&octets), 10, ends)).await;
        assert!(waited.is_err());
        drop(far);
    }
}
