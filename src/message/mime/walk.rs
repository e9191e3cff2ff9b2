//! The walker: finds the parts of a message while it is read.
//!
//! Lines that begin with two dashes are compared with the boundaries of all open multiparts, the innermost first, for an
//! outer one ends what is inside (RFC 2046 section 5.1.2). A delimiter is the whole line but for blanks at its end. The
//! line end before it belongs to it. A message in a message is walked into; where it is encoded, by a walker of its own.

use super::decode::{Decoder, Encoding};
use super::fields::About;
use super::line::{Lines, Piece};
use super::part::{DEPTH_MAX, PARTS_MAX, Part, Structure, Wrong, is_message};
use super::place::{End, Header};

/// Encoded messages inside of each other that are looked into.
const ENCODED_MAX: u8 = 3;

/// Walks through one message.
#[derive(Debug)]
pub struct Walker {
    found: Structure,
    /// Open multiparts and messages, outermost first.
    levels: Vec<Level>,
    state: State,
    lines: Lines,
    /// Octets whose place is settled.
    at: u64,
    /// The last line end, which belongs to a delimiter if one follows.
    end: End,
    /// Where this walker's parts begin, for one inside of another.
    base: Base,
}

/// Where a walker stands among others.
#[derive(Debug, Clone, Copy, Default)]
struct Base {
    /// Parts before.
    parts: usize,
    depth: u32,
    /// The encoded message that is walked through, and how many that makes.
    within: Option<u32>,
    encoded: u8,
}

/// An open multipart or message.
#[derive(Debug)]
struct Level {
    part: usize,
    depth: u32,
    /// `None` is a message.
    boundary: Option<Vec<u8>>,
    closed: bool,
    digest: bool,
    has_parts: bool,
}

#[derive(Debug)]
enum State {
    /// In the header block of the newest part.
    Header(Header),
    /// In the octets of the newest part.
    Leaf(Box<Leaf>),
    /// Before the first and behind the last part of a multipart.
    Between,
    /// Beyond the last part that is looked at.
    Over,
}

#[derive(Debug)]
struct Leaf {
    decoder: Decoder,
    octets: u64,
    /// Walks through the decoded octets.
    inner: Option<Walker>,
    scratch: Vec<u8>,
}

impl Default for Walker {
    fn default() -> Self {
        Self::new()
    }
}

impl Walker {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::based(Base::default())
    }

    fn based(base: Base) -> Self {
        let mut walker = Self {
            found: Structure::default(),
            levels: Vec::new(),
            state: State::Between,
            lines: Lines::default(),
            at: 0,
            end: End::None,
            base,
        };
        walker.begin_part(None, base.depth);
        walker
    }

    /// The whole of a message that is in memory.
    #[must_use]
    pub fn walk(octets: &[u8]) -> Structure {
        let mut walker = Self::new();
        walker.push(octets);
        walker.finish()
    }

    /// The next octets of the message.
    pub fn push(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some((piece, after)) = self.lines.next(rest) {
            match piece {
                Piece::Octets(octets) => self.plain(octets),
                Piece::Dashes(line) if line.ends_with(b"\n") => self.dashes(&line),
                Piece::Dashes(line) => self.plain(&line),
            }
            rest = after;
        }
    }

    /// The end of the message.
    #[must_use]
    pub fn finish(mut self) -> Structure {
        if let Some(line) = self.lines.finish() {
            self.dashes(&line);
        }
        // The body of a message that is only a header begins at its end, and is perhaps a message again.
        while let State::Header(_) = self.state {
            self.end_header();
        }
        self.hand_on_end();
        self.end_leaf();
        let over = matches!(self.state, State::Over);
        while !self.levels.is_empty() {
            self.close_level(self.at, over);
        }
        self.found
    }

    fn plain(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let State::Header(header) = &mut self.state {
            let (taken, over) = header.take(rest);
            self.at += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
            if !over {
                return;
            }
            self.end_header();
            // Right behind the empty line there is no line end that a delimiter could have.
            self.end = End::None;
        }
        self.body(rest);
    }

    /// Octets that are of no header. Their last line end is kept back.
    fn body(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        if self.end == End::Cr && octets.first() == Some(&b'\n') {
            self.end = End::CrLf;
            self.body_behind_end(octets.get(1..).unwrap_or_default());
        } else {
            self.body_behind_end(octets);
        }
    }

    fn body_behind_end(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        self.hand_on_end();
        let end = match octets {
            [.., b'\r', b'\n'] => End::CrLf,
            [.., b'\n'] => End::Lf,
            [.., b'\r'] => End::Cr,
            _ => End::None,
        };
        let until = octets.len().saturating_sub(end.octets().len());
        self.hand_on(octets.get(..until).unwrap_or_default());
        self.end = end;
    }

    fn hand_on_end(&mut self) {
        let end = std::mem::replace(&mut self.end, End::None);
        self.hand_on(end.octets());
    }

    fn hand_on(&mut self, octets: &[u8]) {
        self.at += octets.len() as u64;
        if let State::Leaf(leaf) = &mut self.state {
            leaf.take(octets);
        }
    }

    /// A line that begins with two dashes.
    fn dashes(&mut self, line: &[u8]) {
        match self.delimiter(line) {
            Some((level, last)) => self.delimit(level, last, line.len() as u64),
            None => self.plain(line),
        }
    }

    /// Which level's delimiter that is, and whether it is its last one.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, bool)> {
        if matches!(self.state, State::Over) {
            return None;
        }
        let text = line.get(2..)?.trim_ascii_end();
        let mut near = None;
        for (at, level) in self.levels.iter().enumerate().rev() {
            let Some(boundary) = &level.boundary else { continue };
            match text.strip_prefix(boundary.as_slice()) {
                Some(b"") => return Some((at, false)),
                Some(b"--") => return Some((at, true)),
                Some(_) if !boundary.is_empty() => near = near.or(Some(level.part)),
                _ => {}
            }
        }
        // Another open multipart may have a boundary that begins so; then the line is none of this one.
        if let Some(part) = near {
            let number = self.number(part);
            self.found.wrong(number, Wrong::NearDelimiter);
        }
        None
    }

    fn delimit(&mut self, at: usize, last: bool, octets: u64) {
        // What was open inside ends before the line end in front.
        while let State::Header(_) = self.state {
            self.end_header();
        }
        let part_end = self.at;
        self.end_leaf();
        while self.levels.len() > at + 1 {
            self.close_level(part_end, false);
        }
        self.at += self.end.of_delimiter() + octets;
        if self.end == End::Cr {
            // Cannot be: a delimiter begins a line.
            self.at += 1;
        }
        self.end = End::None;
        self.state = State::Between;
        let Some(level) = self.levels.last_mut() else { return };
        let (part, depth) = (level.part, level.depth);
        if level.closed {
            let number = self.number(part);
            self.found.wrong(number, Wrong::AfterEnd);
        } else if last {
            level.closed = true;
        } else {
            level.has_parts = true;
            self.begin_part(Some(part), depth + 1);
        }
    }

    fn number(&self, part: usize) -> u32 {
        u32::try_from(self.base.parts + part + 1).unwrap_or(u32::MAX)
    }

    fn begin_part(&mut self, parent: Option<usize>, depth: u32) {
        if self.base.parts + self.found.parts.len() >= PARTS_MAX {
            let last = self.number(self.found.parts.len().saturating_sub(1));
            self.found.wrong(last, Wrong::TooManyParts);
            self.state = State::Over;
            return;
        }
        let part = Part {
            number: self.number(self.found.parts.len()),
            parent: parent.map(|p| self.number(p)).or(self.base.within),
            depth,
            kind: "text/plain".into(),
            charset: None,
            name: None,
            attachment: false,
            encoding: Encoding::SevenBit,
            octets: 0,
            header: self.at..self.at,
            body: self.at..self.at,
            within: self.base.within,
        };
        self.found.parts.push(part);
        self.state = State::Header(Header::default());
    }

    /// The header block of the newest part is over: what it is, and what its octets are.
    fn end_header(&mut self) {
        let State::Header(header) = std::mem::replace(&mut self.state, State::Between) else { return };
        let digest = self.levels.last().is_some_and(|level| level.digest);
        let about = About::parse(&header.block, digest);
        let index = self.found.parts.len().saturating_sub(1);
        let number = self.number(index);
        for wrong in about.wrong.iter().copied().chain(header.long.then_some(Wrong::LongHeader)) {
            self.found.wrong(number, wrong);
        }
        let at = self.at;
        let Some(part) = self.found.parts.get_mut(index) else { return };
        part.header.end = at;
        part.body = at..at;
        part.encoding = about.encoding;
        part.attachment = about.attachment;
        part.charset.clone_from(&about.charset);
        part.name.clone_from(&about.name);
        part.kind.clone_from(&about.kind);
        let depth = part.depth;
        self.begin_body(index, depth, about);
    }

    fn begin_body(&mut self, part: usize, depth: u32, about: About) {
        let number = self.number(part);
        let multipart = about.kind.starts_with("multipart/");
        let message = is_message(&about.kind);
        let encoded = !about.encoding.is_plain();
        let inside = (multipart || message) && depth < DEPTH_MAX;
        if (multipart || message) && !inside {
            self.found.wrong(number, Wrong::TooDeep);
        }
        if multipart && about.boundary.is_none() {
            self.found.wrong(number, Wrong::NoBoundary);
        } else if multipart && inside {
            if encoded {
                self.found.wrong(number, Wrong::EncodedMultipart);
                self.plain_encoding(part);
            }
            let digest = about.kind == "multipart/digest";
            self.levels.push(Level {
                part,
                depth,
                boundary: about.boundary,
                closed: false,
                digest,
                has_parts: false,
            });
            self.state = State::Between;
            return;
        } else if message && inside && !encoded {
            let level = Level { part, depth, boundary: None, closed: false, digest: false, has_parts: true };
            self.levels.push(level);
            self.begin_part(Some(part), depth + 1);
            return;
        }
        let inner = if message && inside { self.inner(part, depth) } else { None };
        let decoder = Decoder::new(about.encoding);
        self.state = State::Leaf(Box::new(Leaf { decoder, octets: 0, inner, scratch: Vec::new() }));
    }

    fn plain_encoding(&mut self, part: usize) {
        if let Some(part) = self.found.parts.get_mut(part) {
            part.encoding = Encoding::Binary;
        }
    }

    /// A walker for a message that is encoded.
    fn inner(&mut self, part: usize, depth: u32) -> Option<Walker> {
        let number = self.number(part);
        if self.base.encoded >= ENCODED_MAX {
            self.found.wrong(number, Wrong::TooOftenEncoded);
            return None;
        }
        let parts = self.base.parts + self.found.parts.len();
        if parts >= PARTS_MAX {
            self.found.wrong(number, Wrong::TooManyParts);
            return None;
        }
        let base = Base { parts, depth: depth + 1, within: Some(number), encoded: self.base.encoded + 1 };
        Some(Walker::based(base))
    }

    /// The newest part's octets are over.
    fn end_leaf(&mut self) {
        let State::Leaf(leaf) = &mut self.state else { return };
        leaf.finish();
        let (octets, bad, inner) = (leaf.octets, leaf.decoder.is_bad(), leaf.inner.take());
        self.state = State::Between;
        let index = self.found.parts.len().saturating_sub(1);
        let number = self.number(index);
        if bad {
            self.found.wrong(number, Wrong::BadEncoding);
        }
        let at = self.at;
        if let Some(part) = self.found.parts.get_mut(index) {
            part.octets = octets;
            part.body.end = at;
        }
        let Some(inner) = inner.map(Walker::finish) else { return };
        self.found.parts.extend(inner.parts);
        for problem in inner.problems {
            self.found.wrong(problem.part, problem.what);
        }
    }

    /// The innermost open level ends there.
    fn close_level(&mut self, at: u64, over: bool) {
        let Some(level) = self.levels.pop() else { return };
        let number = self.number(level.part);
        if level.boundary.is_some() && !over {
            let what = match (level.has_parts, level.closed) {
                (false, _) => Some(Wrong::NoParts),
                (true, false) => Some(Wrong::MissingEnd),
                (true, true) => None,
            };
            what.into_iter().for_each(|what| self.found.wrong(number, what));
        }
        if let Some(part) = self.found.parts.get_mut(level.part) {
            part.body.end = at;
            part.octets = at.saturating_sub(part.body.start);
        }
    }
}

impl Leaf {
    fn take(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        self.scratch.clear();
        self.decoder.push(octets, &mut self.scratch);
        self.decoded();
    }

    fn finish(&mut self) {
        self.scratch.clear();
        self.decoder.finish(&mut self.scratch);
        self.decoded();
    }

    fn decoded(&mut self) {
        self.octets += self.scratch.len() as u64;
        if let Some(inner) = &mut self.inner {
            inner.push(&self.scratch);
        }
    }
}
