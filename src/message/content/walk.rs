//! The walk: takes parts from a stack, reads their headers, cuts them, hands out their octets.

use super::encoding::{Coding, decode, decode_other};
use super::head::Head;
use super::leaf::files;
use super::limits::{Limits, Overview};
use super::odd::Odd;
use super::part::{PartInfo, Reading, Visitor};
use super::split::{Split, split};
use super::task::{Entity, Place, Source, Task};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// Scanners follow nesting to about ten levels; what lies deeper they want by itself.
const AGAIN_DEPTH: u32 = 8;
/// Longest text outside of parts that is taken for a notice to old programs.
const NOTICE_OCTETS_MAX: usize = 300;

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
            Task::Loose { like, boundary, near } => walk.loose(&like, &boundary, &near),
        }
    }
    walk.found
}

struct Walk<'m, 'v> {
    limits: &'v Limits,
    visitor: &'v mut dyn Visitor,
    found: Overview,
    stack: Vec<Task<'m>>,
    /// Places that were looked at: readings share most of their parts.
    seen: HashSet<(u32, usize, usize, bool)>,
    /// All boundaries that any part has named.
    boundaries: HashSet<Vec<u8>>,
    /// Decoded sources so far.
    sources: u32,
    octets_max: u64,
    search_max: u64,
}

/// A part whose header was read.
struct Part<'m> {
    entity: Entity<'m>,
    info: PartInfo,
    head: Head,
    /// What is in it, in order.
    inside: Vec<Task<'m>>,
    /// Readings of its octets that were handed out.
    readings: u32,
}

impl<'m> Part<'m> {
    /// A body of it by where it begins behind the header's beginning.
    fn body(&self, start: usize) -> Range<usize> {
        let range = &self.entity.place.range;
        range.start.saturating_add(start).min(range.end)..range.end
    }

    fn is(&self, test: impl Fn(&str) -> bool) -> bool {
        self.head.kinds.iter().any(|kind| test(kind))
    }

    /// A part inside of it.
    fn child(&self, place: Place<'m>) -> Entity<'m> {
        Entity {
            place,
            parent: Some(self.info.number),
            depth: self.entity.depth + 1,
            in_digest: false,
            mended: self.entity.mended,
        }
    }
}

impl<'m> Walk<'m, '_> {
    fn tell(&mut self, part: u32, odd: Odd) {
        self.found.tell(part, odd);
    }

    /// Counts octets that are searched; `false`: there were too many already.
    fn search(&mut self, part: u32, octets: usize) -> bool {
        if self.found.searched > self.search_max {
            self.tell(part, Odd::TooMuch);
            return false;
        }
        self.found.searched += octets as u64;
        true
    }

    /// A number for the next part; `None`: there are too many.
    fn number(&mut self, parent: Option<u32>) -> Option<u32> {
        if self.found.parts >= self.limits.parts {
            self.tell(parent.unwrap_or(1), Odd::TooManyParts);
            return None;
        }
        self.found.parts += 1;
        Some(self.found.parts)
    }

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
        self.found.searched += head.searched as u64;
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
        if leaf {
            self.leaf(part);
        }
    }

    /// A part whose lines end with CR alone is read as some programs do.
    fn mend(&mut self, part: &mut Part<'m>) {
        if !part.head.odd.contains(&Odd::BareCr) || part.entity.mended {
            return;
        }
        let octets = part.entity.place.octets();
        let mut mended = Vec::with_capacity(octets.len() + octets.len() / 16);
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

    /// Decoded octets in which parts lie; `None`: encoded too often.
    fn decoded(&mut self, part: &Part<'m>, octets: Vec<u8>) -> Option<Place<'m>> {
        let encoded = part.entity.place.encoded + 1;
        if encoded > self.limits.encoded {
            self.tell(part.info.number, Odd::TooOftenEncoded);
            return None;
        }
        if !self.search(part.info.number, octets.len()) {
            return None;
        }
        self.sources += 1;
        let range = 0..octets.len();
        Some(Place { source: Source::decoded(self.sources, octets), range, encoded, again: true })
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
        let mut found = false;
        for (at, boundary) in guessed.iter().enumerate() {
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
                part.inside.push(Task::Loose { like, boundary: boundary.clone(), near: split.near });
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
    fn loose(&mut self, like: &Entity<'m>, boundary: &[u8], near: &[Range<usize>]) {
        let number = like.parent.unwrap_or(1);
        let others = |name: &[u8]| {
            let last = name.strip_suffix(b"--").unwrap_or(name);
            self.boundaries.contains(name) || self.boundaries.contains(last)
        };
        let octets = like.place.source.octets();
        if near.iter().all(|name| octets.get(name.clone()).is_some_and(others)) {
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

    /// The octets of a part that holds no parts.
    fn leaf(&mut self, part: &mut Part<'m>) {
        let plain = part.head.codings.contains(&Coding::Plain);
        for (nth, (start, at)) in part.head.bodies.clone().into_iter().enumerate() {
            let place = part.entity.place.at(part.body(start));
            for (coding_nth, coding) in part.head.codings.clone().into_iter().enumerate() {
                let reading = match (nth, coding_nth) {
                    (0, 0) => Reading::Main,
                    (_, 0) => Reading::Other(at),
                    (_, _) => Reading::Other(coding.reading()),
                };
                if nth > 0 && place.octets().is_empty() {
                    continue;
                }
                let decoded = decode(coding, place.octets());
                for odd in &decoded.odd {
                    self.tell(part.info.number, *odd);
                }
                part.entity.place.again |= !decoded.odd.is_empty();
                self.hand_out(part, reading, &decoded.main);
                for (name, other) in decoded.others {
                    if !(plain && name == Coding::Plain.reading()) {
                        self.hand_out(part, Reading::Other(name), &decode_other(other, place.octets()));
                    }
                }
                self.inside_leaf(part, &place, coding, owned(decoded.main));
            }
        }
    }

    /// Files in the text of a leaf, and messages that it is the file of.
    fn inside_leaf(
        &mut self,
        part: &mut Part<'m>,
        place: &Place<'m>,
        coding: Coding,
        decoded: Option<Vec<u8>>,
    ) {
        let octets = decoded.as_deref().unwrap_or(place.octets());
        if coding != Coding::Base64 || part.is(|kind| kind.starts_with("text/")) {
            self.files(part, octets);
        }
        let message = part.head.names.iter().any(|name| is_message_file(name));
        let signed = part.is(|kind| matches!(kind, "application/pkcs7-mime" | "application/x-pkcs7-mime"));
        if !message && !signed {
            return;
        }
        if part.entity.depth >= self.limits.depth {
            return self.tell(part.info.number, Odd::TooDeep);
        }
        let at = if message { Some(0) } else { signed_content(octets) };
        let Some(at) = at else { return };
        match decoded {
            None => {
                let inner = place.at(place.range.start + at..place.range.end);
                part.inside.push(Task::Part(part.child(inner)));
            }
            Some(mut octets) => {
                octets.drain(..at);
                if let Some(inner) = self.decoded(part, octets) {
                    part.inside.push(Task::Part(part.child(inner)));
                }
            }
        }
    }

    /// Files in text: each is a part.
    fn files(&mut self, part: &mut Part<'m>, text: &[u8]) {
        if !self.search(part.info.number, text.len()) {
            return;
        }
        let (found, binhex) = files(text);
        if binhex {
            self.tell(part.info.number, Odd::Binhex);
            part.entity.place.again = true;
        }
        for file in found {
            self.tell(part.info.number, file.how);
            let Some(number) = self.number(Some(part.info.number)) else { return };
            let info = PartInfo {
                number,
                parent: Some(part.info.number),
                depth: part.info.depth + 1,
                kinds: vec!["application/octet-stream".into()],
                names: vec![file.name.into()],
                attachment: true,
                ..PartInfo::default()
            };
            self.visitor.part(&info);
            self.found.again.insert(number);
            self.give(&info, Reading::Main, &file.octets);
        }
    }

    fn hand_out(&mut self, part: &mut Part<'m>, reading: Reading, octets: &[u8]) {
        part.readings += 1;
        self.give(&part.info, reading, octets);
    }

    /// Hands octets to the visitor, unless there were too many.
    fn give(&mut self, info: &PartInfo, reading: Reading, octets: &[u8]) {
        let all = self.found.octets.saturating_add(octets.len() as u64);
        if all > self.octets_max {
            return self.tell(info.number, Odd::TooMuch);
        }
        self.found.octets = all;
        self.visitor.octets(info, reading, octets);
    }
}

/// Octets that are no piece of the source.
fn owned(octets: Cow<'_, [u8]>) -> Option<Vec<u8>> {
    match octets {
        Cow::Borrowed(_) => None,
        Cow::Owned(octets) => Some(octets),
    }
}

/// Kinds that are a message. Others of `message/*` are, but for those that are known to be none.
fn is_message(kind: &str) -> bool {
    let Some(minor) = kind.strip_prefix("message/") else { return false };
    !matches!(
        minor,
        "delivery-status"
            | "disposition-notification"
            | "feedback-report"
            | "tracking-status"
            | "external-body"
            | "global-delivery-status"
            | "global-disposition-notification"
            | "global-headers"
            | "http"
            | "s-http"
            | "sip"
            | "sipfrag"
            | "cpim"
            | "imdn+xml"
    )
}

/// Files that mail programs open as a message.
fn is_message_file(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    [".eml", ".mht", ".mhtml", ".nws", ".mim", ".mime"].iter().any(|end| name.ends_with(end))
}

/// Where the part in a signed part (S/MIME) begins.
fn signed_content(octets: &[u8]) -> Option<usize> {
    let rest = [&b"Content-Type:"[..], b"content-type:", b"MIME-Version:"];
    rest.iter().filter_map(|name| memchr::memmem::find(octets, name)).min()
}

/// A boundary that nobody named: the first line that looks like a delimiter.
fn guess(octets: &[u8]) -> Option<Vec<u8>> {
    let lines = octets.split(|&b| b == b'\n').take(1000);
    let mut names = lines.filter_map(|line| line.strip_prefix(b"--")).map(<[u8]>::trim_ascii_end);
    names.find(|name| (1..=200).contains(&name.len()) && name.iter().any(|b| *b != b'-')).map(<[u8]>::to_vec)
}

/// A notice to programs without MIME: a few words, in which nothing but words can be.
fn is_notice(text: &[u8]) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || b" \t\r\n.,;:!?'\"()/-".contains(b);
    text.len() <= NOTICE_OCTETS_MAX
        && text.iter().all(word)
        && text.split(|b| b.is_ascii_whitespace()).all(|word| word.len() <= 25)
        && memchr::memmem::find(text, b"begin ").is_none()
}
