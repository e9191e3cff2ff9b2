//! A look at the header block while the message arrives: how often it was relayed, how often by us, and
//! what the audit line shows of it.
//!
//! Purpose: loop guard, audit and lists of authors, in one pass and little memory. State: the field in progress, the
//! three fields that are shown, and the authors. Nothing fails: a field over the bound is cut and still counted; what
//! does not parse is not shown. The block is over at the first line that is no field; but mail programs read on to the
//! first empty line, so authors are looked for up to there. After it, octets are not looked at any more.

use super::from::{Authors, plain_address};
use super::trace::TraceKey;
use crate::mail::Mailbox;
use mail_parser::{Address, MessageParser};
use memchr::memchr;

/// A good value for [`HeaderScan::new`], in octets.
pub const HEADER_OCTETS_MAX: usize = 64 * 1024;
/// Most octets that are kept of one field, and the least that make sense.
const FIELD_OCTETS_MAX: usize = 4096;
const FIELD_OCTETS_MIN: usize = 1024;
/// Most blanks between a name and its colon. With the name they are within the least that is kept of a line, so that
/// it is the same field however it arrives.
const BLANKS_MAX: usize = 700;
/// Most octets of all `From:` fields together that authors are looked for in.
const FROM_OCTETS_MAX: usize = 64 * 1024;
/// Longest name of a field in octets, without the blanks before its colon.
const NAME_OCTETS_MAX: usize = 200;
/// Most characters of a value.
const VALUE_CHARS_MAX: usize = 200;
/// Most candidates of our own mark that are kept; the loop guard needs 6.
const MARKS_MAX: usize = 64;

/// What the header block says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderSummary {
    /// `Received:` fields.
    pub received: u32,
    /// Of these, ours (by their keyed mark); at most 64 are looked at.
    pub own_marks: u32,
    /// The first `Message-ID:` without its angle brackets, at most 200 characters.
    pub message_id: Option<String>,
    /// The first `Subject:`, decoded, at most 200 characters.
    pub subject: Option<String>,
    /// Addresses of the first `From:` with commas between them, at most 200 characters.
    pub from: Option<String>,
    /// Every mailbox of every `From:`, as loosely read as any mail program may (see [`Authors`]); at most 50.
    pub from_mailboxes: Vec<Mailbox>,
    /// Whether there may be more of them: over 50, or over 64 KiB of these fields.
    pub from_cut: bool,
    /// There may be fields that only we write: `X-Portcullis-*`, `X-Spam-*`, `Authentication-Results`.
    pub ours: bool,
    /// Whether the whole block was seen, and none of the three fields that are shown was cut.
    pub complete: bool,
}

/// The octets of one line or field, up to a bound.
#[derive(Debug, Default, Clone)]
struct Kept {
    octets: Vec<u8>,
    cut: bool,
}

impl Kept {
    fn add(&mut self, octets: &[u8], max: usize) {
        let room = max.saturating_sub(self.octets.len());
        self.cut |= octets.len() > room;
        self.octets.extend_from_slice(octets.get(..room).unwrap_or(octets));
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.cut = false;
    }
}

/// Scans the header block of one message.
#[derive(Debug)]
pub struct HeaderScan {
    field_max: usize,
    /// The line in progress, where it came in pieces.
    line: Kept,
    /// The field in progress.
    name: Option<Name>,
    /// Its whole lines with their line ends, where anybody will look at them.
    field: Kept,
    shown: [Option<Kept>; 3],
    received: u32,
    marks: Vec<([u8; 8], [u8; 10])>,
    authors: Authors,
    /// What may still be kept of `From:` fields.
    from_left: usize,
    /// A field that only we write was seen.
    ours: bool,
    /// A line that is no field was seen: only authors count from here on.
    broken: bool,
    over: bool,
}

/// What fields are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Received,
    MessageId,
    Subject,
    From,
    Ours,
    Other,
}

impl Name {
    /// That of the field that a line begins, or `None` for any other line.
    fn of(line: &[u8]) -> Option<Self> {
        let name = field_name(line)?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let begins = |start: &[u8]| name.get(..start.len()).is_some_and(|n| n.eq_ignore_ascii_case(start));
        Some(match name.len() {
            4 if is(b"from") => Self::From,
            7 if is(b"subject") => Self::Subject,
            8 if is(b"received") => Self::Received,
            10 if is(b"message-id") => Self::MessageId,
            22 if is(b"authentication-results") => Self::Ours,
            _ if begins(b"x-portcullis-") || begins(b"x-spam-") => Self::Ours,
            _ => Self::Other,
        })
    }

    /// Its place among those that are shown.
    fn place(self) -> Option<usize> {
        match self {
            Self::MessageId => Some(0),
            Self::Subject => Some(1),
            Self::From => Some(2),
            Self::Received | Self::Ours | Self::Other => None,
        }
    }
}

impl HeaderScan {
    /// A scan that keeps at most `octets_max` octets (but not below 5,120, and never more than 20 KB), and of `From:` twice
    /// 64 KiB for the moment. Fields are counted to the end of the block however long it is.
    #[must_use]
    pub fn new(octets_max: usize) -> Self {
        Self {
            field_max: (octets_max / 5).clamp(FIELD_OCTETS_MIN, FIELD_OCTETS_MAX),
            line: Kept::default(),
            name: None,
            field: Kept::default(),
            shown: [None, None, None],
            received: 0,
            marks: Vec::new(),
            authors: Authors::default(),
            from_left: FROM_OCTETS_MAX,
            ours: false,
            broken: false,
            over: false,
        }
    }

    /// Takes the next octets of the message; does nothing after the block is over.
    pub fn push(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !self.over && !rest.is_empty() {
            let Some((line, after)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end + 1))
            else {
                self.keep(rest);
                return;
            };
            rest = after;
            if self.line.octets.is_empty() && !self.line.cut {
                self.take(line);
            } else {
                self.keep(line);
                self.take_kept_line();
            }
        }
    }

    /// The end of the message, or of what the caller wants seen.
    #[must_use]
    pub fn finish(mut self, key: &TraceKey) -> HeaderSummary {
        if !self.over {
            self.take_kept_line();
            self.end_field();
        }
        let ours = self.marks.iter().filter(|(id, mark)| {
            let text = |octets| std::str::from_utf8(octets).unwrap_or_default();
            key.is_ours(text(id), text(mark))
        });
        let own_marks = u32::try_from(ours.count()).unwrap_or(u32::MAX);
        let complete = self.shown.iter().flatten().all(|field| !field.cut);
        let authors = std::mem::take(&mut self.authors);
        let mut summary = HeaderSummary {
            received: self.received,
            own_marks,
            ours: self.ours,
            complete,
            from_mailboxes: authors.mailboxes,
            from_cut: authors.cut,
            ..HeaderSummary::default()
        };
        self.decode(&mut summary);
        summary
    }

    /// A piece of a line whose end is not there yet, or its last piece.
    fn keep(&mut self, piece: &[u8]) {
        // It may be of a `From:` field, which has more room.
        let first = self.line.octets.first().or(piece.first());
        let from = self.name == Some(Name::From) || first.is_some_and(|b| b.eq_ignore_ascii_case(&b'f'));
        let max = if from { self.field_max.max(self.from_left) } else { self.field_max };
        self.line.add(piece, max);
    }

    fn take_kept_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.take(&line.octets);
        if !self.over {
            // Of a line that is no field nothing is kept.
            self.field.cut |= line.cut && self.name.is_some();
            self.line.octets = line.octets;
            self.line.clear();
        }
    }

    /// One line with its line end.
    fn take(&mut self, line: &[u8]) {
        let folded = matches!(line.first(), Some(b' ' | b'\t')) && self.name.is_some();
        if !folded {
            self.end_field();
            self.name = Name::of(line);
            self.ours |= self.name == Some(Name::Ours);
        }
        if let Some(name) = self.name {
            self.field.add(line, self.room(name));
        } else if matches!(line, [] | b"\n" | b"\r\n") {
            // The body begins.
            self.over = true;
            self.field = Kept::default();
        } else {
            self.broken = true;
        }
    }

    /// Most octets that are kept of a field.
    fn room(&self, name: Name) -> usize {
        match name {
            Name::From => self.from_left,
            Name::Ours | Name::Other => 0,
            Name::Received | Name::MessageId | Name::Subject if self.broken => 0,
            Name::Received | Name::MessageId | Name::Subject => self.field_max,
        }
    }

    fn end_field(&mut self) {
        let Some(name) = self.name.take() else { return };
        if name == Name::From {
            self.from_left = self.from_left.saturating_sub(self.field.octets.len());
            let colon = memchr(b':', &self.field.octets).unwrap_or_default();
            self.authors.add_field(self.field.octets.get(colon + 1..).unwrap_or_default());
            self.authors.cut |= self.field.cut;
        }
        if !self.broken {
            self.count_field(name);
        }
        self.field.clear();
    }

    fn count_field(&mut self, name: Name) {
        if name == Name::Received {
            self.received = self.received.saturating_add(1);
            if self.marks.len() < MARKS_MAX {
                self.marks.extend(mark_of(&self.field.octets));
            }
        }
        if let Some(slot @ None) = name.place().and_then(|place| self.shown.get_mut(place)) {
            let mut kept = Kept { octets: Vec::new(), cut: self.field.cut };
            if self.field.octets.len() <= self.field_max {
                kept.octets = std::mem::take(&mut self.field.octets);
            } else {
                kept.add(&self.field.octets, self.field_max);
            }
            *slot = Some(kept);
        }
    }

    /// What is shown of the three fields. Most have nothing to decode; for the others, which are few, there is a whole
    /// parser.
    fn decode(&self, summary: &mut HeaderSummary) {
        let [message_id, subject, from] = self.shown.each_ref().map(|f| f.as_ref().map(|f| &*f.octets));
        let mut block = Vec::new();
        let mut plain = |field: Option<&[u8]>, value: fn(&[u8]) -> Option<&str>| {
            let found = field.and_then(value);
            if let (Some(field), None) = (field, found) {
                block.extend_from_slice(field);
                if !field.ends_with(b"\n") {
                    block.extend_from_slice(b"\r\n");
                }
            }
            found.and_then(bounded)
        };
        summary.message_id = plain(message_id, plain_id);
        summary.subject = plain(subject, plain_subject);
        summary.from = plain(from, plain_from);
        if block.is_empty() {
            return;
        }
        block.extend_from_slice(b"\r\n");
        // Never `parse`: on hostile mail it recurses without bound. `parse_headers` is linear.
        let Some(message) = MessageParser::default().parse_headers(&block) else { return };
        let or = |found: &mut Option<String>, parsed: Option<String>| *found = found.take().or(parsed);
        or(&mut summary.message_id, message.message_id().and_then(bounded));
        or(&mut summary.subject, message.subject().and_then(bounded));
        or(&mut summary.from, message.from().and_then(addresses));
    }
}

/// The value of a field of one line of printable ASCII in which nothing is encoded, without the blanks around it.
fn plain_value<'f>(field: &'f [u8], name: &str) -> Option<&'f str> {
    let value = field.get(name.len()..)?.strip_prefix(b":")?;
    let value = value.strip_suffix(b"\n").map_or(value, |v| v.strip_suffix(b"\r").unwrap_or(v));
    let printable = value.iter().fold(true, |yes, &b| yes & (b' '..0x7f).contains(&b) & (b != b'='));
    let text = printable.then(|| std::str::from_utf8(value).ok()).flatten()?;
    Some(text.trim_matches(' '))
}

fn plain_subject(field: &[u8]) -> Option<&str> {
    plain_value(field, "subject")
}

fn plain_id(field: &[u8]) -> Option<&str> {
    let id = plain_value(field, "message-id")?.strip_prefix('<')?.strip_suffix('>')?;
    (!id.is_empty() && !id.bytes().any(|b| matches!(b, b' ' | b'<' | b'>'))).then_some(id)
}

fn plain_from(field: &[u8]) -> Option<&str> {
    plain_address(plain_value(field, "from")?)
}

/// Name of the field that a line begins, or `None` for any other line. Blanks before the colon are taken
/// (RFC 5322 section 4.5, obsolete form).
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().take(NAME_OCTETS_MAX).position(|b| *b == b':' || !b.is_ascii_graphic())?;
    let (name, rest) = line.split_at_checked(end)?;
    let colon = rest.iter().take(BLANKS_MAX).find(|b| !b.is_ascii_whitespace());
    (!name.is_empty() && colon == Some(&b':')).then_some(name)
}

/// The words of `id ID.MARK` in a Received field, if they have the form of ours.
fn mark_of(field: &[u8]) -> Option<([u8; 8], [u8; 10])> {
    let mut words = field.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if !word.eq_ignore_ascii_case(b"id") {
            continue;
        }
        let text = words.next()?;
        let text = text.strip_suffix(b";").unwrap_or(text);
        if let Some((id, mark)) = text.split_at_checked(8)
            && let (Ok(id), Some(Ok(mark))) = (id.try_into(), mark.strip_prefix(b".").map(TryInto::try_into))
        {
            return Some((id, mark));
        }
    }
    None
}

fn bounded(text: &str) -> Option<String> {
    if text.len() <= VALUE_CHARS_MAX {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let text: String = text.chars().take(VALUE_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn addresses(from: &Address) -> Option<String> {
    let mut out = String::new();
    for one in from.iter() {
        let text = one.address.as_deref().or(one.name.as_deref()).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(text);
    }
    bounded(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Id;
    use proptest::prelude::*;

    const LONG: &str =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const LONGER: &str =
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz: ";
    static KEY: std::sync::LazyLock<TraceKey> = std::sync::LazyLock::new(|| TraceKey::new([9; 32]));

    fn scan(input: &[u8], cuts: &[usize], max: usize) -> HeaderSummary {
        let mut scan = HeaderScan::new(max);
        let mut rest = input;
        for &cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            scan.push(now);
            rest = later;
        }
        scan.push(rest);
        scan.finish(&KEY)
    }

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text.as_bytes()).unwrap()
    }

    fn own(id: &str) -> String {
        let id: Id = id.parse().unwrap();
        format!("{id}.{}", KEY.mark(id))
    }

    #[test]
    fn a_long_line_that_is_no_field_cuts_none() {
        let text = format!("{LONG}{}\r\nFrom: <a@b.example>\r\n\r\n", "+".repeat(2 * FIELD_OCTETS_MIN));
        let whole = scan(text.as_bytes(), &[], 0);
        assert!(!whole.from_cut && whole.complete, "{whole:?}");
        assert_eq!(scan(text.as_bytes(), &[700, 700], 0), whole);
    }

    #[test]
    fn a_header_block_is_summed_up() {
        let text = format!(
            "Received: from a (b [192.0.2.1])\r\n\tby gate (Portcullis) with ESMTP\r\n\tid {};\r\n\tSat, 21 Nov 2026\r\n\
             received : by x id {}\r\n\
             RECEIVED: by x id 7F3K9QAC.0000000000\r\n\
             X-Received: by x\r\n\
             Subject: =?utf-8?q?gr=C3=BCn?=\r\n =?utf-8?q?_und_blau?=\r\n\
             Subject: second\r\n\
             From: \"A, B\" <a@b.example>, c@d.example\r\n\
             Message-ID: <1@x.example>\r\n\
             \r\n\
             Received: in the body\r\nFrom: x\r\n",
            own("7F3K9QAB"),
            own("7F3K9QAC"),
        );
        let want = HeaderSummary {
            ours: false,
            received: 3,
            own_marks: 2,
            message_id: Some("1@x.example".into()),
            subject: Some("gr\u{fc}n und blau".into()),
            from: Some("a@b.example, c@d.example".into()),
            from_mailboxes: ["a@b.example", "c@d.example"].map(mailbox).to_vec(),
            from_cut: false,
            complete: true,
        };
        for cut in 0..text.len() {
            assert_eq!(scan(text.as_bytes(), &[cut], HEADER_OCTETS_MAX), want, "at {cut}");
        }
        assert_eq!(scan(text.as_bytes(), &vec![1; text.len()], HEADER_OCTETS_MAX), want);
    }

    #[test]
    fn the_block_ends_at_the_first_line_that_is_no_field() {
        for (text, received) in [
            ("", 0),
            ("\r\nReceived: x\r\n", 0),
            ("Received: x", 1),
            ("Received: x\r\n", 1),
            ("Received: x\r\nhello\r\nReceived: y\r\n", 1),
            ("Received: x\r\n folded: y\r\nReceived: z\r\n\r\n", 2),
            ("Received: x\nReceived: y\n\nReceived: z\n", 2),
            (" Received: x\r\n", 0),
            ("Received\r\n", 0),
            ("Re ceived: x\r\n", 0),
        ] {
            assert_eq!(scan(text.as_bytes(), &[], HEADER_OCTETS_MAX).received, received, "{text:?}");
        }
    }

    #[test]
    fn every_author_is_found_wherever_it_stands() {
        let junk = "x".repeat(5000);
        let filled = format!("From: ({})\r\n ({junk}) <x@evil.example>\r\n\r\n", junk);
        for text in [
            "From: x@evil.example\r\n\r\n",
            "From: a@b.example\r\nfrom: x@evil.example\r\n\r\n",
            "FROM \t : x@evil.example\r\n\r\n",
            "From:\r\n x@evil.example\r\n\r\n",
            "From:\r\n \r\n\t<x@evil.example>\r\n\r\n",
            "From: a\r\n <x@\r\n evil.example>\r\n\r\n",
            "From: x@evil.example",
            "From: x@evil.example\n\n",
            "Subject: a\r\nno field at all\r\nFrom: x@evil.example\r\n\r\n",
            "From a@b.example Sat Nov 21 2026\r\nFrom: x@evil.example\r\n\r\n",
            " \r\nFrom: x@evil.example\r\n\r\n",
            &format!("From{}: x@evil.example\r\n\r\n", " ".repeat(300)),
            &filled,
        ] {
            let whole = scan(text.as_bytes(), &[], HEADER_OCTETS_MAX);
            assert!(whole.from_mailboxes.contains(&mailbox("x@evil.example")), "{text:?}: {whole:?}");
            assert!(!whole.from_cut);
            assert_eq!(scan(text.as_bytes(), &vec![1; text.len()], HEADER_OCTETS_MAX), whole, "{text:?}");
        }
        for text in
            ["\r\nFrom: x@evil.example\r\n", "X-From: x@evil.example\r\n\r\nFrom: x@evil.example\r\n", "Fro"]
        {
            assert_eq!(scan(text.as_bytes(), &[], HEADER_OCTETS_MAX).from_mailboxes, [], "{text:?}");
        }
    }

    #[test]
    fn authors_beyond_the_bound_are_told() {
        let long = format!("From: a@b.example, {} x@evil.example\r\n\r\n", "(x)".repeat(30_000));
        let many = format!("{}\r\n", format!("From: a@b.example {}\r\n", "(x)".repeat(3000)).repeat(10));
        for text in [long, many] {
            let summary = scan(text.as_bytes(), &[], HEADER_OCTETS_MAX);
            assert_eq!((summary.from_mailboxes, summary.from_cut), (vec![mailbox("a@b.example")], true));
            let mut one = HeaderScan::new(HEADER_OCTETS_MAX);
            for piece in text.as_bytes().chunks(1000) {
                one.push(piece);
                assert!(one.line.octets.len() + one.field.octets.len() <= 2 * FROM_OCTETS_MAX);
            }
            assert!(one.finish(&KEY).from_cut);
        }
    }

    #[test]
    fn an_endless_header_is_counted_in_bounded_memory() {
        let long = format!("X: {}\r\n", "x".repeat(500_000));
        let folded = format!("Y: a\r\n{}", " b\r\n".repeat(100_000));
        let many = "Received: by x\r\n".repeat(5000);
        let text = format!("Subject: {}\r\n{long}{folded}{many}\r\n", "s".repeat(9000));
        let mut one = HeaderScan::new(HEADER_OCTETS_MAX);
        for piece in text.as_bytes().chunks(1000) {
            one.push(piece);
            let kept = one.line.octets.len() + one.field.octets.len();
            assert!(kept <= 2 * FIELD_OCTETS_MAX);
        }
        let summary = one.finish(&KEY);
        assert_eq!((summary.received, summary.complete), (5000, false));
        assert_eq!(summary.subject.unwrap().len(), 200);
    }

    #[test]
    fn long_values_are_cut_and_odd_ones_left_out() {
        let from = format!("From: {}\r\n\r\n", "a@b.example, ".repeat(200));
        assert_eq!(scan(from.as_bytes(), &[], HEADER_OCTETS_MAX).from.unwrap().chars().count(), 200);
        let summary = scan(b"From:\r\nSubject:\r\nMessage-ID: \r\n\r\n", &[], HEADER_OCTETS_MAX);
        assert_eq!((summary.from, summary.subject, summary.message_id), (None, None, None));
        assert!(summary.complete);
    }

    /// What the whole parser says of them.
    fn parsed(block: &str) -> [Option<String>; 3] {
        let message = MessageParser::default().parse_headers(block).unwrap();
        [
            message.message_id().and_then(bounded),
            message.subject().and_then(bounded),
            message.from().and_then(addresses),
        ]
    }

    #[test]
    fn what_is_plain_needs_no_parser() {
        for (field, want) in [
            ("Subject:  a  b. \r\n", Some("a  b.")),
            ("subject:\n", Some("")),
            ("Subject: a\r\n b\r\n", None),
            ("Subject : a\r\n", None),
            ("Subject: a =?utf-8?q?b?=\r\n", None),
            ("Subject: gr\u{fc}n\r\n", None),
        ] {
            assert_eq!(plain_subject(field.as_bytes()), want, "{field:?}");
        }
        assert_eq!(plain_id(b"Message-ID: <1@x>"), Some("1@x"));
        for from in
            ["From: a.b+c@d.example\r\n", "FROM:\"A B.\" <a.b+c@d.example> ", "From: A <a.b+c@d.example>"]
        {
            assert_eq!(plain_from(from.as_bytes()), Some("a.b+c@d.example"), "{from:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_is_what_the_parser_reads(
            values in proptest::array::uniform3(proptest::collection::vec(prop_oneof![
                Just("a"), Just("B1"), Just("."), Just(" "), Just("  "), Just("@"), Just("<"), Just(">"), Just("<a@b.c>"),
                Just("a@b.c"), Just("\""), Just("\"A b\" "), Just("-"), Just("'"), Just("_"), Just("+"), Just(","), Just(":"),
                Just(";"), Just("("), Just("="), Just("=?utf-8?q?x?="), Just("\t"), Just("\r\n "), Just("\u{fc}"), Just("\\"),
                Just("."), Just("[1.2.3.4]"), Just("?"),
            ], 0..6)),
            ends in proptest::array::uniform3(prop_oneof![Just("\r\n"), Just("\n")]),
        ) {
            let [id, subject, from] = values.map(|words| words.concat());
            let [e1, e2, e3] = ends;
            let block = format!("Message-ID:{id}{e1}Subject:{subject}{e2}From:{from}{e3}\r\n");
            let summary = scan(block.as_bytes(), &[], HEADER_OCTETS_MAX);
            let whole = parsed(&block);
            prop_assert_eq!([summary.message_id, summary.subject, summary.from], whole, "{:?}", block);
        }

        #[test]
        fn splitting_changes_nothing(
            words in proptest::collection::vec(prop_oneof![
                Just("Received:"), Just("\r\n"), Just("\r\n "), Just("Subject:"), Just("From: a@b"), Just("x"), Just("\n"),
                Just(" id 7F3K9QAB.0123456789"), Just("\r"), Just("gr\u{fc}n"), Just("Message-ID: <x>"),
                Just("\r\nFrom :"), Just("fr"), Just(" <c@d>,"),
                Just(LONG), Just(LONGER),
            ], 0..30),
            cuts in proptest::collection::vec(0usize..90, 0..30),
            max in prop_oneof![Just(50usize), Just(HEADER_OCTETS_MAX)],
        ) {
            let text = words.concat();
            let whole = scan(text.as_bytes(), &[], max);
            prop_assert_eq!(scan(text.as_bytes(), &cuts, max), whole);
        }

        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&input, &[], 100);
        }
    }
}
