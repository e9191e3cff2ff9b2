//! What is said of each part, and whoever listens.

use std::ops::Range;

/// A part, its header read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartInfo {
    /// Number in the order of the message, from 1; the message itself is 1.
    pub number: u32,
    /// Number of the part that it is in.
    pub parent: Option<u32>,
    /// Depth, from 0.
    pub depth: u32,
    /// Every media type that it can be read as, in lower case without parameters; the first is what most programs take.
    /// Never empty.
    pub kinds: Vec<Box<str>>,
    /// Every file name that it can be read as (RFC 2231, RFC 2047, raw; `filename` and `name`), decoded, not cleaned.
    pub names: Vec<Box<str>>,
    /// Character set as declared, lower case.
    pub charset: Option<Box<str>>,
    /// `Content-Disposition` says attachment.
    pub attachment: bool,
    /// Its place in the message, header and body, without the line end before a delimiter; `None` where it lies in a part
    /// that was decoded.
    pub range: Option<Range<usize>>,
    /// The place of its body.
    pub body: Option<Range<usize>>,
}

/// How the octets of a part were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reading {
    /// As most programs read it.
    Main,
    /// As some program reads it: how.
    Other(&'static str),
}

/// Whoever wants parts and octets.
pub trait Visitor {
    /// The header of a part was read. Called for each part, containers too, before anything in it.
    fn part(&mut self, part: &PartInfo);
    /// The decoded octets of a part that holds no parts, once for each reading, the main one first. Of a part that holds
    /// parts: text outside of them, as [`Reading::Other`] `preamble` and `epilogue`, and what it is where it is read as none.
    fn octets(&mut self, part: &PartInfo, reading: Reading, octets: &[u8]);
}
