//! What the machine tells its driver.

use crate::reply::Entry;
use crate::smtp::command::Command;
use crate::smtp::data::Violation;

/// Something the client did. Each is answered once, in order, by [`super::Server::answer`]; only `Chunk` is
/// answered by `accept_chunk` or `refuse_chunk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command that is in order.
    Command(Command),
    /// A line of the AUTH dialogue, with CRLF.
    AuthLine(Box<[u8]>),
    /// BDAT: its octets follow now.
    Chunk {
        /// How many.
        octets: u64,
        /// LAST.
        last: bool,
        /// Why it is out of order, if it is. Its octets are consumed all the same.
        refuse: Option<Entry>,
    },
    /// Wrong in syntax or order; the session goes on.
    Refuse(Entry),
    /// Wrong in a way after which the stream cannot be trusted; the session ends with the answer.
    Drop(Entry),
}

/// What is known of a message when its last octet is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyFacts {
    /// Octets, dots unstuffed.
    pub octets: u64,
    /// The first bare CR, bare LF or NUL, if any.
    pub violation: Option<Violation>,
    /// Octets above 127 occur.
    pub has_8bit: bool,
}
