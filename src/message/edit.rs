//! Edits of a message, as rules ask for them: parts replaced by a note, fields taken out of the header, a word in the subject.
//!
//! Purpose: what goes down differs from what came by these edits and by nothing else (promise P2). State: none. Nothing
//! fails: an edit that finds nothing changes nothing, and [`Edited`] says what was done. Whoever strips a part looks at
//! the message again as it will go out; signatures over what is edited do not hold any more, which is why
//! `Authentication-Results` are written of the message as it came.

use super::large;
use super::results::is_in_our_name;
use memchr::memchr;
use std::ops::Range;

/// Characters in a line of a note.
const LINE_CHARS: usize = 76;
/// Longest word in the subject, in characters.
const TAG_CHARS_MAX: usize = 60;
/// Longest first line of a subject behind the word, in octets.
const FIRST_LINE_MAX: usize = 900;

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct Edits<'e> {
    /// Fields to be taken out, by name in any case; `X-Ours-*` is every name that begins so.
    pub remove: Vec<&'e str>,
    /// `Authentication-Results` fields of this authserv-id are taken out (RFC 8601 section 5).
    pub authserv_id: Option<&'e str>,
    /// Put in front of the subject, once.
    pub subject_tag: Option<&'e str>,
    /// Parts to be replaced. Those that lie in another one, or reach out of the message, are left out.
    pub replace: Vec<Replace>,
}

/// A part to be replaced by a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The part, header and body, without the line end before the delimiter behind it.
    pub range: Range<usize>,
    /// Its body.
    pub body: Range<usize>,
    /// What stands in its place: text for people.
    pub note: String,
}

/// A message that was edited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// All of it.
    pub message: Vec<u8>,
    /// Names of fields that were taken out, in order, with repetitions.
    pub removed: Vec<Box<str>>,
    /// Parts that were replaced.
    pub replaced: usize,
    /// Parts that were to be replaced and are still there: they begin in the header, or overlap others.
    pub left: usize,
    /// The subject has the word now, and had not before.
    pub tagged: bool,
}

/// Applies the edits. `None` where nothing is different.
#[must_use]
pub fn apply(message: &[u8], edits: &Edits<'_>) -> Option<Edited> {
    let mut edited = Edited::default();
    let mut out = large::buffer(message.len().saturating_add(1024));
    let header = header_end(message);
    let whole =
        edits.replace.iter().find(|replace| replace.range.start == 0 && replace.body.start <= message.len());
    header_of(message.get(..header).unwrap_or_default(), edits, whole.is_some(), &mut out, &mut edited);
    if let Some(replace) = whole {
        write_note_fields(&mut out);
        out.extend_from_slice(b"\r\n");
        write_note(&replace.note, &mut out);
        edited.replaced = 1;
    } else {
        out.extend_from_slice(message.get(header..header + blank_line(message, header)).unwrap_or_default());
        body(message, header + blank_line(message, header), &edits.replace, &mut out, &mut edited);
    }
    let same = edited.removed.is_empty() && edited.replaced == 0 && edited.left == 0 && !edited.tagged;
    edited.message = out;
    (!same).then_some(edited)
}

/// Where the header block ends: at its empty line, which is not part of it.
fn header_end(message: &[u8]) -> usize {
    if blank_line(message, 0) > 0 {
        return 0;
    }
    let mut from = 0;
    while let Some(end) = message.get(from..).and_then(|rest| memchr(b'\n', rest)) {
        from += end + 1;
        if blank_line(message, from) > 0 {
            return from;
        }
    }
    message.len()
}

/// Octets of the empty line that stands there; 0 where none does.
fn blank_line(message: &[u8], at: usize) -> usize {
    match message.get(at..) {
        Some([b'\n', ..]) => 1,
        Some([b'\r', b'\n', ..]) => 2,
        _ => 0,
    }
}

/// Name and value of each field of the header, with its continuation lines; what is no field is left out.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let header = message.get(..header_end(message)).unwrap_or(message);
    Fields { rest: header }.filter_map(split)
}

/// A field with its continuation lines; a line that is no field stands alone.
struct Fields<'h> {
    rest: &'h [u8],
}

impl<'h> Iterator for Fields<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let rest = self.rest.get(end..).unwrap_or_default();
            end += memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(field)
    }
}

/// Name and value of a field. Blanks before the colon are taken (RFC 5322 section 4.5).
fn split(field: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr(b':', field)?;
    let name = std::str::from_utf8(field.get(..colon)?.trim_ascii_end()).ok()?;
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    good.then_some((name, field.get(colon + 1..)?))
}

fn header_of(header: &[u8], edits: &Edits<'_>, note: bool, out: &mut Vec<u8>, edited: &mut Edited) {
    let mut subject = false;
    for field in (Fields { rest: header }) {
        let Some((name, value)) = split(field) else {
            out.extend_from_slice(field);
            continue;
        };
        // The note has a type of its own.
        if note && name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-")) {
            continue;
        }
        if is_removed(name, value, edits) {
            edited.removed.push(name.into());
            continue;
        }
        match edits.subject_tag {
            Some(tag) if name.eq_ignore_ascii_case("subject") => {
                subject = true;
                edited.tagged |= tag_subject(field, value, tag, out);
            }
            _ => out.extend_from_slice(field),
        }
    }
    if let Some(tag) = edits.subject_tag.filter(|_| !subject) {
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Subject: ");
        out.extend_from_slice(encoded_word(tag).as_bytes());
        out.extend_from_slice(b"\r\n");
        edited.tagged = true;
    }
}

fn is_removed(name: &str, value: &[u8], edits: &Edits<'_>) -> bool {
    let named = |wanted: &&str| match wanted.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start)),
        None => name.eq_ignore_ascii_case(wanted),
    };
    let results = name.eq_ignore_ascii_case("authentication-results");
    edits.remove.iter().any(named) || results && edits.authserv_id.is_some_and(|id| is_in_our_name(value, id))
}

/// Writes a `Subject:` field with the word in front; false where it was there.
fn tag_subject(field: &[u8], value: &[u8], tag: &str, out: &mut Vec<u8>) -> bool {
    let word = encoded_word(tag);
    let text = value.trim_ascii_start();
    if text.starts_with(word.as_bytes()) {
        out.extend_from_slice(field);
        return false;
    }
    let name = field.get(..field.len() - value.len()).unwrap_or_default();
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
    if text.is_empty() {
        out.extend_from_slice(b"\r\n");
    } else {
        // The first line would be longer than lines may be (RFC 5322 section 2.1.1): it goes on in the next one.
        let first = memchr(b'\n', text).unwrap_or(text.len());
        out.extend_from_slice(if first + word.len() > FIRST_LINE_MAX { b"\r\n " } else { b" " });
        out.extend_from_slice(text);
    }
    true
}

/// ASCII as it is, everything else as an encoded word (RFC 2047).
fn encoded_word(tag: &str) -> String {
    let tag: String = tag.chars().filter(|c| !c.is_control()).take(TAG_CHARS_MAX).collect();
    if tag.is_ascii() {
        return tag;
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in tag.chars() {
        // 75 characters at most, with what stands around them.
        if piece.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    let encode = |piece: &String| format!("=?utf-8?B?{}?=", base64(piece.as_bytes()));
    words.iter().map(encode).collect::<Vec<_>>().join(" ")
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// The body, with notes in place of parts.
fn body(message: &[u8], from: usize, replace: &[Replace], out: &mut Vec<u8>, edited: &mut Edited) {
    let mut parts: Vec<&Replace> = replace.iter().collect();
    // Of two that begin together the longer one.
    parts.sort_by_key(|part| (part.range.start, std::cmp::Reverse(part.range.end)));
    let (mut at, mut gone) = (from, from..from);
    for part in parts {
        let inside = gone.start <= part.range.start && part.range.end <= gone.end;
        if part.range.start < at && inside && !gone.is_empty() {
            continue;
        }
        if part.range.start < at || part.range.end > message.len() || part.range.start > part.range.end {
            edited.left += 1;
            continue;
        }
        out.extend_from_slice(message.get(at..part.range.start).unwrap_or_default());
        write_note_fields(out);
        out.extend_from_slice(b"\r\n");
        write_note(&part.note, out);
        // The line end before the delimiter stands behind the range.
        if out.ends_with(b"\r\n") && blank_line(message, part.range.end) > 0 {
            out.truncate(out.len() - 2);
        }
        (at, gone) = (part.range.end, part.range.clone());
        edited.replaced += 1;
    }
    out.extend_from_slice(message.get(at..).unwrap_or_default());
}

fn write_note_fields(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n");
    out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n");
    out.extend_from_slice(b"Content-Disposition: inline\r\n");
}

/// The note as quoted-printable (RFC 2045 section 6.7), so that whatever name stands in it, it is lines of ASCII and ends
/// no part.
fn write_note(note: &str, out: &mut Vec<u8>) {
    for line in note.lines() {
        let mut column = 0;
        let mut octets = line.trim_end().bytes().peekable();
        while let Some(octet) = octets.next() {
            // A dash or dot in front would be looked at twice; a blank at the end would be lost.
            let first = column == 0 && matches!(octet, b'-' | b'.' | b'F');
            let plain = matches!(octet, b' '..=b'~')
                && octet != b'='
                && !first
                && !(octet == b' ' && octets.peek().is_none());
            let width = if plain { 1 } else { 3 };
            if column + width >= LINE_CHARS {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if plain {
                out.push(octet);
            } else {
                out.extend_from_slice(format!("={octet:02X}").as_bytes());
            }
            column += width;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The note in place of a part: what it was, why it is gone, what to ask for. `words`: the admin's own, in place of ours.
#[must_use]
pub fn note(name: Option<&str>, rule: &str, reference: &str, words: Option<&str>) -> String {
    let shown = name
        .map(|name| super::mime::neutral(name).chars().filter(|c| *c != '\n').take(200).collect::<String>());
    let what = shown.map_or_else(|| "An attachment".to_owned(), |name| format!("The attachment \"{name}\""));
    let why = words
        .unwrap_or("Attachments of this kind are not delivered. Your mail administrator can release it.");
    format!("{what} was removed from this message.\n\n{why}\n\nReference: {reference}\nRule: {rule}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(message: &str, edits: &Edits<'_>) -> String {
        apply(message.as_bytes(), edits).map_or("=".to_owned(), |e| String::from_utf8(e.message).unwrap())
    }

    #[test]
    fn fields_that_claim_to_be_ours_go() {
        let edits = Edits {
            remove: vec!["X-Portcullis-*", "X-Spam-Status"],
            authserv_id: Some("mx.example.net"),
            ..Edits::default()
        };
        let gone = "X-Portcullis-Verdict: clean\r\nx-spam-status : No\r\n\tscore=1\r\nAuthentication-Results: MX.example.net; spf=pass\r\nAuthentication-Results: (a (b) mx) \"mx.example.net\" 1;\r\n dkim=pass\r\nAuthentication-Results:\r\n mx.example.net;none\r\n";
        let stays = "From: a@x.example\r\nX-Portcullisx: 1\r\nX-Spam-Status-2: x\r\nAuthentication-Results: other.example; spf=pass\r\nno field\r\n folded\r\nAuthentication-Results: mx.example.net.evil.example; spf=pass\r\n";
        let body = "\r\nX-Portcullis-Verdict: body\r\n";
        let out = apply(format!("{gone}{stays}{body}").as_bytes(), &edits).unwrap();
        assert_eq!(String::from_utf8(out.message).unwrap(), format!("{stays}{body}"));
        assert_eq!(out.removed.len(), 5);
        assert_eq!(edited(&format!("{stays}{body}"), &edits), "=");
        assert_eq!(edited("", &edits), "=");
        assert_eq!(edited("\r\nX-Spam-Status: body", &edits), "=");
    }

    #[test]
    fn the_subject_gets_its_word_once() {
        let edits = Edits { subject_tag: Some("[SPAM]"), ..Edits::default() };
        for (message, want) in [
            ("From: a\r\nSubject: hi\r\n\r\nx", "From: a\r\nSubject: [SPAM] hi\r\n\r\nx"),
            ("SUBJECT :\r\n hi\r\n there\r\n\r\n", "SUBJECT : [SPAM] hi\r\n there\r\n\r\n"),
            ("Subject: [SPAM] hi\r\n\r\n", "="),
            ("Subject:\r\n\r\n", "Subject: [SPAM]\r\n\r\n"),
            ("From: a\r\n\r\nx", "From: a\r\nSubject: [SPAM]\r\n\r\nx"),
            ("From: a", "From: a\r\nSubject: [SPAM]\r\n"),
            ("\r\nbody", "Subject: [SPAM]\r\n\r\nbody"),
            ("Subject: a\r\nSubject: b\r\n\r\n", "Subject: [SPAM] a\r\nSubject: [SPAM] b\r\n\r\n"),
        ] {
            assert_eq!(edited(message, &edits), want, "{message}");
        }
        let edits = Edits { subject_tag: Some("Wärnung"), ..Edits::default() };
        assert_eq!(edited("Subject: x\r\n\r\n", &edits), "Subject: =?utf-8?B?V8Okcm51bmc=?= x\r\n\r\n");
    }

    const MIXED: &str = "From: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: application/pdf\r\n\r\nJVBERi0=\r\n--b--\r\n";

    fn part(message: &str) -> Replace {
        let start = message.find("Content-Type: application").unwrap();
        let body = message.find("JVBE").unwrap();
        Replace {
            range: start..body + 8,
            body: body..body + 8,
            note: note(Some("bill\u{202e}.pdf"), "macro", "7F3K2M9Q", None),
        }
    }

    #[test]
    fn a_part_gives_way_to_a_note() {
        let edits = Edits { replace: vec![part(MIXED)], ..Edits::default() };
        let out = edited(MIXED, &edits);
        let (before, rest) = out.split_once("Content-Type: text/plain; charset=utf-8\r\n").unwrap();
        assert_eq!(Some(before), MIXED.split("Content-Type: application").next());
        assert!(
            rest.contains("\r\n\r\nThe attachment \"bill\\u{202e}.pdf\" was removed from this message.\r\n"),
            "{rest}"
        );
        assert!(rest.ends_with("\r\nReference: 7F3K2M9Q\r\nRule: macro\r\n--b--\r\n"), "{rest}");
        // The mail program finds two parts, the second one the note.
        let structure = crate::message::mime::Walker::walk(out.as_bytes());
        assert_eq!(
            structure.parts.iter().map(|part| &*part.kind).collect::<Vec<_>>(),
            ["multipart/mixed", "text/plain", "text/plain"]
        );
    }

    #[test]
    fn a_message_that_is_the_part_keeps_its_header() {
        let message = "From: a\r\nContent-Type: application/pdf;\r\n name=x\r\nSubject: s\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n";
        let body = message.find("JVBE").unwrap();
        let replace = Replace { range: 0..message.len(), body: body..message.len(), note: "gone\n".into() };
        let out = edited(message, &Edits { replace: vec![replace], ..Edits::default() });
        assert_eq!(
            out,
            "From: a\r\nSubject: s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: inline\r\n\r\ngone\r\n"
        );
    }

    #[test]
    fn parts_in_parts_and_beyond_are_left() {
        let inner = part(MIXED);
        let outer = Replace { range: inner.range.start - 10..inner.range.end + 2, ..inner.clone() };
        let beyond = Replace { range: 90..9000, ..inner.clone() };
        let out = apply(MIXED.as_bytes(), &Edits { replace: vec![inner, beyond, outer], ..Edits::default() })
            .unwrap();
        assert_eq!(out.replaced, 1);
    }

    #[test]
    fn notes_are_lines_of_ascii() {
        let mut out = Vec::new();
        write_note(&format!("--b\n.\nFrom x\ngröße = {} \n", "x".repeat(200)), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("=2D-b\r\n=2E\r\n=46rom x\r\ngr=C3=B6=C3=9Fe =3D x"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 76 && line.is_ascii()));
    }

    #[test]
    fn a_part_that_cannot_be_taken_out_is_told() {
        let message = b"A: b\r\n\r\n0123456789\r\n";
        let part = |range: std::ops::Range<usize>| Replace { body: range.clone(), range, note: "n".into() };
        for (replace, replaced, left) in [
            (vec![part(8..12)], 1, 0),
            (vec![part(8..14), part(9..12)], 1, 0),
            (vec![part(8..12), part(10..16)], 1, 1),
            (vec![part(2..12)], 0, 1),
            (vec![part(2..4)], 0, 1),
            (vec![part(8..200)], 0, 1),
        ] {
            let edited = apply(message, &Edits { replace, ..Edits::default() }).unwrap();
            assert_eq!((edited.replaced, edited.left), (replaced, left));
        }
    }

    proptest! {
        /// Whatever it is: no panic, what is no field of the edits stays, and a second time changes nothing.
        #[test]
        fn edits_are_made_once(message in "[ -~\r\n\t]{0,200}", start in 0usize..220, length in 0usize..220) {
            let edits = Edits { remove: vec!["x-*"], authserv_id: Some("a"), subject_tag: Some("[S]"), replace: Vec::new() };
            let once = apply(message.as_bytes(), &edits).map_or_else(|| message.clone().into_bytes(), |e| e.message);
            prop_assert_eq!(apply(&once, &edits), None);
            let range = start..start + length;
            let replace = vec![Replace { body: range.clone(), range, note: "n".into() }];
            let _ = apply(message.as_bytes(), &Edits { replace, ..Edits::default() });
        }
    }
}
