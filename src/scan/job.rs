//! What is to be scanned, and reading it.

use crate::body::{Body, BodyError, BodyReader, Chunk};
use crate::verdict::Envelope;
use std::ops::Deref;
use tokio::time::Instant;

/// Most octets of a piece: with four of its length it stays within what sockets take at once.
const PIECE: usize = 64 * 1024;

/// One scan.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The octets.
    pub input: Input<'a>,
    /// Who sent it to whom, where that is known.
    pub envelope: Option<&'a Envelope>,
    /// What is not known by then is no answer.
    pub deadline: Instant,
    /// Malware is the end of it for all recipients: where it is found, the answers of others are not waited for.
    pub for_all: bool,
}

impl<'a> Job<'a> {
    /// Octets that nobody in particular sent.
    #[must_use]
    pub fn new(input: Input<'a>, deadline: Instant) -> Self {
        Self { input, envelope: None, deadline, for_all: true }
    }

    /// The same with its envelope.
    #[must_use]
    pub fn from(self, envelope: &'a Envelope) -> Self {
        Self { envelope: Some(envelope), ..self }
    }
}

/// Octets to be scanned.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A message, in memory or in its file.
    Message(&'a Body),
    /// A part of one, decoded.
    Part(&'a [u8]),
}

impl<'a> Input<'a> {
    /// Octets.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Message(body) => body.len(),
            Self::Part(octets) => octets.len() as u64,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn reader(&self) -> Reader<'a> {
        match self {
            Self::Message(body) => Reader::Body(body.reader()),
            Self::Part(octets) => Reader::Octets(octets),
        }
    }
}

/// Reads the octets once.
pub(super) enum Reader<'a> {
    Body(BodyReader<'a>),
    Octets(&'a [u8]),
}

/// A piece, never empty, at most 64 KiB.
pub(super) enum Piece<'p> {
    Body(Chunk<'p>),
    Octets(&'p [u8]),
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Body(chunk) => chunk,
            Self::Octets(octets) => octets,
        }
    }
}

impl Reader<'_> {
    /// The next piece; `None` at the end. Without copying what lies in memory.
    pub(super) async fn next(&mut self) -> Result<Option<Piece<'_>>, BodyError> {
        match self {
            Self::Body(reader) => Ok(reader.next().await?.map(Piece::Body)),
            Self::Octets(left) => {
                let (piece, rest) = left.split_at(left.len().min(PIECE));
                *left = rest;
                Ok((!piece.is_empty()).then_some(Piece::Octets(piece)))
            }
        }
    }
}
