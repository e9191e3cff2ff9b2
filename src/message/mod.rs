//! What we read from a message, what we write on top of it, and the messages that we write ourselves.

pub mod content;
pub mod edit;
pub mod files;
pub mod from;
pub mod header;
pub mod large;
pub mod likeness;
pub mod mime;
mod quoted;
pub mod report;
pub mod results;
pub mod trace;
