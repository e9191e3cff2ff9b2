//! A finished body, and reading it.

use super::budget::{Chunks, Hold};
use super::error::BodyError;
use super::sealed::{PLAIN, SEALED, Sealed};
use std::ops::Deref;
use std::sync::Arc;

/// A whole message body, unchanging; holds its share of the budgets until it is dropped.
#[derive(Debug)]
pub struct Body {
    pub(super) content: Content,
    pub(super) octets: u64,
    pub(super) hold: Hold,
}

#[derive(Debug)]
pub(super) enum Content {
    Memory(Chunks),
    File(Arc<Sealed>),
}

impl Body {
    /// Octets.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.octets
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Whether it lies in memory, so that reading it never waits.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        matches!(self.content, Content::Memory(_))
    }

    /// All of it, where it lies in memory: none of the pieces is empty, and a small body is one piece.
    #[must_use]
    pub fn memory_chunks(&self) -> Option<&[Vec<u8>]> {
        match &self.content {
            Content::Memory(chunks) => Some(&chunks.list),
            Content::File(_) => None,
        }
    }

    /// Damages its file, for tests of what follows.
    #[cfg(test)]
    pub fn damage(&self) {
        match &self.content {
            Content::Memory(_) => panic!("in memory"),
            Content::File(file) => file.damage(0),
        }
    }

    /// A reader from the start. There may be several, also at the same time; each of a body on disk
    /// holds one block of 64 KiB.
    #[must_use]
    pub fn reader(&self) -> BodyReader<'_> {
        BodyReader { body: self, at: 0, block: Vec::new(), hold: None }
    }
}

/// Reads a body from its start to its end.
#[derive(Debug)]
pub struct BodyReader<'a> {
    body: &'a Body,
    /// Index of the next chunk or block.
    at: u64,
    block: Vec<u8>,
    /// Counts `block`.
    hold: Option<Hold>,
}

/// A piece of a body, at most 64 KiB and never empty; borrowed until the next is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a>(&'a [u8]);

impl AsRef<[u8]> for Chunk<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Deref for Chunk<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl BodyReader<'_> {
    /// The next piece; `None` at the end. Without copying where the body lies in memory. A call that is
    /// dropped before it is ready loses nothing: the next call reads the same piece.
    ///
    /// # Errors
    /// The file could not be read, or is not as it was written. Nothing of such a block is returned.
    pub async fn next(&mut self) -> Result<Option<Chunk<'_>>, BodyError> {
        match &self.body.content {
            Content::Memory(chunks) => {
                let chunk = usize::try_from(self.at).ok().and_then(|at| chunks.list.get(at));
                self.at += 1;
                Ok(chunk.map(|c| Chunk(c)))
            }
            Content::File(file) => {
                let left = self.body.octets.saturating_sub(self.at * PLAIN as u64);
                let octets = usize::try_from(left).map_or(PLAIN, |left| left.min(PLAIN));
                if octets == 0 {
                    self.give_back();
                    return Ok(None);
                }
                if self.hold.is_none() {
                    let budget = self.body.hold.budget();
                    let mut hold = Hold::new(Arc::clone(budget));
                    hold.count_memory(SEALED as u64);
                    self.hold = Some(hold);
                    self.block = budget.buffer();
                }
                let (file, at) = (Arc::clone(file), self.at);
                let mut block = std::mem::take(&mut self.block);
                let read = tokio::task::spawn_blocking(move || {
                    file.read(at, octets, &mut block)?;
                    Ok(block)
                });
                self.block = read.await.map_err(|e| BodyError::io("start reading", e.into()))??;
                self.at += 1;
                Ok(Some(Chunk(&self.block)))
            }
        }
    }
}

impl BodyReader<'_> {
    fn give_back(&mut self) {
        self.body.hold.budget().recycle(std::mem::take(&mut self.block));
        self.hold = None;
    }
}

impl Drop for BodyReader<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
