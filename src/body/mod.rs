//! A message while its session lasts: in memory up to a threshold, beyond it in a sealed, unlinked
//! temporary file.
//!
//! Each body belongs to its transaction. One [`Budget`] bounds what all of them together hold in memory
//! and on disk; dropping a writer, a body or a reader gives back its share, however the session ends.
//! Running out of either is [`BodyError::NoSpace`] (452 4.3.1), a damaged file is an error and never
//! silently other octets. The disk is touched on the blocking pool only.

mod budget;
mod content;
mod error;
mod sealed;
mod writer;

pub use budget::{Budget, Used};
pub use content::{Body, BodyReader, Chunk};
pub use error::BodyError;
pub use writer::BodyWriter;
