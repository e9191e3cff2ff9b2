//! What a part's header block says of it, in every reading.
//!
//! Programs differ on where a header ends (at a line that is no field, at a line of blanks, at the first empty line), on
//! which of two fields counts, and on how a value with something beside it is read. All of it is kept: the first of each
//! list is what most take.

use super::encoding::Coding;
use super::fields::{AT_BAD_LINE, Block, Found, Which, with_comments_taken_out};
use super::limits::Limits;
use super::odd::Odd;
use crate::message::files::{extension, readings, runs};
use crate::message::mime::params::Field;
use crate::message::mime::words;
use memchr::memchr;

/// Most names of a part.
const NAMES_MAX: usize = 16;
/// Most characters of a name.
const NAME_CHARS_MAX: usize = 500;
/// Most boundaries of a part.
const BOUNDARIES_MAX: usize = 4;
/// Longest boundary that honest programs read; RFC 2046 allows 70 characters.
const BOUNDARY_OCTETS: usize = 200;
/// Longest that is read here.
const BOUNDARY_OCTETS_MAX: usize = 1000;
/// Longest type that is kept, in octets.
const KIND_OCTETS_MAX: usize = 200;

/// What a header block says.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) kinds: Vec<Box<str>>,
    pub(super) names: Vec<Box<str>>,
    pub(super) charset: Option<Box<str>>,
    pub(super) attachment: bool,
    pub(super) boundaries: Vec<Vec<u8>>,
    pub(super) codings: Vec<Coding>,
    /// Where the body may begin, behind the beginning of the part; the first is the main reading.
    pub(super) bodies: Vec<(usize, &'static str)>,
    /// Octets that were searched.
    pub(super) searched: usize,
    pub(super) odd: Vec<Odd>,
}

impl Head {
    /// Reads the header of the part that `octets` are. `in_digest`: a part is a message where it does not say otherwise
    /// (RFC 2046 section 5.1.5).
    pub(super) fn read(octets: &[u8], in_digest: bool, limits: &Limits) -> Self {
        let mut block = Block::default();
        let (mut at, mut empty) = (0, false);
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let line = without_end(rest.get(..length).unwrap_or_default());
            if line.is_empty() && length > 0 && rest.get(length - 1) == Some(&b'\n') {
                at += length;
                empty = true;
                break;
            }
            block.line(line, at, at + length);
            at += length;
        }
        let mut head = Self { searched: at, odd: std::mem::take(&mut block.odd), ..Self::default() };
        if at > limits.header {
            head.odd.push(Odd::LongHeader);
        }
        if has_bare_cr(octets.get(..at).unwrap_or_default()) {
            head.odd.push(Odd::BareCr);
        }
        // Where the header never ends, the body begins where it is none any more.
        if empty || block.others.is_empty() {
            head.bodies.push((at, "main"));
        } else if block.others.iter().any(|(_, name)| *name == AT_BAD_LINE) {
            head.odd.push(Odd::NoBlankLine);
        }
        head.bodies.append(&mut block.others);
        head.say(&with_comments_taken_out(block.fields), in_digest);
        head.odd.sort_unstable();
        head.odd.dedup();
        head
    }

    fn say(&mut self, found: &[Found], in_digest: bool) {
        let of = |which| found.iter().filter(move |field| field.which == which);
        let types: Vec<(Field, bool)> = of(Which::Type).map(|f| (self.kind(&f.body), f.doubtful)).collect();
        let default = if in_digest { "message/rfc822" } else { "text/plain" };
        if types.iter().all(|(_, doubtful)| *doubtful) {
            self.add_kind(default);
        }
        let sure: Vec<&str> =
            types.iter().filter(|(_, d)| !d).map(|(field, _)| field.value.as_str()).collect();
        if sure.iter().any(|kind| Some(kind) != sure.first()) {
            self.odd.push(Odd::DuplicateType);
        }
        self.encode(&of(Which::Encoding).collect::<Vec<_>>());
        let dispositions: Vec<Field> = of(Which::Disposition).map(|f| Field::parse(&f.body)).collect();
        let types: Vec<Field> = types.into_iter().map(|(field, _)| field).collect();
        self.bound(&types, &of(Which::Type).map(|f| f.body.as_slice()).collect::<Vec<_>>());
        self.charset = types
            .first()
            .and_then(|f| f.text("charset"))
            .filter(|c| c.len() <= 100)
            .map(|c| c.to_ascii_lowercase().into());
        for (fields, parameter) in
            [(&dispositions, "filename"), (&types, "name"), (&dispositions, "name"), (&types, "filename")]
        {
            self.name(fields, parameter);
        }
        if self.names.is_empty() {
            of(Which::Named).for_each(|field| self.name_of(&field.body));
        }
        self.attach(dispositions.first());
        if types.iter().chain(&dispositions).any(Field::is_cut) {
            self.odd.push(Odd::LongField);
        }
    }

    /// A type: its field with the type as its value, repaired where something stands between it and its parameters.
    fn kind(&mut self, body: &[u8]) -> Field {
        let mut field = Field::parse(body);
        let value: String = field.value.chars().filter(|c| !c.is_whitespace()).collect();
        if is_kind(&value) {
            self.add_kind(&value);
            field.value = value;
            return field;
        }
        if value != "text" {
            self.odd.push(Odd::BadType);
        }
        // `multipart/mixed boundary=x`, `multipart/mixed, boundary=x`.
        let end = field
            .value
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '='))
            .unwrap_or(field.value.len());
        let first = field.value.get(..end).unwrap_or_default().trim_matches(['"', '\'']);
        let lower = body.to_ascii_lowercase();
        let behind = memchr::memmem::find(&lower, first.as_bytes()).map_or(0, |at| at + first.len());
        let mut repaired = b"x/x;".to_vec();
        repaired.extend(
            body.get(behind..).unwrap_or_default().iter().skip_while(|b| matches!(b, b',' | b':' | b'"')),
        );
        let value = if is_kind(first) {
            first.to_owned()
        } else if value.contains("multipart") {
            "multipart/mixed".to_owned()
        } else if value.contains("rfc822") {
            "message/rfc822".to_owned()
        } else {
            // RFC 2045 section 5.2.
            "text/plain".to_owned()
        };
        let old_programs = "text/plain";
        self.add_kind(&value);
        self.add_kind(old_programs);
        let mut field = Field::parse(&repaired);
        field.value = value;
        field
    }

    fn add_kind(&mut self, kind: &str) {
        if !self.kinds.iter().any(|k| **k == *kind) {
            self.kinds.push(kind.into());
        }
    }

    fn encode(&mut self, fields: &[&Found]) {
        if fields.iter().all(|field| field.doubtful) {
            self.add_coding(Coding::Plain);
        }
        let mut first = None;
        for field in fields {
            let value = Field::parse(&field.body).value;
            let written = field.body.trim_ascii();
            let exact = written.eq_ignore_ascii_case(value.as_bytes());
            let word = value.split_ascii_whitespace().next().unwrap_or_default();
            let coding = Coding::of(&value).or_else(|| Coding::of(word).filter(|_| !word.is_empty()));
            match coding {
                Some(coding) if exact && Coding::of(&value).is_some() => self.add_coding(coding),
                Some(coding) => {
                    // What stands beside the name of none changes nothing.
                    if coding != Coding::Plain {
                        self.odd.push(Odd::MalformedEncoding);
                    }
                    self.add_coding(coding);
                    self.like(&value);
                    self.add_coding(Coding::Plain);
                }
                None => {
                    self.odd.push(Odd::UnknownEncoding);
                    self.add_coding(Coding::Plain);
                    self.like(&value);
                }
            }
            let coding = coding.unwrap_or(Coding::Plain);
            if *first.get_or_insert(coding) != coding && !field.doubtful {
                self.odd.push(Odd::DuplicateEncoding);
            }
        }
    }

    /// Encodings that a name looks like.
    fn like(&mut self, value: &str) {
        for (piece, coding) in [
            ("64", Coding::Base64),
            ("quoted", Coding::Quoted),
            ("printable", Coding::Quoted),
            ("uu", Coding::Uuencode),
        ] {
            if value.contains(piece) {
                self.add_coding(coding);
            }
        }
        if value.contains("binhex") {
            self.odd.push(Odd::Binhex);
        }
    }

    fn add_coding(&mut self, coding: Coding) {
        if !self.codings.contains(&coding) {
            self.codings.push(coding);
        }
    }

    fn bound(&mut self, types: &[Field], bodies: &[&[u8]]) {
        if !self.kinds.iter().any(|kind| kind.starts_with("multipart/")) {
            return;
        }
        let mut written: Vec<Vec<u8>> = Vec::new();
        for field in types {
            written.extend(field.each("boundary").map(<[u8]>::to_vec));
            written.extend(field.text("boundary*").map(String::into_bytes));
            if written.is_empty() || field.as_they_stand("boundary").is_some() {
                written.extend(field.text("boundary").map(String::into_bytes));
                written.extend(field.as_they_stand("boundary"));
            }
        }
        let mut distinct: Vec<&[u8]> = written.iter().map(|b| b.trim_ascii_end()).collect();
        distinct.dedup();
        if distinct.iter().any(|b| Some(b) != distinct.first()) {
            self.odd.push(Odd::DuplicateBoundary);
        }
        for boundary in &distinct {
            self.add_boundary(boundary);
        }
        let sure = self.boundaries.len();
        let quoted = |boundary: &[u8]| {
            let written = [b"\"", boundary, b"\""].concat();
            bodies.iter().any(|body| memchr::memmem::find(body, &written).is_some())
        };
        for boundary in distinct.iter().filter(|boundary| !quoted(boundary)) {
            let trimmed = boundary.trim_ascii();
            self.add_boundary(trimmed.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default());
            self.add_boundary(trimmed.split(|b| *b == b'(').next().unwrap_or_default());
            let quotes = |b: &u8| matches!(b, b'"' | b'\'');
            let inner =
                trimmed.iter().position(|b| !quotes(b)).and_then(|at| trimmed.get(at..)).unwrap_or_default();
            let end = inner.iter().rposition(|b| !quotes(b)).map_or(0, |at| at + 1);
            self.add_boundary(inner.get(..end).unwrap_or_default());
        }
        // A quote that never ends.
        let open = bodies.iter().any(|body| body.iter().filter(|b| **b == b'"').count() % 2 == 1);
        if self.boundaries.len() > sure || open {
            self.odd.push(Odd::OddBoundary);
        }
    }

    fn add_boundary(&mut self, boundary: &[u8]) {
        let boundary = boundary.get(..BOUNDARY_OCTETS_MAX).unwrap_or(boundary);
        if boundary.len() > BOUNDARY_OCTETS {
            self.odd.push(Odd::LongBoundary);
        }
        if boundary.is_empty() || self.boundaries.iter().any(|b| b == boundary) {
            return;
        }
        if self.boundaries.len() < BOUNDARIES_MAX {
            self.boundaries.push(boundary.to_vec());
        } else {
            self.odd.push(Odd::LongField);
        }
    }

    /// The names of one kind of field.
    fn name(&mut self, fields: &[Field], parameter: &str) {
        let mut written: Vec<&[u8]> = Vec::new();
        for field in fields {
            self.add_name(field.text(parameter));
            for raw in field.each(parameter) {
                written.push(raw);
                self.add_name(Some(words::decode(raw)));
                self.add_name(Some(String::from_utf8_lossy(raw).into_owned()));
            }
            for star in field.each(&format!("{parameter}*")) {
                self.add_name(Some(words::decode(star)));
            }
            if let Some(all) = field.as_they_stand(parameter) {
                self.add_name(Some(words::decode(&all)));
            }
        }
        if written.iter().any(|raw| Some(raw) != written.first()) {
            self.odd.push(Odd::DuplicateName);
        }
    }

    /// A name from a field that is none of the name: only one that a system would run, and of no domain.
    fn name_of(&mut self, body: &[u8]) {
        let text = words::decode(body.trim_ascii());
        let path = text
            .split_once("://")
            .map_or(text.as_str(), |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let harms = |reading: &String| extension(reading).is_some_and(|end| end != "com" && runs(end));
        if !path.contains(char::is_whitespace) && readings(path).iter().any(harms) {
            self.add_name(Some(path.to_owned()));
        }
    }

    fn add_name(&mut self, name: Option<String>) {
        let Some(name) = name else { return };
        // Programs in C see the name up to a NUL.
        let cut = name.split('\0').next().unwrap_or_default();
        for reading in [name.as_str(), cut] {
            let chars = reading.chars().count();
            self.add_reading(reading.chars().take(NAME_CHARS_MAX).collect());
            if chars > NAME_CHARS_MAX {
                // How it ends is what it is opened by.
                self.odd.push(Odd::LongField);
                self.add_reading(reading.chars().skip(chars - NAME_CHARS_MAX).collect());
            }
        }
    }

    fn add_reading(&mut self, reading: String) {
        if reading.is_empty() || self.names.iter().any(|name| **name == *reading) {
            return;
        }
        if self.names.len() < NAMES_MAX {
            self.names.push(reading.into());
        } else {
            self.odd.push(Odd::LongField);
        }
    }

    fn attach(&mut self, disposition: Option<&Field>) {
        let kind = self.kinds.first().map(|k| &**k).unwrap_or_default();
        let disposition = disposition.map(|field| field.value.as_str()).unwrap_or_default();
        self.attachment = !kind.starts_with("multipart/")
            && match disposition {
                "inline" | "" => {
                    !kind.starts_with("text/") || (!self.names.is_empty() && disposition.is_empty())
                }
                // As attachment (RFC 2183 section 2.8).
                _ => true,
            };
    }
}

/// `major/minor` in tokens.
fn is_kind(value: &str) -> bool {
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic() && !b"/\"=,:".contains(&b));
    value.len() <= KIND_OCTETS_MAX
        && value.split_once('/').is_some_and(|(major, minor)| token(major) && token(minor))
}

fn has_bare_cr(octets: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', octets).any(|at| octets.get(at + 1) != Some(&b'\n'))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes(), false, &Limits::default())
    }

    #[test]
    fn honest_headers_have_one_reading() {
        let text = "Content-Type: multipart/mixed;\r\n\tboundary=\"a b\"\r\nContent-Transfer-Encoding: 8BIT\r\nX: y\r\n\r\n";
        let head = head(text);
        assert_eq!(
            (head.kinds.len(), &*head.kinds[0], &head.boundaries),
            (1, "multipart/mixed", &vec![b"a b".to_vec()])
        );
        assert_eq!(
            (head.codings.as_slice(), head.bodies.as_slice()),
            (&[Coding::Plain][..], &[(text.len(), "main")][..])
        );
    }

    #[test]
    fn names_in_every_reading() {
        for (field, want) in [
            ("Content-Disposition: attachment; filename=a.txt; filename=a.exe", &["a.txt", "a.exe"][..]),
            ("Content-Disposition: attachment; filename*0=a.e; filename*2=xe", &["a.e", "a.exe"]),
            (
                "Content-Disposition: attachment; filename=a.txt\nContent-Type: x/y; name=a.exe",
                &["a.txt", "a.exe"],
            ),
            (
                "Content-Disposition: attachment; filename*=utf-8''a%2Eexe; filename=b.txt",
                &["a.exe", "b.txt"],
            ),
            ("Content-Disposition: attachment; filename=\"=?utf-8?B?YS5leGU=?=\"", &["a.exe"]),
            ("Content-Disposition: attachment; filename=\"a.exe\0.txt\"", &["a.exe\0.txt", "a.exe"]),
            ("Content-Disposition: x\nContent-Disposition: attachment; filename=a.exe", &["a.exe"]),
        ] {
            let head = head(&format!("{field}\n\n"));
            let names: Vec<&str> = head.names.iter().map(|n| &**n).collect();
            assert!(want.iter().all(|name| names.contains(name)), "{field}: {names:?}");
        }
    }
}
