//! What we read from a message and what we write on top of it.

pub mod from;
pub mod header;
pub mod mime;
pub mod trace;
