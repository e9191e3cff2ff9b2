//! What can go wrong with a downstream, and what the client hears of it.

use super::tls::TlsError;
use crate::reply::{Reply, catalogue};
use crate::smtp::client::ClientError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Step name that tells that the end of data went down.
pub(super) const END_OF_DATA: &str = "the end of data";

/// Why there is no (more) session with the downstream.
#[derive(Debug, thiserror::Error)]
pub enum DownstreamError {
    /// `max_connections` are in use and none became free in time.
    #[error("downstream {name}: no free connection within {seconds} s (max_connections)")]
    Busy {
        /// Its name.
        name: Arc<str>,
        /// How long was waited.
        seconds: u64,
    },
    /// No connection is free, and the client is not of those that wait for one now.
    #[error("downstream {name}: under pressure ({limit} connections now), this client does not wait")]
    Shed {
        /// Its name.
        name: Arc<str>,
        /// How many connections it is given now.
        limit: usize,
    },
    /// Every address failed, or failed so lately that it is not tried yet.
    #[error("downstream {name}: no address answers; last: {last}")]
    Unreachable {
        /// Its name.
        name: Arc<str>,
        /// The last failure.
        last: String,
    },
    /// Connecting failed.
    #[error("downstream {address}: cannot connect: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The session ended in the middle.
    #[error("downstream {address}: connection lost during {step}: {source}")]
    Lost {
        /// Where.
        address: SocketAddr,
        /// In what.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// No reply in time.
    #[error("downstream {address}: no reply to {step} in time")]
    Timeout {
        /// Where.
        address: SocketAddr,
        /// To what.
        step: &'static str,
    },
    /// Replies that cannot be trusted.
    #[error("downstream {address}: {step}: {source}")]
    Protocol {
        /// Where.
        address: SocketAddr,
        /// In what.
        step: &'static str,
        /// What came.
        source: ClientError,
    },
    /// It refused us before any mail: greeting, EHLO, XCLIENT.
    #[error("downstream {address}: refused {step}: {reply}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What.
        step: &'static str,
        /// With what, for the log.
        reply: String,
    },
    /// TLS is asked for and cannot be had.
    #[error("downstream {address}: {source}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: TlsError,
    },
    /// TLS is asked for and not offered.
    #[error("downstream {address}: offers no STARTTLS, and tls is required here")]
    NoTls {
        /// Where.
        address: SocketAddr,
    },
    /// It lacks an extension that was offered to the client and used.
    #[error("downstream {address}: no longer offers {keyword}")]
    Lacks {
        /// Where.
        address: SocketAddr,
        /// What.
        keyword: &'static str,
    },
    /// The body could not be read back.
    #[error("message body: {0}")]
    Body(#[from] crate::body::BodyError),
    /// The replayed envelope was answered otherwise than the first time.
    #[error("downstream {address}: answered the replayed envelope differently")]
    Differs {
        /// Where.
        address: SocketAddr,
    },
}

impl DownstreamError {
    /// Whether the message may have been taken although we have no reply: everything that went wrong after
    /// the end of data went down.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        match self {
            Self::Lost { step, .. }
            | Self::Timeout { step, .. }
            | Self::Protocol { step, .. }
            | Self::Refused { step, .. } => Some(step),
            Self::Busy { .. }
            | Self::Shed { .. }
            | Self::Unreachable { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. }
            | Self::Lacks { .. }
            | Self::Body(_)
            | Self::Differs { .. } => None,
        }
    }
}

impl DownstreamError {
    /// Whether it could not be reached at all: no session came about, for a reason that passes by itself. Where it is
    /// only busy, or lacks what one message needs, it is there.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Protocol { .. }
            | Self::Refused { .. }
            | Self::Tls { .. } => true,
            Self::Busy { .. }
            | Self::Shed { .. }
            | Self::NoTls { .. }
            | Self::Lacks { .. }
            | Self::Body(_)
            | Self::Differs { .. } => false,
        }
    }
}

impl From<&DownstreamError> for Reply {
    fn from(error: &DownstreamError) -> Self {
        match error {
            DownstreamError::Busy { .. } | DownstreamError::Shed { .. } => catalogue::DOWNSTREAM_BUSY,
            DownstreamError::Unreachable { .. }
            | DownstreamError::Connect { .. }
            | DownstreamError::Refused { .. }
            | DownstreamError::Tls { .. }
            | DownstreamError::NoTls { .. } => catalogue::DOWNSTREAM_UNREACHABLE,
            DownstreamError::Lost { .. }
            | DownstreamError::Timeout { .. }
            | DownstreamError::Protocol { .. }
            | DownstreamError::Differs { .. } => catalogue::DOWNSTREAM_LOST,
            DownstreamError::Lacks { .. } => catalogue::EXTENSION_GONE,
            DownstreamError::Body(_) => catalogue::INTERNAL,
        }
        .reply()
    }
}
