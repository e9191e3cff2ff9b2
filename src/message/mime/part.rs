//! What is known of a message's parts.

use super::decode::Encoding;
use std::fmt;
use std::ops::Range;

/// Deepest part that is looked into; the message itself is at depth 0.
pub const DEPTH_MAX: u32 = 20;
/// Most parts.
pub const PARTS_MAX: usize = 500;
/// Longest header block of a part, in octets; what is longer is not looked at.
pub const HEADER_OCTETS_MAX: usize = 64 * 1024;
/// Most problems that are remembered.
const PROBLEMS_MAX: usize = 100;

/// One part. The first one is the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1, in the order of their beginnings.
    pub number: u32,
    /// The part that it is directly in.
    pub parent: Option<u32>,
    /// How deep.
    pub depth: u32,
    /// Type that it claims, lower case: `text/plain`.
    pub kind: String,
    /// Charset that it claims.
    pub charset: Option<String>,
    /// File name that it claims, decoded (RFC 2231, RFC 2047) and otherwise as it came: see [`super::file_name`].
    pub name: Option<String>,
    /// An attachment by its own word, or because it is no text.
    pub attachment: bool,
    /// How its octets are encoded.
    pub encoding: Encoding,
    /// Octets after decoding; for a part that has parts, the octets of these as they came.
    pub octets: u64,
    /// Where its header block is, with the empty line.
    pub header: Range<u64>,
    /// Where its octets are, encoded.
    pub body: Range<u64>,
    /// In whose decoded octets `header` and `body` count, where it is not the message: a message that was encoded.
    pub within: Option<u32>,
}

impl Part {
    /// Text of some kind.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
    }

    /// Has parts of its own, by what it claims.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.kind.starts_with("multipart/") || is_message(&self.kind)
    }
}

/// A message inside a message.
pub(in crate::message) fn is_message(kind: &str) -> bool {
    matches!(kind, "message/rfc822" | "message/global" | "message/news")
}

/// Something wrong with the structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In which part.
    pub part: u32,
    /// What.
    pub what: Wrong,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// A multipart that ends without its last delimiter.
    MissingEnd,
    /// A multipart that names no boundary, or one longer than 200 octets.
    NoBoundary,
    /// A multipart without parts.
    NoParts,
    /// A delimiter after the last one: some programs read on there.
    AfterEnd,
    /// A line that begins as a delimiter does, and goes on.
    NearDelimiter,
    /// Not looked into, too deep.
    TooDeep,
    /// Not looked into: a message that is encoded inside encoded messages.
    TooOftenEncoded,
    /// Parts from here on are not looked at.
    TooManyParts,
    /// A header block that is too long.
    LongHeader,
    /// A line in the header block that is no field.
    NoField,
    /// A field, or a parameter of it, that is there twice and may be read in two ways.
    Twice,
    /// A type that is none.
    BadType,
    /// An encoding that nobody knows.
    UnknownEncoding,
    /// A multipart that claims to be encoded.
    EncodedMultipart,
    /// Characters that are not of the encoding; decoded without them.
    BadEncoding,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.what {
            Wrong::MissingEnd => "its end boundary is missing",
            Wrong::NoBoundary => "it is a multipart without a boundary: not looked into",
            Wrong::NoParts => "it is a multipart without parts",
            Wrong::AfterEnd => "a boundary comes again after its end: what follows is not looked at",
            Wrong::NearDelimiter => {
                "a line begins as its boundary does and goes on: programs differ on whether it counts"
            }
            Wrong::TooDeep => "nested too deep: not looked into",
            Wrong::TooOftenEncoded => "an encoded message in encoded messages: not looked into",
            Wrong::TooManyParts => "too many parts: those that follow are not looked at",
            Wrong::LongHeader => "its header is too long: what is over 64 KiB is not looked at",
            Wrong::NoField => "a line of its header is no field",
            Wrong::Twice => {
                "a field or parameter of its type, encoding or name is there twice: the first one counts here"
            }
            Wrong::BadType => "its type cannot be read: taken as text",
            Wrong::UnknownEncoding => "its encoding is unknown: shown as it is",
            Wrong::EncodedMultipart => "it has parts and claims to be encoded: that is ignored",
            Wrong::BadEncoding => "it has octets that are not of its encoding: decoded without them",
        };
        write!(f, "part {}: {words}", self.part)
    }
}

/// What a message consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    /// Its parts, [`PARTS_MAX`] at most; the first is the message itself.
    pub parts: Vec<Part>,
    /// What is wrong, each once a part, 100 at most.
    pub problems: Vec<Problem>,
}

impl Structure {
    /// A part by its number.
    #[must_use]
    pub fn part(&self, number: u32) -> Option<&Part> {
        self.parts.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Remembers a problem, once.
    pub(super) fn wrong(&mut self, part: u32, what: Wrong) {
        let problem = Problem { part, what };
        if self.problems.len() < PROBLEMS_MAX && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
