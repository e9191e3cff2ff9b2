//! Message data: out of DATA (RFC 5321 section 4.5.2), into DATA, and through BDAT (RFC 3030).
//!
//! Purpose: find the one true end of data, CRLF.CRLF, and hand out what stands before it. State: a few
//! octets that wait for what follows them; nothing is buffered. Nothing fails: a bare CR, bare LF or NUL
//! is remembered as a [`Violation`] and reading goes on to the true end, so that message data is never
//! read as commands.

use memchr::{memchr_iter, memchr3};

/// What becomes of a CR or LF that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnds {
    /// It is a violation.
    Reject,
    /// It becomes CRLF before anybody looks at the message.
    Normalize,
}

/// What is wrong with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A CR without LF.
    BareCr,
    /// A LF without CR.
    BareLf,
    /// A NUL (RFC 5321 section 4.5.3.1.6 has no place for it); also where line ends are repaired.
    Nul,
}

type Sink<'a> = dyn FnMut(&[u8]) + 'a;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After a true CRLF, or at the start.
    LineStart,
    /// Anywhere else.
    Middle,
    /// After a line end that we repaired: as `Middle`, but what was handed out ends in CRLF.
    Repaired,
    /// A CR waits for what follows it.
    Cr,
    /// A dot at the start of a line waits.
    Dot,
    /// A dot at the start of a line and a CR wait.
    DotCr,
    /// CRLF.CRLF was read.
    End,
}

/// What both decoders share; `dots` says whether dots at the start of a line mean anything.
#[derive(Debug)]
struct Reader {
    line_ends: LineEnds,
    dots: bool,
    state: State,
    violation: Option<Violation>,
    octets: u64,
    has_8bit: bool,
}

impl Reader {
    fn new(line_ends: LineEnds, dots: bool) -> Self {
        Self { line_ends, dots, state: State::LineStart, violation: None, octets: 0, has_8bit: false }
    }

    fn emit(&mut self, slice: &[u8], sink: &mut Sink<'_>) {
        if slice.is_empty() {
            return;
        }
        self.octets += slice.len() as u64;
        if !self.has_8bit {
            self.has_8bit = !slice.is_ascii();
        }
        sink(slice);
    }

    fn violate(&mut self, what: Violation) {
        if self.violation.is_none() && (what == Violation::Nul || self.line_ends == LineEnds::Reject) {
            self.violation = Some(what);
        }
    }

    /// A CR or LF that stands alone: handed out as it is, or as CRLF. What follows it is no new line.
    fn bare(&mut self, what: Violation, sink: &mut Sink<'_>) {
        self.violate(what);
        let octets: &[u8] = match (self.line_ends, what) {
            (LineEnds::Normalize, _) => b"\r\n",
            (LineEnds::Reject, Violation::BareCr) => b"\r",
            (LineEnds::Reject, Violation::BareLf | Violation::Nul) => b"\n",
        };
        self.emit(octets, sink);
        self.state = match self.line_ends {
            LineEnds::Normalize => State::Repaired,
            LineEnds::Reject => State::Middle,
        };
    }

    /// Reads until the input or the data ends; gives the octets that were consumed.
    fn push(&mut self, input: &[u8], sink: &mut Sink<'_>) -> usize {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let used = match (self.state, rest.first()) {
                (State::End, _) => break,
                (State::LineStart, Some(b'.')) if self.dots => self.wait(State::Dot),
                (State::Dot, Some(b'\r')) => self.wait(State::DotCr),
                // The dot is dropped (RFC 5321 section 4.5.2): other octets follow it on its line.
                (State::Dot, _) => {
                    self.state = State::Middle;
                    0
                }
                (State::DotCr, Some(b'\n')) => self.wait(State::End),
                (State::Cr, Some(b'\n')) => {
                    self.emit(b"\r\n", sink);
                    self.wait(State::LineStart)
                }
                (State::Cr | State::DotCr, _) => {
                    self.bare(Violation::BareCr, sink);
                    0
                }
                (State::LineStart | State::Middle | State::Repaired, _) => self.run(rest, sink),
            };
            at += used;
        }
        at
    }

    fn wait(&mut self, state: State) -> usize {
        self.state = state;
        1
    }

    /// Takes as much as can be handed out in one piece, and the odd octet that ends it.
    fn run(&mut self, rest: &[u8], sink: &mut Sink<'_>) -> usize {
        let (length, stop) = self.plain(rest);
        let (plain, _) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.emit(plain, sink);
        match stop {
            Stop::LineStart => self.state = State::LineStart,
            Stop::Middle => self.state = State::Middle,
            Stop::Cr => {
                self.state = State::Cr;
                return length + 1;
            }
            Stop::Lf => {
                self.bare(Violation::BareLf, sink);
                return length + 1;
            }
        }
        length
    }

    /// How many octets are plain text and true CRLFs, and what stopped it. The hot loop: one search a line.
    fn plain(&mut self, rest: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        loop {
            let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) else {
                return (rest.len(), Stop::LineStart);
            };
            let Some(hit) = memchr3(b'\r', b'\n', 0, tail) else { return (rest.len(), Stop::Middle) };
            match tail.get(hit..) {
                Some([b'\r', b'\n', b'.', ..]) if self.dots => return (at + hit + 2, Stop::LineStart),
                Some([b'\r', b'\n', ..]) => at += hit + 2,
                // A CR that is followed by something else, or by nothing yet: it waits, and is judged then.
                Some([b'\r', ..]) => return (at + hit, Stop::Cr),
                Some([b'\n', ..]) => return (at + hit, Stop::Lf),
                _ => {
                    self.violate(Violation::Nul);
                    at += hit + 1;
                    if at == rest.len() {
                        return (at, Stop::Middle);
                    }
                }
            }
        }
    }
}

/// Why a run of plain octets ended.
enum Stop {
    /// After a true CRLF, at the end of the input or before a dot.
    LineStart,
    /// At the end of the input, inside a line.
    Middle,
    /// Before a CR that no LF follows so far.
    Cr,
    /// Before a bare LF.
    Lf,
}

/// Takes the stuffing out of DATA and finds its end: CRLF.CRLF and nothing else.
#[derive(Debug)]
pub struct DataDecoder(Reader);

impl DataDecoder {
    /// A decoder for the octets after our 354. They stand behind a CRLF, so `.CRLF` is an empty message.
    #[must_use]
    pub fn new(line_ends: LineEnds) -> Self {
        Self(Reader::new(line_ends, true))
    }

    /// Reads `input` and hands out the message, in pieces as large as the input has them. Gives how many
    /// octets were consumed and whether the end of data was among them; what follows it is left alone.
    pub fn push(&mut self, input: &[u8], sink: &mut dyn FnMut(&[u8])) -> (usize, bool) {
        let used = self.0.push(input, sink);
        (used, self.0.state == State::End)
    }

    /// The first violation so far.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.0.violation
    }

    /// Octets handed out so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.0.octets
    }

    /// Whether an octet above 127 was handed out.
    #[must_use]
    pub fn has_8bit(&self) -> bool {
        self.0.has_8bit
    }
}

/// Looks at the octets of BDAT chunks, which carry no stuffing and need none (RFC 3030 section 2).
#[derive(Debug)]
pub struct BodyCheck(Reader);

impl BodyCheck {
    /// A check for all the chunks of one message.
    #[must_use]
    pub fn new(line_ends: LineEnds) -> Self {
        Self(Reader::new(line_ends, false))
    }

    /// Takes all of `input` and hands it out, with bare line ends repaired if so asked. A CR at the end
    /// of a chunk waits for the next one.
    pub fn push(&mut self, input: &[u8], sink: &mut dyn FnMut(&[u8])) {
        self.0.push(input, sink);
    }

    /// After the last chunk: settles a CR that waits, and adds a CRLF where the message does not end in
    /// one. A message of no octets stays empty.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.0.state == State::Cr {
            self.0.bare(Violation::BareCr, sink);
        }
        if !self.ends_with_crlf() {
            self.0.emit(b"\r\n", sink);
            self.0.state = State::LineStart;
        }
    }

    /// Whether what was handed out so far ends in CRLF, or is nothing.
    #[must_use]
    pub fn ends_with_crlf(&self) -> bool {
        matches!(self.0.state, State::LineStart | State::Repaired)
    }

    /// The first violation so far.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.0.violation
    }

    /// Octets handed out so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.0.octets
    }

    /// Whether an octet above 127 was handed out.
    #[must_use]
    pub fn has_8bit(&self) -> bool {
        self.0.has_8bit
    }
}

/// Makes DATA of a message (RFC 5321 section 4.5.2).
///
/// The message has only true line ends, by contract. Should one ever have others, a dot is also doubled
/// after a bare CR, bare LF or NUL: a lenient server, which would take what follows for the end of data,
/// then sees two dots. In a message that keeps the contract this never happens, so nothing is changed.
#[derive(Debug)]
pub struct Stuffer {
    /// The last octet so far.
    last: u8,
    /// Whether what came so far ends in CRLF, or is nothing.
    crlf: bool,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { last: b'\n', crlf: true }
    }
}

impl Stuffer {
    /// A stuffer at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `input` with dots doubled where they begin a line.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (input.first(), input.last()) else { return };
        out.reserve(input.len());
        let mut rest = input;
        if first == b'.' && begins_line(self.last) {
            out.push(b'.');
        }
        let mut done = 0;
        for dot in memchr_iter(b'.', input) {
            let before = dot.checked_sub(1).and_then(|before| input.get(before));
            if before.is_some_and(|&before| begins_line(before)) {
                let (now, later) = rest.split_at_checked(dot - done).unwrap_or((rest, &[]));
                out.extend_from_slice(now);
                out.push(b'.');
                rest = later;
                done = dot;
            }
        }
        out.extend_from_slice(rest);
        self.crlf =
            if input.len() == 1 { self.last == b'\r' && last == b'\n' } else { input.ends_with(b"\r\n") };
        self.last = last;
    }

    /// Appends the end of data, with a CRLF before it where the last line lacks one. The stuffer is then
    /// as new.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.crlf {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        *self = Self::default();
    }
}

fn begins_line(before: u8) -> bool {
    matches!(before, b'\n' | b'\r' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// (message, octets left over, ended, violation), with the input split into pieces of `cuts` octets.
    type Seen = (Vec<u8>, usize, bool, Option<Violation>, bool);

    fn pieces<'a>(mut rest: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut out = Vec::new();
        for &cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            out.push(now);
            rest = later;
        }
        out.push(rest);
        out
    }

    fn decode(input: &[u8], cuts: &[usize], line_ends: LineEnds) -> Seen {
        let (mut decoder, mut out, mut used) = (DataDecoder::new(line_ends), Vec::new(), 0);
        let mut ended = false;
        for piece in pieces(input, cuts) {
            let (n, end) = decoder.push(piece, &mut |s| out.extend_from_slice(s));
            used += n;
            ended = end;
            assert!(end || n == piece.len());
            if end {
                break;
            }
        }
        assert_eq!(decoder.octets(), out.len() as u64);
        (out, input.len() - used, ended, decoder.violation(), decoder.has_8bit())
    }

    fn check(input: &[u8], cuts: &[usize], line_ends: LineEnds) -> (Vec<u8>, Option<Violation>, bool) {
        let (mut check, mut out) = (BodyCheck::new(line_ends), Vec::new());
        for piece in pieces(input, cuts) {
            check.push(piece, &mut |s| out.extend_from_slice(s));
        }
        let ended = check.ends_with_crlf();
        check.finish(&mut |s| out.extend_from_slice(s));
        assert_eq!(check.octets(), out.len() as u64);
        assert!(check.ends_with_crlf());
        (out, check.violation(), ended)
    }

    fn stuff(input: &[u8], cuts: &[usize]) -> Vec<u8> {
        let (mut stuffer, mut out) = (Stuffer::new(), Vec::new());
        for piece in pieces(input, cuts) {
            stuffer.push(piece, &mut out);
        }
        stuffer.finish(&mut out);
        out
    }

    #[test]
    fn the_end_of_data_is_crlf_dot_crlf() {
        for (input, want, left) in [
            (".\r\n", "", 0),
            (".\r\nQUIT\r\n", "", 6),
            ("a\r\n.\r\n", "a\r\n", 0),
            ("..a\r\n.\r\nX", ".a\r\n", 1),
            (".a\r\n.\r\n", "a\r\n", 0),
            ("..\r\n.\r\n", ".\r\n", 0),
            ("a\r\n..\r\n...b\r\n.\r\n", "a\r\n.\r\n..b\r\n", 0),
            ("a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n", 0),
            ("\r\n.\r\n", "\r\n", 0),
            ("\r\n\r\n.\r\n.\r\n", "\r\n\r\n", 3),
        ] {
            let seen = decode(input.as_bytes(), &[], LineEnds::Reject);
            assert_eq!(seen, (want.as_bytes().to_vec(), left, true, None, false), "{input:?}");
            assert_eq!(seen, decode(input.as_bytes(), &[], LineEnds::Normalize), "{input:?}");
        }
    }

    /// Every look-alike, with what follows it still message: the true end comes behind.
    #[test]
    fn look_alikes_are_violations_or_repaired_and_never_the_end() {
        use Violation::{BareCr, BareLf, Nul};
        for (input, violation, repaired) in [
            ("a\n.\n", BareLf, "a\r\n.\r\n"),
            ("a\n.\r\n", BareLf, "a\r\n.\r\n"),
            ("a\r.\r", BareCr, "a\r\n.\r\n"),
            ("a\r.\r\n", BareCr, "a\r\n.\r\n"),
            ("a\r\n.\n", BareLf, "a\r\n\r\n"),
            ("a\r\n.\r", BareCr, "a\r\n\r\n"),
            ("a\r\n.\r\r\n", BareCr, "a\r\n\r\n\r\n"),
            ("a\r\n.\r\r\r\n", BareCr, "a\r\n\r\n\r\n\r\n"),
            ("a\n\r.\r\n", BareLf, "a\r\n\r\n.\r\n"),
            ("a\n..b\r\n", BareLf, "a\r\n..b\r\n"),
            ("a\r\r\n..b\r\n", BareCr, "a\r\n\r\n.b\r\n"),
            ("\n.\r\n", BareLf, "\r\n.\r\n"),
            ("\r.\r\n", BareCr, "\r\n.\r\n"),
            (".\n", BareLf, "\r\n"),
            ("a\r\n\0.\r\n", Nul, "a\r\n\0.\r\n"),
            ("a\r\n.\0\r\n", Nul, "a\r\n\0\r\n"),
            ("a\r\0\n.\r\n", BareCr, "a\r\n\0\r\n.\r\n"),
            ("a\0\r\n", Nul, "a\0\r\n"),
        ] {
            let whole = format!("{input}z\r\n.\r\nQUIT\r\n");
            let (_, left, ended, seen, _) = decode(whole.as_bytes(), &[], LineEnds::Reject);
            assert_eq!((left, ended, seen), (6, true, Some(violation)), "{input:?}");
            let (out, left, ended, seen, _) = decode(whole.as_bytes(), &[], LineEnds::Normalize);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{repaired}z\r\n"), "{input:?}");
            let nul = input.contains('\0').then_some(Nul);
            assert_eq!((left, ended, seen), (6, true, nul), "{input:?}");
            for line_ends in [LineEnds::Reject, LineEnds::Normalize] {
                let whole = whole.as_bytes();
                for cut in 0..whole.len() {
                    let seen = decode(whole, &[cut], line_ends);
                    assert_eq!(seen, decode(whole, &[], line_ends), "{input:?} at {cut}");
                }
                assert_eq!(decode(whole, &vec![1; whole.len()], line_ends), decode(whole, &[], line_ends));
            }
        }
    }

    #[test]
    fn good_data_is_handed_out_in_one_piece() {
        let text = "Subject: x\r\n\r\nsome text. and more\r\n".repeat(1000) + ".\r\n";
        let mut calls = 0;
        DataDecoder::new(LineEnds::Reject).push(text.as_bytes(), &mut |_| calls += 1);
        assert_eq!(calls, 1);
    }

    #[test]
    fn eight_bit_octets_are_seen() {
        assert!(decode("gr\u{fc}n\r\n.\r\n".as_bytes(), &[], LineEnds::Reject).4);
        assert!(!decode(b"green\r\n.\r\n", &[], LineEnds::Reject).4);
    }

    #[test]
    fn after_the_end_nothing_is_consumed() {
        let mut decoder = DataDecoder::new(LineEnds::Reject);
        assert_eq!(decoder.push(b".\r\n", &mut |_| {}), (3, true));
        assert_eq!(decoder.push(b"QUIT\r\n", &mut |_| panic!()), (0, true));
    }

    #[test]
    fn chunks_pass_with_their_dots_and_end_in_crlf() {
        use Violation::{BareCr, BareLf, Nul};
        for (input, reject, normalized, ended) in [
            ("", None, "", true),
            ("a\r\n", None, "a\r\n", true),
            ("a", None, "a\r\n", false),
            (".\r\n..\r\n.\r\n", None, ".\r\n..\r\n.\r\n", true),
            ("a\r", Some(BareCr), "a\r\n", false),
            ("a\n", Some(BareLf), "a\r\n", true),
            ("a\n.\nb", Some(BareLf), "a\r\n.\r\nb\r\n", false),
            ("a\r\r\n", Some(BareCr), "a\r\n\r\n", true),
        ] {
            for cut in 0..=input.len() {
                let (out, violation, seen_end) = check(input.as_bytes(), &[cut], LineEnds::Normalize);
                assert_eq!((String::from_utf8(out).unwrap().as_str(), violation), (normalized, None));
                assert_eq!(seen_end, ended, "{input:?}");
                assert_eq!(check(input.as_bytes(), &[cut], LineEnds::Reject).1, reject, "{input:?}");
            }
        }
        assert_eq!(check(b"a\0\r\n", &[], LineEnds::Normalize).1, Some(Nul));
    }

    #[test]
    fn dots_are_doubled_after_anything_that_a_server_might_take_for_a_line_end() {
        for (input, want) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("..\r\n.\r\na.b\r\n", "...\r\n..\r\na.b\r\n.\r\n"),
            ("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"),
            ("a\r.\rb\r\n", "a\r..\rb\r\n.\r\n"),
            ("a\r\n\0.\r\n", "a\r\n\0..\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n"),
            ("a\n", "a\n\r\n.\r\n"),
        ] {
            for cut in 0..=input.len() {
                assert_eq!(String::from_utf8(stuff(input.as_bytes(), &[cut])).unwrap(), want, "{input:?}");
            }
        }
    }

    fn octet() -> impl Strategy<Value = u8> {
        prop_oneof![
            3 => Just(b'\r'), 3 => Just(b'\n'), 3 => Just(b'.'), 1 => Just(0), 2 => Just(b'a'), 1 => any::<u8>()
        ]
    }

    /// Lines of anything but CR, LF and NUL, each with CRLF.
    fn clean() -> impl Strategy<Value = Vec<u8>> {
        let line =
            proptest::collection::vec(prop_oneof![2 => Just(b'.'), 1 => Just(b'a'), 1 => 0x80u8..], 0..8);
        proptest::collection::vec(line, 0..8)
            .prop_map(|lines| lines.into_iter().flat_map(|l| [l, b"\r\n".to_vec()].concat()).collect())
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(
            input in proptest::collection::vec(octet(), 0..60),
            cuts in proptest::collection::vec(0usize..6, 0..20),
        ) {
            for line_ends in [LineEnds::Reject, LineEnds::Normalize] {
                let split = decode(&input, &cuts, line_ends);
                prop_assert_eq!(split, decode(&input, &[], line_ends));
                prop_assert_eq!(check(&input, &cuts, line_ends), check(&input, &[], line_ends));
            }
            prop_assert_eq!(stuff(&input, &cuts), stuff(&input, &[]));
        }

        #[test]
        fn what_is_stuffed_is_unstuffed_the_same(input in clean(), cut in 0usize..60) {
            let wire = stuff(&input, &[cut]);
            prop_assert_eq!(decode(&wire, &[cut], LineEnds::Reject), (input.clone(), 0, true, None, input.iter().any(|b| *b > 127)));
        }

        /// Whatever goes in, no server however lenient finds an end before ours.
        #[test]
        fn nothing_that_goes_down_looks_like_the_end(input in proptest::collection::vec(octet(), 0..60)) {
            let mut wire = stuff(&input, &[]);
            wire.truncate(wire.len() - 3);
            let wire = [b"\r\n".as_slice(), &wire].concat();
            for end in [&b"\n.\n"[..], b"\n.\r", b"\r.\r", b"\r.\n", b"\0.\r", b"\0.\n", b"\n.\0", b"\r.\0"] {
                prop_assert!(memchr::memmem::find(&wire, end).is_none());
            }
        }

        #[test]
        fn a_repaired_message_has_only_true_line_ends(input in proptest::collection::vec(octet(), 0..60)) {
            let (out, ..) = check(&input, &[], LineEnds::Normalize);
            let (_, violation, _) = check(&out, &[], LineEnds::Reject);
            prop_assert!(matches!(violation, None | Some(Violation::Nul)));
        }
    }
}
