//! A message on its way in: its body, its header, and why it will be refused if it will.

use crate::body::{BodyError, BodyWriter, Budget};
use crate::message::header::HeaderScan;
use crate::reply::{Entry, catalogue};
use std::sync::Arc;
use tokio::time::Instant;

/// A message on its way in.
pub(super) struct Incoming {
    pub(super) writer: BodyWriter,
    pub(super) header: HeaderScan,
    /// Why it will be refused, if it will: what follows is consumed and not kept.
    pub(super) problem: Option<Entry>,
    pub(super) octets: u64,
    /// Octets on the wire, also of a chunk that is thrown away: what the minimum rate is about.
    pub(super) came: u64,
    /// When it began, later by the pauses between chunks: the minimum rate is about data.
    pub(super) began: Instant,
    paused: Option<Instant>,
}

/// Header octets that are kept for the summary.
const HEADER_OCTETS_MAX: usize = 64 * 1024;

impl Incoming {
    /// A message of which nothing is here yet.
    pub(super) fn new(budget: Arc<Budget>, began: Instant) -> Self {
        let (writer, header) = (BodyWriter::new(budget), HeaderScan::new(HEADER_OCTETS_MAX));
        Self { writer, header, problem: None, octets: 0, came: 0, began, paused: None }
    }

    /// A chunk is over; until the next the client owes nothing.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused = Some(now);
    }

    /// The next chunk begins.
    pub(super) fn go_on(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            self.began += now.saturating_duration_since(since);
        }
    }

    /// Takes octets of the body, up to `most`.
    pub(super) fn take(&mut self, octets: &[u8], most: u64) {
        self.octets += octets.len() as u64;
        if self.problem.is_some() {
            return;
        }
        if self.octets > most {
            self.problem = Some(catalogue::TOO_BIG);
            return;
        }
        self.header.push(octets);
        if let Err(error) = self.writer.push(octets) {
            self.failed(&error);
        }
    }

    /// It cannot be kept.
    pub(super) fn failed(&mut self, error: &BodyError) {
        tracing::warn!(%error, "message body cannot be kept");
        self.problem = Some(match error {
            BodyError::NoSpace => catalogue::NO_SPACE,
            BodyError::Io { .. } | BodyError::Damaged => catalogue::INTERNAL,
        });
    }
}
