//! What clamd says (clamd(8), "COMMANDS"). Pure.
//!
//! Commands begin with `z` and end in NUL, and so do answers: an answer without its NUL was cut.

use crate::mail::escape_at_most;
use crate::scan::verdict::ScanVerdict;

/// Scan what follows: pieces behind their length in network order, a piece of no octets at the end.
pub(super) const INSTREAM: &[u8] = b"zINSTREAM\0";
/// Longest answer.
pub(super) const REPLY_MAX: usize = 4096;

/// Characters of what is no answer that are told.
const NONSENSE_CHARS: usize = 100;
/// Limits of the engine that a message reached: it was not looked at as a whole.
const LIMITS: &[u8] = b"Heuristics.Limits.Exceeded";

/// Whether an answer is complete.
pub(super) fn complete(octets: &[u8]) -> bool {
    octets.ends_with(b"\0")
}

/// Reads the answer to `INSTREAM`. `after_all`: it came after the whole message.
pub(in crate::scan) fn verdict(octets: &[u8], after_all: bool) -> ScanVerdict {
    if octets.is_empty() {
        return ScanVerdict::Error("it closed without an answer".to_owned());
    }
    let Some(line) = octets.strip_suffix(b"\0") else {
        return ScanVerdict::Error("its answer was cut".to_owned());
    };
    if line.contains(&0) || line.contains(&b'\n') {
        return ScanVerdict::Error("it gave several answers".to_owned());
    }
    if line.starts_with(b"INSTREAM size limit exceeded") && line.ends_with(b" ERROR") {
        return ScanVerdict::TooLarge;
    }
    if let Some(words) = line.strip_suffix(b" ERROR") {
        return ScanVerdict::failed(words);
    }
    let Some(said) = line.strip_prefix(b"stream: ") else { return nonsense(line) };
    if let Some(name) = said.strip_suffix(b" FOUND").filter(|name| !name.is_empty()) {
        return if name.starts_with(LIMITS) { ScanVerdict::TooLarge } else { ScanVerdict::infected(name) };
    }
    match (said, after_all) {
        (b"OK", true) => ScanVerdict::Clean,
        (b"OK", false) => ScanVerdict::Error("it called clean what it had not read".to_owned()),
        _ => nonsense(line),
    }
}

fn nonsense(line: &[u8]) -> ScanVerdict {
    ScanVerdict::Error(format!("this is no answer: {}", escape_at_most(line, NONSENSE_CHARS)))
}

/// Reads the answer to `VERSION`: `ClamAV 1.0.7/27412/Mon Sep  2 08:31:00 2026`.
pub(super) fn version(octets: &[u8]) -> Option<String> {
    let line = octets.strip_suffix(b"\0")?;
    let good = line.starts_with(b"ClamAV ") && line.iter().all(|b| (b' '..0x7f).contains(b));
    good.then(|| String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_for_clean_is_clean() {
        let error = |words: &str| ScanVerdict::Error(words.to_owned());
        let infected = |name: &str| ScanVerdict::Infected(name.to_owned());
        for (octets, want) in [
            (&b"stream: OK\0"[..], ScanVerdict::Clean),
            (b"stream: Eicar-Signature FOUND\0", infected("Eicar-Signature")),
            (b"stream: Eicar(44d88612:68) FOUND\0", infected("Eicar(44d88612:68)")),
            (b"stream: A OK FOUND\0", infected("A OK")),
            (b"stream: \x1b[2J FOUND\0", infected("\\x1b[2J")),
            (b"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0", ScanVerdict::TooLarge),
            (b"INSTREAM size limit exceeded. ERROR\0", ScanVerdict::TooLarge),
            (b"stream: Can't allocate memory ERROR\0", ScanVerdict::failed(b"stream: Can't allocate memory")),
            (b"", error("it closed without an answer")),
            (b"stream: OK", error("its answer was cut")),
            (b"stream: Eic", error("its answer was cut")),
            (b"stream: OK\n", error("its answer was cut")),
            (b"stream: OK\0stream: OK\0", error("it gave several answers")),
            (b"stream: OK\nstream: OK\0", error("it gave several answers")),
            (b"stream:  OK\0", error("this is no answer: stream:  OK")),
            (b"stream: ok\0", error("this is no answer: stream: ok")),
            (b"stream:  FOUND\0", error("this is no answer: stream:  FOUND")),
            (b"OK\0", error("this is no answer: OK")),
            (b"UNKNOWN COMMAND\0", error("this is no answer: UNKNOWN COMMAND")),
            (b"HTTP/1.1 400 Bad Request\r\0", error("this is no answer: HTTP/1.1 400 Bad Request\\x0d")),
        ] {
            assert_eq!(verdict(octets, true), want, "{}", octets.escape_ascii());
            assert_ne!(verdict(octets, false), ScanVerdict::Clean);
        }
        assert!(verdict(&[b'x'; 4000], true).words().chars().count() < 250);
    }

    #[test]
    fn versions_are_one_line() {
        assert_eq!(version(b"ClamAV 1.0.7/27412/Mon\0").as_deref(), Some("ClamAV 1.0.7/27412/Mon"));
        for octets in [&b"ClamAV 1.0.7"[..], b"PONG\0", b"ClamAV \x1b\0", b""] {
            assert_eq!(version(octets), None);
        }
    }
}
