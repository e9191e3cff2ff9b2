//! Connecting to an engine.

use crate::config::model::EngineAddress;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Both directions of a connection, whatever it is made of: sockets of both kinds, and pipes in tests.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn connect(address: &EngineAddress) -> io::Result<Box<dyn Stream>> {
    match address {
        EngineAddress::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        EngineAddress::Tcp(socket) => {
            let stream = TcpStream::connect(socket).await?;
            // The last piece of a message must not wait for an acknowledgement of the one before it.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
    }
}
