//! What is walked through: octets of the message or of a part that was decoded, and what is still to be looked at.

use std::ops::Range;
use std::rc::Rc;

/// Octets in which parts lie.
#[derive(Debug, Clone)]
pub(super) struct Source<'m> {
    /// 0 is the message.
    pub(super) id: u32,
    octets: Octets<'m>,
}

#[derive(Debug, Clone)]
enum Octets<'m> {
    Message(&'m [u8]),
    Decoded(Rc<Vec<u8>>),
}

impl<'m> Source<'m> {
    pub(super) fn message(octets: &'m [u8]) -> Self {
        Self { id: 0, octets: Octets::Message(octets) }
    }

    pub(super) fn decoded(id: u32, octets: Vec<u8>) -> Self {
        Self { id, octets: Octets::Decoded(Rc::new(octets)) }
    }

    pub(super) fn octets(&self) -> &[u8] {
        match &self.octets {
            Octets::Message(octets) => octets,
            Octets::Decoded(octets) => octets,
        }
    }
}

/// Where parts lie.
#[derive(Debug, Clone)]
pub(super) struct Place<'m> {
    pub(super) source: Source<'m>,
    pub(super) range: Range<usize>,
    /// Encoded containers around it.
    pub(super) encoded: u32,
    /// In something odd: scanners want it a second time.
    pub(super) again: bool,
}

impl<'m> Place<'m> {
    pub(super) fn octets(&self) -> &[u8] {
        self.source.octets().get(self.range.clone()).unwrap_or_default()
    }

    /// Another place in the same octets.
    pub(super) fn at(&self, range: Range<usize>) -> Self {
        Self { range, ..self.clone() }
    }
}

/// A part that is to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Entity<'m> {
    pub(super) place: Place<'m>,
    pub(super) parent: Option<u32>,
    pub(super) depth: u32,
    /// Directly in a `multipart/digest`.
    pub(super) in_digest: bool,
    /// Bare CRs were made line ends already.
    pub(super) mended: bool,
}

/// What is still to be done.
#[derive(Debug)]
pub(super) enum Task<'m> {
    Part(Entity<'m>),
    /// A multipart with lines that nearly are delimiters. When all parts in it are known, so are their boundaries; lines
    /// that are of none of these are taken for delimiters.
    Loose {
        like: Entity<'m>,
        boundary: Vec<u8>,
        near: Vec<Range<usize>>,
        /// There are more of them.
        cut: bool,
    },
}
