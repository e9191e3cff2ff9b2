//! Framing and message data: what is said must not depend on how the octets came.

use portcullis::smtp::data::{BodyCheck, DataDecoder, LineEnds, Stuffer, Violation};
use portcullis::smtp::line::{Framed, LineFramer};

/// Cuts that an input asks for itself, so that the same input is the same run.
pub fn cuts(input: &[u8]) -> impl Fn(usize) -> bool + use<> {
    let seed =
        input.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, &o| (h ^ u64::from(o)).wrapping_mul(0x100_0000_01b3));
    move |at| (seed.wrapping_add(at as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61 == 0
}

/// The pieces between cuts.
pub fn pieces<'a>(input: &'a [u8], cut: &dyn Fn(usize) -> bool) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in 1..=input.len() {
        if at == input.len() || cut(at) {
            out.push(&input[from..at]);
            from = at;
        }
    }
    out
}

const BOUND: usize = 64;

fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let (mut framer, mut buffer, mut out) = (LineFramer::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let (used, framed) = framer.next(&buffer, BOUND);
            let text = match framed {
                Framed::Incomplete => None,
                Framed::Line(line) => {
                    assert!(line.len() + 2 <= BOUND && !line.iter().any(|o| matches!(o, b'\r' | b'\n' | 0)));
                    Some(line.escape_ascii().to_string())
                }
                Framed::TooLong => Some("too long".into()),
                Framed::BareCrOrNul => Some("bare CR or NUL".into()),
                Framed::BareLf => Some("bare LF".into()),
            };
            assert!(text.is_none() || used > 0, "an event of nothing");
            buffer.drain(..used);
            let Some(text) = text else { break };
            out.push(text);
        }
        assert!(buffer.len() < BOUND, "{} octets wait", buffer.len());
    }
    out
}

pub fn framer(input: &[u8]) {
    let whole = lines(&[input]);
    assert_eq!(lines(&pieces(input, &cuts(input))), whole);
    assert_eq!(lines(&pieces(input, &|_| true)), whole);
    assert!(whole.len() <= input.iter().filter(|&&o| o == b'\n').count());
}

type Decoded = (Vec<u8>, usize, bool, Option<Violation>, bool);

fn decode(pieces: &[&[u8]], line_ends: LineEnds) -> Decoded {
    let (mut decoder, mut out, mut used, mut ended) = (DataDecoder::new(line_ends), Vec::new(), 0, false);
    for piece in pieces {
        let (n, end) = decoder.push(piece, &mut |octets| {
            assert!(!octets.is_empty());
            out.extend_from_slice(octets);
        });
        assert!(end || n == piece.len());
        used += n;
        if end {
            ended = true;
            break;
        }
    }
    assert_eq!(decoder.octets(), out.len() as u64);
    (out, used, ended, decoder.violation(), decoder.has_8bit())
}

/// The letter of RFC 5321, an octet at a time, for data whose end has come; bare line ends as they are.
fn naive(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = match input.strip_prefix(b".\r\n") {
        Some(_) => 0,
        None => input.windows(5).position(|w| w == b"\r\n.\r\n")? + 2,
    };
    let mut out = Vec::new();
    for at in 0..end {
        let begins = at == 0 || input[..at].ends_with(b"\r\n");
        if !(begins && input[at] == b'.') {
            out.push(input[at]);
        }
    }
    Some((out, end + 3))
}

fn first_violation(octets: &[u8]) -> Option<Violation> {
    octets.iter().enumerate().find_map(|(at, &o)| match o {
        b'\r' if octets.get(at + 1) != Some(&b'\n') => Some(Violation::BareCr),
        b'\n' if at == 0 || octets[at - 1] != b'\r' => Some(Violation::BareLf),
        0 => Some(Violation::Nul),
        _ => None,
    })
}

pub fn repaired(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &o) in octets.iter().enumerate() {
        match o {
            b'\r' if octets.get(at + 1) == Some(&b'\n') => {}
            b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(o),
        }
    }
    out
}

pub fn decoder(input: &[u8]) {
    for line_ends in [LineEnds::Reject, LineEnds::Normalize] {
        let whole = decode(&[input], line_ends);
        assert_eq!(decode(&pieces(input, &cuts(input)), line_ends), whole);
        assert_eq!(decode(&pieces(input, &|_| true), line_ends), whole);
        let (out, used, ended, violation, eight_bit) = whole;
        let Some((message, length)) = naive(input) else {
            assert!(!ended, "an end where there is none");
            continue;
        };
        assert!(ended && used == length, "{used} of {length}");
        assert_eq!(eight_bit, !message.is_ascii());
        let first = first_violation(&input[..length]);
        match line_ends {
            LineEnds::Reject => {
                assert_eq!(out, message);
                assert_eq!(violation.is_some(), first.is_some());
            }
            LineEnds::Normalize => {
                assert_eq!(out, repaired(&message));
                assert_eq!(violation, input[..length].contains(&0).then_some(Violation::Nul));
                assert!(matches!(first_violation(&out), None | Some(Violation::Nul)));
            }
        }
        if violation.is_none() {
            assert_eq!(again(&out), out);
        }
    }
}

/// Stuffed and read again.
fn again(message: &[u8]) -> Vec<u8> {
    let (mut stuffer, mut wire) = (Stuffer::new(), Vec::new());
    stuffer.push(message, &mut wire);
    stuffer.finish(&mut wire);
    let (out, used, ended, violation, _) = decode(&[&wire], LineEnds::Reject);
    assert!(ended && used == wire.len() && violation.is_none());
    out
}

fn check(pieces: &[&[u8]], line_ends: LineEnds) -> (Vec<u8>, Option<Violation>, u64) {
    let (mut check, mut out) = (BodyCheck::new(line_ends), Vec::new());
    for piece in pieces {
        check.push(piece, &mut |octets| out.extend_from_slice(octets));
    }
    check.finish(&mut |octets| out.extend_from_slice(octets));
    assert!(check.ends_with_crlf());
    assert!(out.is_empty() || out.ends_with(b"\r\n"));
    (out, check.violation(), check.octets())
}

pub fn body_check(input: &[u8]) {
    for line_ends in [LineEnds::Reject, LineEnds::Normalize] {
        let whole = check(&[input], line_ends);
        assert_eq!(check(&pieces(input, &cuts(input)), line_ends), whole);
        assert_eq!(check(&pieces(input, &|_| true), line_ends), whole);
        let (out, violation, octets) = whole;
        assert_eq!(octets, out.len() as u64);
        match line_ends {
            LineEnds::Reject => {
                assert!(out.starts_with(input) && out.len() <= input.len() + 2);
                assert_eq!(violation.is_some(), first_violation(input).is_some());
            }
            LineEnds::Normalize => {
                let mut want = repaired(input);
                if !want.is_empty() && !want.ends_with(b"\r\n") {
                    want.extend_from_slice(b"\r\n");
                }
                assert_eq!(out, want);
                assert_eq!(violation.is_some(), input.contains(&0));
            }
        }
    }
}

pub fn stuffer(input: &[u8]) {
    let stuff = |pieces: &[&[u8]]| {
        let (mut stuffer, mut out) = (Stuffer::new(), Vec::new());
        pieces.iter().for_each(|piece| stuffer.push(piece, &mut out));
        stuffer.finish(&mut out);
        out
    };
    let whole = stuff(&[input]);
    assert_eq!(stuff(&pieces(input, &cuts(input))), whole);
    assert_eq!(stuff(&pieces(input, &|_| true)), whole);
    assert!(whole.len() <= input.len() * 2 + 5);
    // Nobody, however lenient, finds an end before the true one.
    let seen = [b"\r\n", &whole[..whole.len() - 3]].concat();
    let is_break = |o: u8| matches!(o, b'\r' | b'\n' | 0);
    assert!(!seen.windows(3).any(|w| is_break(w[0]) && w[1] == b'.' && is_break(w[2])));
    if first_violation(input).is_none() {
        let mut want = input.to_vec();
        if !input.is_empty() && !input.ends_with(b"\r\n") {
            want.extend_from_slice(b"\r\n");
        }
        assert_eq!(again(input), want);
    }
}
