//! The walk: takes parts from a stack, reads their headers, cuts them, hands out their octets.

use super::encoding::{Coding, decode};
use super::head::Head;
use super::kinds::{guess, is_message, is_notice};
use super::limits::{Limits, Overview};
use super::odd::Odd;
use super::part::{PartInfo, Reading, Visitor};
use super::split::{Split, split};
use super::state::{Part, Walk};
use super::task::{Entity, Place, Source, Task};
use crate::message::large::buffer;
use std::collections::HashSet;
use std::ops::Range;

/// Scanners follow nesting to about ten levels; what lies deeper they want by itself.
const AGAIN_DEPTH: u32 = 8;
/// Walks through a message once: every part and every reading of its octets goes to the visitor. Parts are numbered in
/// the order in which they are told; the same message gives the same numbers.
///
/// Memory: the decoded octets of one part, and of the encoded containers around it (at most `limits.encoded`). Time:
/// linear in the message, by the bounds of [`Limits`].
pub fn visit(message: &[u8], limits: &Limits, visitor: &mut dyn Visitor) -> Overview {
    let place = Place { source: Source::message(message), range: 0..message.len(), encoded: 0, again: false };
    let root = Entity { place, parent: None, depth: 0, in_digest: false, mended: false };
    let mut walk = Walk {
        limits,
        visitor,
        found: Overview::default(),
        stack: vec![Task::Part(root)],
        seen: HashSet::new(),
        boundaries: HashSet::new(),
        sources: 0,
        octets_max: limits.octets_of(message.len()),
        search_max: limits.search_of(message.len()),
    };
    while let Some(task) = walk.stack.pop() {
        match task {
            Task::Part(entity) => walk.part(entity),
            Task::Loose { like, boundary, near, cut } => walk.loose(&like, &boundary, &near, cut),
        }
    }
    walk.found
}

impl<'m> Walk<'m, '_> {
    fn part(&mut self, mut entity: Entity<'m>) {
        let (id, range) = (entity.place.source.id, entity.place.range.clone());
        if !self.seen.insert((id, range.start, range.end, entity.in_digest)) {
            return;
        }
        if !self.search(entity.parent.unwrap_or(1), 0) {
            return;
        }
        let Some(number) = self.number(entity.parent) else { return };
        let head = Head::read(entity.place.octets(), entity.in_digest, self.limits);
        self.read(number, head.searched);
        head.odd.iter().for_each(|odd| self.tell(number, *odd));
        entity.place.again |= !head.odd.is_empty() || entity.depth > AGAIN_DEPTH;
        let body = head.bodies.first().map_or(0, |(start, _)| *start);
        let body = range.start + body..range.end;
        let info = PartInfo {
            number,
            parent: entity.parent,
            depth: entity.depth,
            kinds: head.kinds.clone(),
            names: head.names.clone(),
            charset: head.charset.clone(),
            attachment: head.attachment,
            range: (id == 0).then_some(range),
            body: (id == 0).then_some(body),
        };
        self.visitor.part(&info);
        self.boundaries.extend(head.boundaries.iter().cloned());
        let mut part = Part { entity, info, head, inside: Vec::new(), readings: 0 };
        self.look_into(&mut part);
        if part.readings > 1 || (part.readings > 0 && part.entity.place.again) {
            self.found.again.insert(number);
        }
        self.stack.extend(part.inside.into_iter().rev());
    }

    fn look_into(&mut self, part: &mut Part<'m>) {
        let multipart = part.is(|kind| kind.starts_with("multipart/"));
        let message = part.is(is_message);
        let mut leaf =
            part.is(|kind| !kind.starts_with("multipart/") && !is_message(kind) || kind == "message/partial");
        if part.is(|kind| kind == "message/partial") {
            self.tell(part.info.number, Odd::Partial);
            part.entity.place.again = true;
        }
        if (multipart || message) && part.entity.depth >= self.limits.depth {
            self.tell(part.info.number, Odd::TooDeep);
            leaf = true;
        } else {
            leaf |= multipart && !self.multipart(part);
            if message {
                self.message(part);
            }
        }
        self.mend(part);
        self.late_header(part);
        if leaf {
            self.leaf(part);
        }
    }

    /// Some programs skip empty lines in front of a header.
    fn late_header(&mut self, part: &mut Part<'m>) {
        let octets = part.entity.place.octets();
        let blank = octets.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let rest = octets.get(blank..).unwrap_or_default();
        let field =
            |name: &[u8]| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if blank == 0
            || !(field(b"content-type")
                || field(b"content-transfer-encoding")
                || field(b"content-disposition"))
        {
            return;
        }
        self.tell(part.info.number, Odd::LateHeader);
        part.entity.place.again = true;
        let range = &part.entity.place.range;
        let place = part.entity.place.at(range.start + blank..range.end);
        if part.entity.depth < self.limits.depth {
            part.inside.push(Task::Part(part.child(place)));
        } else {
            self.tell(part.info.number, Odd::TooDeep);
        }
    }

    /// A part whose lines end with CR alone is read as some programs do.
    fn mend(&mut self, part: &mut Part<'m>) {
        if !part.head.odd.contains(&Odd::BareCr) || part.entity.mended {
            return;
        }
        if part.entity.depth >= self.limits.depth {
            return self.tell(part.info.number, Odd::TooDeep);
        }
        if !self.read(part.info.number, part.entity.place.range.len()) {
            return;
        }
        let octets = part.entity.place.octets();
        let mut mended = buffer(octets.len() + octets.len() / 16);
        for (at, &octet) in octets.iter().enumerate() {
            mended.push(octet);
            if octet == b'\r' && octets.get(at + 1) != Some(&b'\n') {
                mended.push(b'\n');
            }
        }
        if let Some(place) = self.decoded(part, mended) {
            part.inside.push(Task::Part(Entity { mended: true, ..part.child(place) }));
        }
    }

    /// Whether it could be cut into parts.
    fn multipart(&mut self, part: &mut Part<'m>) -> bool {
        let start = part.head.bodies.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let body = part.entity.place.at(part.body(start));
        let codings: Vec<Coding> =
            part.head.codings.iter().copied().filter(|c| *c != Coding::Plain).collect();
        if !codings.is_empty() {
            self.tell(part.info.number, Odd::EncodedMultipart);
            part.entity.place.again = true;
        }
        if part.head.boundaries.is_empty() {
            self.tell(part.info.number, Odd::NoBoundary);
            part.entity.place.again = true;
        }
        let mut cut = self.cut(part, &body);
        for coding in codings {
            if !self.read(part.info.number, body.range.len()) {
                break;
            }
            let octets = decode(coding, body.octets()).main.into_owned();
            if octets != body.octets()
                && let Some(place) = self.decoded(part, octets)
            {
                cut |= self.cut(part, &place);
            }
        }
        if !cut {
            self.tell(part.info.number, Odd::NoParts);
            part.entity.place.again = true;
            // As whoever reads the boundary in a way that nobody has thought of.
            if let Some(guessed) = guess(body.octets()).filter(|_| !part.head.boundaries.is_empty()) {
                self.cut_at(part, &body, &[guessed]);
            }
        }
        // Programs that guess no boundary show it as text.
        cut && !part.head.boundaries.is_empty()
    }

    /// Cuts a body at each boundary; whether it stands in there.
    fn cut(&mut self, part: &mut Part<'m>, body: &Place<'m>) -> bool {
        let guessed: Vec<Vec<u8>> = match part.head.boundaries.is_empty() {
            true => guess(body.octets()).into_iter().collect(),
            false => part.head.boundaries.clone(),
        };
        self.cut_at(part, body, &guessed)
    }

    fn cut_at(&mut self, part: &mut Part<'m>, body: &Place<'m>, boundaries: &[Vec<u8>]) -> bool {
        let mut found = false;
        for (at, boundary) in boundaries.iter().enumerate() {
            if !self.search(part.info.number, body.range.len()) {
                return found;
            }
            let most = usize::try_from(self.limits.parts - self.found.parts).unwrap_or(usize::MAX);
            let split = split(body.source.octets(), body.range.clone(), boundary, most, None);
            if split.is_none() && split.near.is_empty() {
                continue;
            }
            let again =
                self.odd_split(part.info.number, &split) || at > 0 || body.again || part.entity.place.again;
            let like = part.child(Place { again, ..body.clone() });
            let in_digest = part.is(|kind| kind == "multipart/digest");
            for range in &split.parts {
                let place = like.place.at(range.clone());
                part.inside.push(Task::Part(Entity { place, in_digest, ..like.clone() }));
            }
            if at == 0 {
                self.outside(part, &like.place.at(split.preamble.clone()), "preamble");
                self.outside(part, &like.place.at(split.epilogue.clone()), "epilogue");
            }
            found |= !split.is_none();
            if !split.near.is_empty() {
                part.inside.push(Task::Loose {
                    like,
                    boundary: boundary.clone(),
                    near: split.near,
                    cut: split.near_cut,
                });
            }
        }
        found
    }

    /// Tells what is odd about the delimiters; whether anything is.
    fn odd_split(&mut self, number: u32, split: &Split) -> bool {
        let odd = [
            (split.padded, Odd::PaddedDelimiter),
            (split.after_end, Odd::AfterEnd),
            (!split.closed && !split.is_none() && !split.cut, Odd::MissingEnd),
            (split.cut, Odd::TooManyParts),
        ];
        let odd: Vec<Odd> = odd.into_iter().filter(|(is, _)| *is).map(|(_, odd)| odd).collect();
        odd.iter().for_each(|odd| self.tell(number, *odd));
        !odd.is_empty()
    }

    /// Lines that nearly are delimiters, when the parts between are known.
    fn loose(&mut self, like: &Entity<'m>, boundary: &[u8], near: &[Range<usize>], cut: bool) {
        let number = like.parent.unwrap_or(1);
        let others = |name: &[u8]| {
            let last = name.strip_suffix(b"--").unwrap_or(name);
            self.boundaries.contains(name) || self.boundaries.contains(last)
        };
        let octets = like.place.source.octets();
        if !cut && near.iter().all(|name| octets.get(name.clone()).is_some_and(others)) {
            return;
        }
        if self.found.searched > self.search_max {
            return self.tell(number, Odd::TooMuch);
        }
        self.found.searched += like.place.range.len() as u64;
        let most = usize::try_from(self.limits.parts - self.found.parts).unwrap_or(usize::MAX);
        let split = split(octets, like.place.range.clone(), boundary, most, Some(&others));
        self.tell(number, Odd::NearDelimiter);
        for range in split.parts.iter().rev() {
            let place = Place { again: true, ..like.place.at(range.clone()) };
            self.stack.push(Task::Part(Entity { place, ..like.clone() }));
        }
    }

    /// Text outside of parts that is no notice to old programs.
    fn outside(&mut self, part: &mut Part<'m>, place: &Place<'m>, name: &'static str) {
        let octets = place.octets().trim_ascii();
        if octets.is_empty() || is_notice(octets) {
            return;
        }
        self.tell(part.info.number, Odd::OutsideText);
        part.entity.place.again = true;
        self.hand_out(part, Reading::Other(name), octets);
        self.files(part, octets);
    }

    /// A message inside.
    fn message(&mut self, part: &mut Part<'m>) {
        for start in part.head.bodies.iter().map(|(start, _)| *start).collect::<Vec<_>>() {
            let body = part.entity.place.at(part.body(start));
            for coding in part.head.codings.clone() {
                if coding == Coding::Plain {
                    part.inside.push(Task::Part(part.child(body.clone())));
                    continue;
                }
                self.tell(part.info.number, Odd::EncodedMessage);
                if !self.read(part.info.number, body.range.len()) {
                    return;
                }
                let decoded = decode(coding, body.octets());
                let also_plain = !decoded.odd.is_empty();
                let octets = decoded.main.into_owned();
                if octets != body.octets()
                    && let Some(place) = self.decoded(part, octets)
                {
                    part.inside.push(Task::Part(part.child(place)));
                }
                if also_plain || coding == Coding::Quoted {
                    let place = Place { again: true, ..body.clone() };
                    part.inside.push(Task::Part(part.child(place)));
                }
            }
        }
    }
}
