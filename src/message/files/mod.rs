//! Files: what they are by their content, and what is in those that hold others.
//!
//! Purpose: rules and signatures see every file that a person could take out of an attachment: members of archives, objects
//! in documents, attachments in messages of Outlook and in messages that are files. State: none beyond a [`Budget`] that the parts of one message share.
//! Nothing fails: what is encrypted, damaged, over a bound or packed in a way that we do not unpack is a [`Mark`], and
//! names are told as far as they can be read. Readers are our own (but for 7z), loose where programs are loose, linear in
//! their input, and unpacking ends at the bounds.

mod bytes;
mod compound;
mod disk;
mod entry;
mod expand;
mod file;
mod magic;
mod mail;
mod names;
mod office;
mod ooxml;
mod open;
mod pdf;
mod rar;
mod rtf;
mod seven;
mod tar;
mod tnef;
mod types;
mod zip;

#[cfg(test)]
mod tests;

pub use file::{Budget, File, Limits, Mark, Marks};
pub use magic::type_of;
pub use names::{extension, is_double, marks_of, readings, runs, turns};
pub use open::open;
pub use types::{Class, Type};
