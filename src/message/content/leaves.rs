//! The octets of parts that hold no parts, and what is in them all the same: files in text, messages in files.

use super::encoding::{Coding, decode, decode_other};
use super::kinds::{is_binhex, is_message_file, is_signed_file, joined_octets, signed_content};
use super::odd::Odd;
use super::page::{embedded, is_page, is_page_file};
use super::part::{PartInfo, Reading};
use super::state::{Part, Walk};
use super::task::{Place, Task};
use super::text_files::{Files, files};
use std::borrow::Cow;

impl<'m> Walk<'m, '_> {
    /// The octets of a part that holds no parts.
    pub(super) fn leaf(&mut self, part: &mut Part<'m>) {
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
                if coding != Coding::Plain && !self.read(part.info.number, place.range.len()) {
                    return;
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
    pub(super) fn inside_leaf(
        &mut self,
        part: &mut Part<'m>,
        place: &Place<'m>,
        coding: Coding,
        decoded: Option<Vec<u8>>,
    ) {
        let octets = decoded.as_deref().unwrap_or(place.octets());
        if part.is(is_binhex) {
            self.tell(part.info.number, Odd::Binhex);
        }
        let text = coding != Coding::Base64 || part.is(|kind| kind.starts_with("text/"));
        if text || octets.starts_with(b"begin ") || octets.starts_with(b"=ybegin ") {
            self.files(part, octets);
        }
        if part.is(is_page) || part.head.names.iter().any(|name| is_page_file(name)) {
            self.page(part, octets);
        }
        let message = part.head.names.iter().any(|name| is_message_file(name));
        let signed = part.is(|kind| matches!(kind, "application/pkcs7-mime" | "application/x-pkcs7-mime"))
            || part.head.names.iter().any(|name| is_signed_file(name));
        if !message && !signed {
            return;
        }
        if part.entity.depth >= self.limits.depth {
            return self.tell(part.info.number, Odd::TooDeep);
        }
        let at = if message { Some(0) } else { signed_content(octets) };
        let Some(at) = at else { return };
        if let Some(joined) = (!message).then(|| joined_octets(octets)).flatten() {
            let at = signed_content(&joined).unwrap_or_default();
            if let Some(inner) = self.decoded(part, joined.get(at..).unwrap_or_default().to_vec()) {
                part.inside.push(Task::Part(part.child(inner)));
            }
        }
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
    pub(super) fn files(&mut self, part: &mut Part<'m>, text: &[u8]) {
        if !self.search(part.info.number, text.len()) {
            return;
        }
        let Files { files: found, cut, over, binhex } = files(text);
        if cut {
            self.tell(part.info.number, Odd::TooManyParts);
        }
        if over {
            self.tell(part.info.number, Odd::TooMuch);
        }
        if binhex {
            self.tell(part.info.number, Odd::Binhex);
            part.entity.place.again = true;
        }
        for file in found {
            self.tell(part.info.number, file.how);
            if !self.file(part, Some(file.name), &file.octets) {
                return;
            }
        }
    }

    /// Files that a browser would make of a page.
    fn page(&mut self, part: &mut Part<'m>, page: &[u8]) {
        if !self.read(part.info.number, page.len()) {
            return;
        }
        if let Some(odd) = embedded(page, &mut |octets| self.file(part, None, octets)) {
            self.tell(part.info.number, odd);
        }
    }

    /// A file in a text is a part; `false`: there are too many.
    fn file(&mut self, part: &Part<'m>, name: Option<String>, octets: &[u8]) -> bool {
        let Some(number) = self.number(Some(part.info.number)) else { return false };
        let info = PartInfo {
            number,
            parent: Some(part.info.number),
            depth: part.info.depth + 1,
            kinds: vec!["application/octet-stream".into()],
            attachment: name.is_some(),
            names: name.map(String::into_boxed_str).into_iter().collect(),
            ..PartInfo::default()
        };
        self.visitor.part(&info);
        self.found.again.insert(number);
        self.give(&info, Reading::Main, octets);
        true
    }
}

/// Octets that are no piece of the source.
fn owned(octets: Cow<'_, [u8]>) -> Option<Vec<u8>> {
    match octets {
        Cow::Borrowed(_) => None,
        Cow::Owned(octets) => Some(octets),
    }
}
