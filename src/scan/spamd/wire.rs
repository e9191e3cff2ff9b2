//! What spamd is told and says (spamd/PROTOCOL of SpamAssassin). Pure.

use crate::mail::{Path, escape_at_most, rfc5322};
use crate::scan::verdict::{ScanVerdict, Scored, Symbol, milli};
use crate::verdict::Envelope;
use memchr::memmem;

/// Longest answer: names of rules that matched.
pub(super) const ANSWER_MAX: usize = 256 * 1024;
/// Longest text of a peer in a header that we write.
const WORDS_MAX: usize = 200;
/// Whether it lives.
pub(super) const PING: &[u8] = b"PING SPAMC/1.5\r\n\r\n";

/// Request for a message of that many octets below what [`preface`] puts on top.
pub(super) fn request(octets: u64, user: Option<&str>, preface: &[u8]) -> Vec<u8> {
    let length = octets.saturating_add(preface.len() as u64);
    let user = user.map(|user| format!("User: {user}\r\n")).unwrap_or_default();
    let mut head = format!("SYMBOLS SPAMC/1.5\r\nContent-length: {length}\r\n{user}\r\n").into_bytes();
    head.extend_from_slice(preface);
    head
}

/// What a mail server in front of it would have put on top of the message: its rules know the client from there.
pub(super) fn preface(envelope: &Envelope, unix_ms: i64) -> Vec<u8> {
    let hello = word(envelope.hello.as_deref().unwrap_or("unknown"));
    let name = word(envelope.client_name.as_deref().unwrap_or("unknown"));
    let literal = if envelope.client.is_ipv6() { "IPv6:" } else { "" };
    let with = if envelope.authenticated { "ESMTPA" } else { "ESMTP" };
    format!(
        "Return-Path: {}\r\nReceived: from {hello} ({name} [{literal}{}])\r\n\tby {} with {with} id {};\r\n\t{}\r\n",
        path(&envelope.sender),
        envelope.client,
        word(&envelope.hostname),
        envelope.id,
        rfc5322(unix_ms)
    )
    .into_bytes()
}

/// Words of a peer as one word of a header.
fn word(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    text.chars().take(WORDS_MAX).map(|c| if good(c) { c } else { '_' }).collect()
}

fn path(path: &Path) -> String {
    let text = path.to_string();
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(&text);
    let good = |b: u8| b > b' ' && b != 0x7f && !matches!(b, b'<' | b'>');
    if bare.len() <= WORDS_MAX && bare.bytes().all(good) { format!("<{bare}>") } else { "<>".to_owned() }
}

/// Whether nothing more is to come: an answer announces its length. What is no answer is complete at once.
pub(super) fn complete(octets: &[u8]) -> bool {
    if !octets.iter().zip(b"SPAMD/").all(|(a, b)| a == b) {
        return true;
    }
    let Some(end) = memmem::find(octets, b"\r\n\r\n") else { return false };
    let body = octets.len() - end - 4;
    let head = octets.get(..end).unwrap_or_default();
    matches!(length(head), Some(length) if body >= length)
}

/// Whether this is the answer to `PING`.
pub(super) fn is_pong(octets: &[u8]) -> bool {
    octets.starts_with(b"SPAMD/") && octets.ends_with(b" PONG\r\n")
}

/// As [`complete`], of the answer to `PING`, which is one line.
pub(super) fn complete_line(octets: &[u8]) -> bool {
    octets.contains(&b'\n')
}

fn length(head: &[u8]) -> Option<usize> {
    value(head, "content-length")?.parse().ok()
}

fn value<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let mut fields =
        std::str::from_utf8(head).ok()?.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Reads the answer to `SYMBOLS`.
pub(in crate::scan) fn verdict(octets: &[u8], after_all: bool) -> ScanVerdict {
    let wrong = |words: &str| ScanVerdict::Error(words.to_owned());
    if octets.is_empty() {
        return wrong("it closed without an answer");
    }
    let first = octets.split(|b| *b == b'\n').next().unwrap_or_default();
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let mut words = first.splitn(3, |b| *b == b' ');
    let is_spamd = words.next().is_some_and(|word| word.starts_with(b"SPAMD/"));
    match (is_spamd, words.next()) {
        (true, Some(b"0")) => {}
        // EX_TOOBIG of its own table.
        (true, Some(b"98")) => return ScanVerdict::TooLarge,
        (true, Some(code)) if !code.is_empty() => {
            let said = words.next().unwrap_or_default();
            return ScanVerdict::Failed(format!(
                "it says {}",
                escape_at_most(&[code, said].join(&b' '), WORDS_MAX)
            ));
        }
        (true, _) | (false, _) => return wrong("this is no answer of spamd"),
    }
    let Some(end) = memmem::find(octets, b"\r\n\r\n") else { return wrong("its answer was cut") };
    let head = octets.get(..end).unwrap_or_default();
    let body = octets.get(end + 4..).unwrap_or_default();
    if length(head).is_none_or(|length| length != body.len()) {
        return wrong("its answer was cut");
    }
    if !after_all {
        return wrong("it judged what it had not read");
    }
    // `True ; 15.0 / 5.0`
    let spam = value(head, "spam").and_then(|spam| spam.split_once(';'));
    let Some((said, Ok(score))) = spam.map(|(said, numbers)| {
        (said.trim(), numbers.split('/').next().unwrap_or_default().trim().parse::<f64>())
    }) else {
        return wrong("its answer has no score");
    };
    if !score.is_finite() {
        return wrong("its answer has no score");
    }
    let names = body.split(|b| matches!(b, b',' | b'\r' | b'\n' | b' ')).filter(|name| !name.is_empty());
    let mut scored = Scored {
        total_milli: milli(score),
        symbols: names.take(1000).map(|name| Symbol::new(name, 0)).collect(),
        advice: said.eq_ignore_ascii_case("true").then(|| "spam".into()),
    };
    scored.tidy();
    ScanVerdict::Scored(Box::new(scored))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAM: &[u8] =
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 17\r\nSpam: True ; 6.5 / 5.0\r\n\r\nGTUBE,NO_RECEIVED";

    #[test]
    fn score_and_names_are_read() {
        assert!(complete(SPAM));
        let ScanVerdict::Scored(scored) = verdict(SPAM, true) else { panic!() };
        assert_eq!((scored.total_milli, scored.advice.as_deref()), (6_500, Some("spam")));
        assert_eq!(scored.symbols.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["GTUBE", "NO_RECEIVED"]);
        assert!(!verdict(SPAM, false).is_answer());
        for cut in 0..SPAM.len() {
            assert!(cut == 0 || !complete(&SPAM[..cut]), "{cut}");
            assert!(!verdict(&SPAM[..cut], true).is_answer(), "{cut}");
        }
        let clean = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 2\r\nSpam: False ; -0.1 / 5.0\r\n\r\n\r\n";
        let ScanVerdict::Scored(scored) = verdict(clean, true) else { panic!() };
        assert_eq!((scored.total_milli, scored.advice, scored.symbols.len()), (-100, None, 0));
    }

    #[test]
    fn everything_else_is_an_error() {
        for (octets, want) in [
            (&b"SPAMD/1.0 76 Bad header line: x\r\n"[..], "it says 76 Bad header line: x"),
            (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n", "no score"),
            (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: True ; inf / 5\r\n\r\n", "no score"),
            (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6 / 5\r\n\r\nabc", "cut"),
            (b"220 mx ESMTP\r\n", "no answer of spamd"),
            (b"SPAMD/1.1 \r\n", "no answer of spamd"),
            (b"", "closed"),
        ] {
            let said = verdict(octets, true);
            assert!(
                matches!(&said, ScanVerdict::Error(words) | ScanVerdict::Failed(words) if words.contains(want)),
                "{want}: {said:?}"
            );
        }
        assert_eq!(verdict(b"SPAMD/1.1 98 EX_TOOBIG\r\n", true), ScanVerdict::TooLarge);
        assert!(is_pong(b"SPAMD/1.5 0 PONG\r\n") && !is_pong(b"PONG\r\n"));
    }

    #[test]
    fn the_request_tells_its_length() {
        let head = request(7, Some("anna"), b"Top: x\r\n");
        assert_eq!(head, b"SYMBOLS SPAMC/1.5\r\nContent-length: 15\r\nUser: anna\r\n\r\nTop: x\r\n");
        assert_eq!(word("a\r\nb: (c)"), "a__b:__c_");
    }
}
