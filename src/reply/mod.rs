//! Replies: what we say to a client, and what a downstream said to us (RFC 5321 section 4.2).
//!
//! Every text of ours stands in the catalogue, with its code and enhanced code checked against each
//! other at compile time. A relayed reply is the downstream's octets as they came.

pub mod catalogue;
mod class;
mod entry;
mod value;

pub use class::Class;
pub use entry::{Enhanced, Entry};
pub use value::Reply;
