//! What rspamd is told and says: header fields of the request, JSON back
//! (docs.rspamd.com, "Protocol"). Pure.

use super::http;
use crate::mail::Path;
use crate::scan::verdict::{ScanVerdict, Scored, Symbol, milli};
use crate::verdict::Envelope;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Recipients that are told.
const RECIPIENTS_MAX: usize = 100;
/// Longest value of a field.
const VALUE_MAX: usize = 500;

/// The answer; what else is in it is left alone.
#[derive(Deserialize)]
struct Answer {
    score: f64,
    action: String,
    #[serde(default)]
    symbols: BTreeMap<String, Found>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    score: f64,
}

/// What it says when it cannot.
#[derive(Deserialize)]
struct Failed {
    error: String,
}

/// Request line and fields for a message of that many octets.
pub(super) fn request(octets: u64, envelope: Option<&Envelope>) -> Vec<u8> {
    let mut head = b"POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\n".to_vec();
    field(&mut head, "Content-Length", octets.to_string().as_bytes());
    let Some(envelope) = envelope else {
        head.extend_from_slice(b"\r\n");
        return head;
    };
    field(&mut head, "Queue-Id", envelope.id.to_string().as_bytes());
    field(&mut head, "IP", envelope.client.to_string().as_bytes());
    field(&mut head, "Hostname", envelope.client_name.as_deref().unwrap_or("unknown").as_bytes());
    field(&mut head, "Helo", envelope.hello.as_deref().unwrap_or_default().as_bytes());
    field(&mut head, "User", envelope.user.as_deref().unwrap_or_default().as_bytes());
    field(&mut head, "MTA-Name", envelope.hostname.as_bytes());
    if let Some(tls) = &envelope.tls {
        field(&mut head, "TLS-Version", tls.version.as_bytes());
        field(&mut head, "TLS-Cipher", tls.cipher.as_bytes());
    }
    field(&mut head, "From", bare(&envelope.sender).as_bytes());
    for recipient in envelope.recipients.iter().take(RECIPIENTS_MAX) {
        field(&mut head, "Rcpt", bare(recipient).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// An address without its brackets; nothing is `<>`, which it reads as the null sender.
fn bare(path: &Path) -> String {
    let text = path.to_string();
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(&text);
    if bare.is_empty() { "<>".to_owned() } else { bare.to_owned() }
}

/// One field. What a peer said and does not fit into a line is left out.
fn field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    let good = |b: &u8| *b >= b' ' && *b != 0x7f;
    if value.is_empty() || value.len() > VALUE_MAX || !value.iter().all(good) {
        return;
    }
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// Whether it lives.
pub(super) const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\n\r\n";

/// Reads the answer.
pub(in crate::scan) fn verdict(octets: &[u8], after_all: bool) -> ScanVerdict {
    let answer = match http::read(octets) {
        Ok(answer) => answer,
        Err(words) => return ScanVerdict::Error(words.to_owned()),
    };
    if let Ok(Failed { error }) = serde_json::from_slice(&answer.body) {
        return ScanVerdict::failed(error.as_bytes());
    }
    if answer.status != 200 {
        return ScanVerdict::Failed(format!("it says {} to the request", answer.status));
    }
    if !after_all {
        return ScanVerdict::Error("it judged what it had not read".to_owned());
    }
    let Ok(Answer { score, action, symbols }) = serde_json::from_slice::<Answer>(&answer.body) else {
        return ScanVerdict::Error(
            "its answer is not understood: is that rspamd's normal worker?".to_owned(),
        );
    };
    let symbols = symbols.iter().map(|(name, found)| Symbol::new(name.as_bytes(), milli(found.score)));
    let advice = Symbol::new(action.as_bytes(), 0).name;
    let mut scored = Scored { total_milli: milli(score), symbols: symbols.collect(), advice: Some(advice) };
    scored.tidy();
    ScanVerdict::Scored(Box::new(scored))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[test]
    fn symbols_and_their_scores_are_read() {
        let body = r#"{"is_skipped":false,"score":7.35,"required_score":15.0,"action":"add header","symbols":{
            "MIME_GOOD":{"name":"MIME_GOOD","score":-0.1,"metric_score":-0.1,"options":["text/plain"]},
            "GTUBE":{"score":6.0},"R_X":{"name":"R_X"}},"messages":{},"message-id":"a@b"}"#;
        let ScanVerdict::Scored(scored) = verdict(&answer("200 OK", body), true) else { panic!() };
        assert_eq!((scored.total_milli, scored.advice.as_deref()), (7_350, Some("add header")));
        let symbols: Vec<_> = scored.symbols.iter().map(|s| (&*s.name, s.milli)).collect();
        assert_eq!(symbols, [("GTUBE", 6_000), ("MIME_GOOD", -100), ("R_X", 0)]);
        assert!(!verdict(&answer("200 OK", body), false).is_answer());
    }

    #[test]
    fn everything_else_is_an_error() {
        for (status, body, want) in [
            ("500 Error", r#"{"error":"Cannot parse message"}"#, "Cannot parse message"),
            ("200 OK", r#"{"error":"no"}"#, "no"),
            ("403 Forbidden", "{}", "it says 403"),
            ("200 OK", "{}", "not understood"),
            ("200 OK", r#"{"score":"1","action":"x"}"#, "not understood"),
            ("200 OK", r#"{"score":1e999,"action":"x"}"#, "not understood"),
            ("200 OK", "pong", "not understood"),
            ("200 OK", &"[".repeat(100_000), "not understood"),
        ] {
            let said = verdict(&answer(status, body), true);
            assert!(
                matches!(&said, ScanVerdict::Error(words) | ScanVerdict::Failed(words) if words.contains(want)),
                "{body}: {said:?}"
            );
        }
    }

    #[test]
    fn a_peer_cannot_add_a_field() {
        let mut head = Vec::new();
        field(&mut head, "Helo", b"a\r\nFrom: b");
        field(&mut head, "Helo", &[b'x'; VALUE_MAX + 1]);
        field(&mut head, "Helo", b"");
        assert!(head.is_empty());
        field(&mut head, "Helo", "gr\u{fc}n".as_bytes());
        assert_eq!(head, "Helo: gr\u{fc}n\r\n".as_bytes());
        assert!(request(7, None).ends_with(b"Content-Length: 7\r\n\r\n"));
    }
}
