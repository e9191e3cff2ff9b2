//! The structure of a message: which parts it has, where they begin and end, what they say of themselves, and what a
//! person can read in it.
//!
//! Purpose: previews and single parts for people, and the base of rules about attachments. State: a [`Walker`] keeps the
//! open parts (at most [`DEPTH_MAX`]), one header block and one line; an [`Extract`] keeps a few octets; neither keeps
//! bodies, so that a message of any size is read in pieces, and where it is cut does not matter. Everything is linear in
//! the octets. Nothing fails: whatever is wrong with a message is a [`Problem`] beside what could be read all the same.
//!
//! A message is read twice at most: [`Walker`] finds the parts, [`Extract`] or [`Reader`] takes octets out of them.

mod clean;
mod decode;
mod extract;
mod fields;
pub mod html;
mod line;
pub(in crate::message) mod params;
mod part;
mod place;
mod readable;
mod walk;
pub(in crate::message) mod words;

pub use clean::{file_name, neutral};
pub use decode::{Decoder, Encoding};
pub use extract::{Extract, Take};
pub use part::{DEPTH_MAX, HEADER_OCTETS_MAX, PARTS_MAX, Part, Problem, Structure, Wrong};
pub use readable::{READABLE_OCTETS_MAX, Readable, Reader};
pub use walk::Walker;
pub use words::{decode as decode_words, text as charset_text};

#[cfg(test)]
mod tests;
