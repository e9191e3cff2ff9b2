//! Every variant of an end of data: all mixes of CR, LF and NUL around a dot, up to five octets, each split at
//! each point, as DATA and inside BDAT, with bare line ends refused and repaired.
//!
//! What must hold: one message reaches the downstream, or none and the client hears 550; what goes down has
//! nothing before its true end that a lenient server would take for one. `--nocapture` prints the table.

use crate::harness::{Downstream, Harness, Keys, Mode, drain, paused};
use portcullis::smtp::data::{BodyCheck, DataDecoder, LineEnds, Stuffer, Violation};
use std::collections::BTreeMap;
use tokio::io::AsyncWriteExt;

const BEFORE: &[u8] = b"Subject: t\r\n\r\nbody";
const AFTER: &[u8] = b"tail\r\n";
const END: &[u8] = b"\r\n.\r\n";

/// All strings of one to five of CR, LF, NUL and dot that have a dot.
fn variants() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![Vec::new()];
    let mut out = Vec::new();
    for _ in 0..5 {
        all = all.iter().flat_map(|v| [b'\r', b'\n', 0, b'.'].map(|o| [&v[..], &[o]].concat())).collect();
        out.extend(all.iter().filter(|v| v.contains(&b'.')).cloned());
    }
    out
}

/// What some server somewhere takes for the end of data: a dot alone between any two of CR, LF, NUL.
fn lenient_end(octets: &[u8]) -> Option<usize> {
    octets.windows(3).position(|w| is_break(w[0]) && w[1] == b'.' && is_break(w[2]))
}

fn is_break(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | 0)
}

fn has_bare(octets: &[u8]) -> bool {
    octets.iter().enumerate().any(|(at, &o)| match o {
        b'\r' => octets.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || octets[at - 1] != b'\r',
        o => o == 0,
    })
}

/// The message that DATA carries, by the letter of RFC 5321: up to the first CRLF.CRLF, a dot off each line
/// that begins with one. Independent of the code under test.
fn reference(data: &[u8]) -> (Vec<u8>, usize) {
    let end = data.windows(5).position(|w| w == END).unwrap();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < end + 2 {
        if data[at] == b'.' && (at == 0 || data[..at].ends_with(b"\r\n")) {
            at += 1;
        }
        while at < end + 2 {
            out.push(data[at]);
            at += 1;
            if out.ends_with(b"\r\n") && data[..at].ends_with(b"\r\n") {
                break;
            }
        }
    }
    (out, end + 5)
}

/// Bare CR and LF become CRLF.
fn repaired(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        match (octets[at], octets.get(at + 1)) {
            (b'\r', Some(b'\n')) => {
                out.extend_from_slice(b"\r\n");
                at += 1;
            }
            (b'\r' | b'\n', _) => out.extend_from_slice(b"\r\n"),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    out
}

fn decode(data: &[u8], cut: usize, line_ends: LineEnds) -> (Vec<u8>, usize, Option<Violation>) {
    let (mut decoder, mut out, mut used) = (DataDecoder::new(line_ends), Vec::new(), 0);
    let (first, second) = data.split_at(cut);
    for piece in [first, second] {
        let (n, end) = decoder.push(piece, &mut |o| out.extend_from_slice(o));
        used += n;
        if end {
            return (out, used, decoder.violation());
        }
    }
    panic!("no end in {}", data.escape_ascii());
}

fn chunked(data: &[u8], cut: usize, line_ends: LineEnds) -> (Vec<u8>, Option<Violation>) {
    let (mut check, mut out) = (BodyCheck::new(line_ends), Vec::new());
    check.push(&data[..cut], &mut |o| out.extend_from_slice(o));
    check.push(&data[cut..], &mut |o| out.extend_from_slice(o));
    check.finish(&mut |o| out.extend_from_slice(o));
    (out, check.violation())
}

/// A message as it goes down by DATA, with the promise that only its end looks like one.
fn stuffed(message: &[u8], cut: usize) -> Vec<u8> {
    let (mut stuffer, mut out) = (Stuffer::new(), Vec::new());
    let cut = cut.min(message.len());
    stuffer.push(&message[..cut], &mut out);
    stuffer.push(&message[cut..], &mut out);
    stuffer.finish(&mut out);
    let before = [b"\r\n", &out[..out.len() - 3]].concat();
    assert_eq!(lenient_end(&before), None, "{}", out.escape_ascii());
    assert!(out.ends_with(b".\r\n"));
    out
}

#[test]
fn every_variant_split_anywhere_means_the_same() {
    let mut cases = 0;
    for variant in variants() {
        let data = [BEFORE, &variant, AFTER, END].concat();
        let (message, used) = reference(&data);
        let bare = has_bare(&data[..used]);
        for cut in BEFORE.len() - 1..=data.len() {
            for line_ends in [LineEnds::Reject, LineEnds::Normalize] {
                let case = || format!("{} cut at {cut}, {line_ends:?}", data.escape_ascii());
                let (got, consumed, violation) = decode(&data, cut, line_ends);
                assert_eq!(consumed, used, "{}", case());
                let refused = match line_ends {
                    LineEnds::Reject => bare,
                    LineEnds::Normalize => data[..used].contains(&0),
                };
                assert_eq!(violation.is_some(), refused, "{}", case());
                if violation.is_none() {
                    assert_eq!(got, repaired(&message), "{}", case());
                    assert!(!has_bare(&got), "{}", case());
                }
                // Even a message that is refused could be sent on without harm.
                stuffed(&got, cut);

                let body = &data[..data.len() - 3];
                let (got, violation) = chunked(body, cut.min(body.len()), line_ends);
                let refused = match line_ends {
                    LineEnds::Reject => has_bare(body),
                    LineEnds::Normalize => body.contains(&0),
                };
                assert_eq!(violation.is_some(), refused, "BDAT {}", case());
                if violation.is_none() {
                    assert_eq!(got, repaired(body), "BDAT {}", case());
                }
                stuffed(&got, cut);
                cases += 2;
            }
        }
    }
    println!("{cases} cases by the decoders alone");
}

/// How a message came in and went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    bdat_in: bool,
    bdat_out: bool,
    normalize: bool,
}

#[derive(Debug, Default)]
struct Tally {
    delivered: usize,
    refused: usize,
    several: usize,
}

/// Sends one variant through a whole gateway; gives what the client heard.
async fn send(harness: &Harness, way: Way, variant: &[u8], cut: usize) -> String {
    let mut client = harness.connect("192.0.2.7:4711".parse().unwrap());
    let envelope = "EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n";
    client.write_all(envelope.as_bytes()).await.unwrap();
    let data = if way.bdat_in {
        let body = [BEFORE, variant, AFTER].concat();
        [format!("BDAT {} LAST\r\n", body.len()).as_bytes(), &body].concat()
    } else {
        client.write_all(b"DATA\r\n").await.unwrap();
        [BEFORE, variant, AFTER, END].concat()
    };
    drain(&mut client).await;
    let (first, second) = data.split_at(cut.min(data.len()));
    client.write_all(first).await.unwrap();
    drain(&mut client).await;
    // The gateway may have closed by now.
    let _ = client.write_all(second).await;
    let (heard, _) = drain(&mut client).await;
    String::from_utf8_lossy(&heard).into_owned()
}

fn check_gateway(way: Way, tally: &mut Tally) {
    let keywords: &[&str] = if way.bdat_out { &["PIPELINING", "CHUNKING"] } else { &["PIPELINING"] };
    let line_ends = if way.normalize { "normalize" } else { "reject" };
    let keys = Keys { listener: format!("bare_newline = \"{line_ends}\""), ..Keys::default() };
    paused(async {
        let harness = Harness::new(&keys, Downstream::new(Mode::Auto, keywords));
        harness.probe().await;
        for (at, variant) in variants().iter().enumerate() {
            let cut = BEFORE.len() + at % (variant.len() + 1) + usize::from(way.bdat_in) * 13;
            let heard = send(&harness, way, variant, cut).await;
            let messages = harness.downstream.take_messages();
            let case = format!("{} {way:?}: {heard}", variant.escape_ascii());
            tally.several += usize::from(messages.len() > 1);
            let data = [BEFORE, variant, AFTER, END].concat();
            let carried =
                if way.bdat_in { data[..data.len() - END.len()].to_vec() } else { reference(&data).0 };
            let seen = if way.bdat_in { &carried[..] } else { &data[..reference(&data).1] };
            let refused = if way.normalize { seen.contains(&0) } else { has_bare(seen) };
            if refused {
                assert!(heard.contains("550 5."), "{case}");
                assert!(messages.is_empty(), "{case}");
                tally.refused += 1;
            } else {
                assert!(heard.contains("250 2.0.0 Ok: queued"), "{case}");
                let [message] = &messages[..] else { panic!("{} messages: {case}", messages.len()) };
                let below = below_trace(message);
                assert_eq!(below, repaired(&carried), "{case}");
                tally.delivered += 1;
            }
            for raw in harness.downstream.take_raw() {
                let inner = if way.bdat_out { &raw[..] } else { &raw[..raw.len() - 3] };
                assert!(way.bdat_out || lenient_end(inner).is_none(), "{case}: {}", raw.escape_ascii());
                assert!(!has_bare(inner), "{case}: {}", raw.escape_ascii());
            }
        }
    });
}

/// What stands below our `Received:` header, which ends in its date. (A message may begin with a blank.)
pub fn below_trace(message: &[u8]) -> &[u8] {
    const END: &[u8] = b" +0000\r\n";
    assert!(message.starts_with(b"Received: from "), "{}", message.escape_ascii());
    let end = message.windows(END.len()).position(|w| w == END).unwrap();
    &message[end + END.len()..]
}

#[test]
fn one_message_or_none_through_the_whole_gateway() {
    let mut table: BTreeMap<Way, Tally> = BTreeMap::new();
    for bits in 0..8 {
        let way = Way { bdat_in: bits & 1 != 0, bdat_out: bits & 2 != 0, normalize: bits & 4 != 0 };
        check_gateway(way, table.entry(way).or_default());
    }
    println!("in    out   bare line ends  variants  one message  none, 550  two or more");
    for (way, tally) in &table {
        let name = |bdat| if bdat { "BDAT" } else { "DATA" };
        let line_ends = if way.normalize { "normalize" } else { "reject" };
        println!(
            "{}  {}  {line_ends:14}  {:8}  {:11}  {:9}  {:11}",
            name(way.bdat_in),
            name(way.bdat_out),
            tally.delivered + tally.refused,
            tally.delivered,
            tally.refused,
            tally.several
        );
    }
}
