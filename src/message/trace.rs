//! Our `Received:` header (RFC 5321 section 4.4), and the keyed mark in it by which we know our own.
//!
//! Purpose: let every later reader find the real client, and let us see a loop through ourselves without
//! trusting what others write. State: the key, which the state directory keeps. Nothing fails: text of
//! a peer that has no place in the header's grammar is replaced, and what cannot be said safely is left out.

use crate::mail::{Domain, Host, Id, Path, push_ip, rfc5322};
use crate::verdict::Tls;
use ring::hmac;
use std::borrow::Cow;
use std::net::IpAddr;

/// Length at which we fold, in characters without CRLF (RFC 5322 section 2.1.1).
const LINE_OCTETS: usize = 78;
/// Longest peer text that is no valid name, in octets.
const TOKEN_OCTETS_MAX: usize = 64;
/// Longest forward-path that is named, in octets (RFC 5321 section 4.5.3.1.3).
const PATH_OCTETS_MAX: usize = 256;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MARK_CHARS: u32 = 10;

/// The key of our mark.
#[derive(Clone)]
pub struct TraceKey(hmac::Key);

impl TraceKey {
    /// The key that the state directory keeps.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The mark of a message: 10 Crockford characters, 50 bits of HMAC-SHA256 over its reference.
    #[must_use]
    pub fn mark(&self, id: Id) -> String {
        let tag = hmac::sign(&self.0, &id.bits().to_be_bytes());
        let bits = tag.as_ref().iter().take(7).fold(0u64, |bits, &octet| bits << 8 | u64::from(octet));
        let digit = |n: u32| ALPHABET.get((bits >> (5 * n) & 31) as usize).copied().unwrap_or(b'0');
        (0..MARK_CHARS).rev().map(|n| char::from(digit(n))).collect()
    }

    /// Whether both texts stand in a header that we wrote.
    #[must_use]
    pub fn is_ours(&self, id_text: &str, mark_text: &str) -> bool {
        id_text.parse::<Id>().is_ok_and(|id| self.mark(id).eq_ignore_ascii_case(mark_text))
    }
}

/// What one `Received:` header tells.
#[derive(Clone, Copy)]
pub struct Trace<'a> {
    /// What the client said to HELO or EHLO; untrusted.
    pub helo: Option<&'a [u8]>,
    /// Address of the client.
    pub client_ip: IpAddr,
    /// Its forward-confirmed reverse name.
    pub client_name: Option<&'a str>,
    /// Our name.
    pub hostname: &'a str,
    /// See [`protocol`].
    pub protocol: &'static str,
    /// TLS of the client leg.
    pub tls: Option<&'a Tls>,
    /// Our reference of the message.
    pub id: Id,
    /// The recipient, where there is only one (RFC 5321 section 7.2 on blind copies).
    pub only_recipient: Option<&'a Path>,
    /// When we took it, in milliseconds since 1970.
    pub unix_ms: i64,
}

/// The header: folded lines, each with CRLF, printable ASCII and tabs only, at most 1.5 KB.
#[must_use]
pub fn received(trace: &Trace, key: &TraceKey) -> Vec<u8> {
    let literal = literal(trace.client_ip);
    let mut out = Folded { out: String::with_capacity(512), column: 0 };
    out.word("Received: from");
    match trace.helo {
        Some(helo) => out.word(&hello_token(helo)),
        None => out.word(&literal),
    }
    match trace.client_name.and_then(|name| Domain::parse(name.as_bytes()).ok()) {
        Some(name) => {
            out.joined(&["(", name.as_str()]);
            out.joined(&[&literal, ")"]);
        }
        None => out.joined(&["(", &literal, ")"]),
    }
    if let Some(tls) = trace.tls {
        out.fold();
        out.joined(&["(using ", &token(tls.version.as_bytes())]);
        out.joined(&["with cipher ", &token(tls.cipher.as_bytes()), ")"]);
    }
    out.fold();
    out.joined(&["by ", &hello_token(trace.hostname.as_bytes())]);
    out.word("(Portcullis)");
    out.joined(&["with ", trace.protocol]);
    let (id, mark) = (trace.id.to_string(), key.mark(trace.id));
    match trace.only_recipient.and_then(path_text) {
        Some(path) => {
            out.joined(&["id ", &id, ".", &mark]);
            out.fold();
            out.joined(&["for <", &path, ">;"]);
        }
        None => {
            out.joined(&["id ", &id, ".", &mark, ";"]);
            out.fold();
        }
    }
    out.word(&rfc5322(trace.unix_ms));
    out.finish()
}

/// The name of the protocol that a message came by (RFC 3848, RFC 6531 section 4.3). TLS or AUTH without
/// EHLO have no name of their own.
#[must_use]
#[expect(clippy::fn_params_excessive_bools, reason = "four independent facts of one session")]
pub fn protocol(esmtp: bool, tls: bool, authenticated: bool, smtputf8: bool) -> &'static str {
    match (esmtp, smtputf8, tls, authenticated) {
        (false, ..) => "SMTP",
        (true, false, false, false) => "ESMTP",
        (true, false, false, true) => "ESMTPA",
        (true, false, true, false) => "ESMTPS",
        (true, false, true, true) => "ESMTPSA",
        (true, true, false, false) => "UTF8SMTP",
        (true, true, false, true) => "UTF8SMTPA",
        (true, true, true, false) => "UTF8SMTPS",
        (true, true, true, true) => "UTF8SMTPSA",
    }
}

fn literal(ip: IpAddr) -> String {
    let ip = crate::mail::unmapped(ip);
    let mut out = String::with_capacity(24);
    out.push_str(if ip.is_ipv4() { "[" } else { "[IPv6:" });
    push_ip(&mut out, ip);
    out.push(']');
    out
}

/// A HELO name in the header's grammar: a domain as it was sent (an internationalised one as A-labels), an
/// address literal, or else a token of harmless characters.
fn hello_token(helo: &[u8]) -> Cow<'_, str> {
    if let Ok(domain) = Domain::parse(helo) {
        let plain = helo.is_ascii().then(|| std::str::from_utf8(helo).ok()).flatten();
        return plain.map_or_else(|| Cow::Owned(domain.as_str().to_owned()), Cow::Borrowed);
    }
    let inner = helo.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]"));
    let good = |t: &&[u8]| {
        (1..=TOKEN_OCTETS_MAX).contains(&t.len())
            && t.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-'))
    };
    match inner.filter(good).and_then(|_| std::str::from_utf8(helo).ok()) {
        Some(literal) => Cow::Borrowed(literal),
        None => Cow::Owned(token(helo)),
    }
}

/// Letters, digits, hyphens, dots and underscores; anything else becomes an underscore. Never empty.
fn token(text: &[u8]) -> String {
    if text.is_empty() {
        return "unknown".to_owned();
    }
    let clean =
        |&b: &u8| if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.') { char::from(b) } else { '_' };
    text.iter().take(TOKEN_OCTETS_MAX).map(clean).collect()
}

/// The mailbox as it was sent, or `None` if it cannot stand in an ASCII header.
fn path_text(path: &Path) -> Option<String> {
    let mailbox = path.mailbox()?;
    let local = std::str::from_utf8(mailbox.local()).ok()?;
    let text = match mailbox.host() {
        Host::Name(domain) => [local, "@", domain.as_str()].concat(),
        Host::Literal(text) => [local, "@", std::str::from_utf8(text).ok()?].concat(),
        Host::Unqualified => local.to_owned(),
    };
    let safe = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    (safe && text.len() <= PATH_OCTETS_MAX).then_some(text)
}

/// Words with blanks between them, folded where a line would be too long.
#[derive(Default)]
struct Folded {
    out: String,
    /// Characters of the line so far; 0 for a line that is only begun.
    column: usize,
}

impl Folded {
    fn word(&mut self, word: &str) {
        self.joined(&[word]);
    }

    /// One word in several parts.
    fn joined(&mut self, parts: &[&str]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if self.column > 0 && self.column + 1 + len > LINE_OCTETS {
            self.fold();
        }
        if self.column > 0 {
            self.out.push(' ');
            self.column += 1;
        }
        parts.iter().for_each(|part| self.out.push_str(part));
        // A tab that begins a folded line counts as one character.
        self.column += len + usize::from(self.column == 0 && self.out.len() > len);
    }

    fn fold(&mut self) {
        self.out.push_str("\r\n\t");
        self.column = 0;
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push_str("\r\n");
        self.out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Scramble;
    use proptest::prelude::*;

    const MS: i64 = 1_795_291_200_123;

    fn id() -> Id {
        "7F3K9QAB".parse().unwrap()
    }

    fn trace() -> Trace<'static> {
        Trace {
            helo: Some(b"Mx.example.com"),
            client_ip: "192.0.2.1".parse().unwrap(),
            client_name: Some("mx.example.com"),
            hostname: "gate.example.net",
            protocol: "ESMTPS",
            tls: None,
            id: id(),
            only_recipient: None,
            unix_ms: MS,
        }
    }

    fn written(trace: &Trace) -> String {
        let key = TraceKey::new([7; 32]);
        let text = String::from_utf8(received(trace, &key)).unwrap();
        assert!(text.ends_with("\r\n"));
        text.replace(&key.mark(id()), "MARK")
    }

    #[test]
    fn the_header_tells_who_how_and_when() {
        let tls = Tls { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384".into() };
        let (path, _) = Path::parse(b"<x@Y.example>").unwrap();
        assert_eq!(
            written(&Trace { tls: Some(&tls), only_recipient: Some(&path), ..trace() }),
            "Received: from Mx.example.com (mx.example.com [192.0.2.1])\r\n\
             \t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384)\r\n\
             \tby gate.example.net (Portcullis) with ESMTPS id 7F3K9QAB.MARK\r\n\
             \tfor <x@y.example>; Sat, 21 Nov 2026 20:00:00 +0000\r\n"
        );
        let ip = "2001:db8::1".parse().unwrap();
        assert_eq!(
            written(&Trace { client_ip: ip, client_name: None, helo: None, ..trace() }),
            "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\
             \tby gate.example.net (Portcullis) with ESMTPS id 7F3K9QAB.MARK;\r\n\
             \tSat, 21 Nov 2026 20:00:00 +0000\r\n"
        );
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert!(written(&Trace { client_ip: mapped, ..trace() }).contains("[192.0.2.1]"));
    }

    #[test]
    fn what_a_peer_calls_itself_cannot_break_the_header() {
        for (helo, want) in [
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("a b", "a_b"),
            ("x) by evil (y", "x__by_evil__y"),
            ("x\r\nSubject: y", "x__Subject__y"),
            ("", "unknown"),
            ("\u{202e}x", "___x"),
            ("[a(b)]", "_a_b__"),
            ("a\\", "a_"),
            ("my_pc.local", "my_pc.local"),
        ] {
            assert_eq!(hello_token(helo.as_bytes()), want, "{helo:?}");
        }
        assert_eq!(hello_token(&[b'('; 2000]).len(), TOKEN_OCTETS_MAX);
        assert!(!written(&Trace { client_name: Some("x) y"), ..trace() }).contains("x)"));
    }

    #[test]
    fn a_recipient_is_named_if_ascii_can_say_it() {
        for (path, want) in [
            ("<\"a b\"@c.example>", Some("\"a b\"@c.example")),
            ("<@hop.example:a@c.example>", Some("a@c.example")),
            ("<postmaster>", Some("postmaster")),
            ("<a@[192.0.2.1]>", Some("a@[192.0.2.1]")),
            ("<\u{fc}@c.example>", None),
            ("<>", None),
        ] {
            let (path, _) = Path::parse(path.as_bytes()).unwrap();
            assert_eq!(path_text(&path).as_deref(), want);
        }
    }

    #[test]
    fn protocols_have_their_registered_names() {
        for (esmtp, tls, auth, utf8, want) in [
            (false, true, true, true, "SMTP"),
            (true, false, false, false, "ESMTP"),
            (true, true, false, false, "ESMTPS"),
            (true, true, true, false, "ESMTPSA"),
            (true, false, true, false, "ESMTPA"),
            (true, true, true, true, "UTF8SMTPSA"),
            (true, false, false, true, "UTF8SMTP"),
        ] {
            assert_eq!(protocol(esmtp, tls, auth, utf8), want);
        }
    }

    #[test]
    fn only_our_own_marks_are_ours() {
        let (ours, other) = (TraceKey::new([1; 32]), TraceKey::new([2; 32]));
        let mark = ours.mark(id());
        assert_eq!(mark.len(), 10);
        assert!(mark.bytes().all(|b| ALPHABET.contains(&b)));
        assert!(ours.is_ours("7F3K9QAB", &mark) && ours.is_ours("7f3k9qab", &mark.to_lowercase()));
        for (id_text, mark_text) in
            [("7F3K9QAC", mark.as_str()), ("7F3K9QAB", "0000000000"), ("", ""), ("7F3K9QAB", "")]
        {
            assert!(!ours.is_ours(id_text, mark_text), "{id_text} {mark_text}");
        }
        assert!(!other.is_ours("7F3K9QAB", &mark));
    }

    proptest! {
        #[test]
        fn any_facts_make_one_bounded_ascii_header(
            helo in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..400)),
            name in proptest::option::of("\\PC{0,80}|[a-z.]{1,250}"),
            host in "[a-z]{1,60}(\\.[a-z]{1,60}){0,3}",
            ip: IpAddr, n: u64, ms: i64,
        ) {
            let path = Path::parse(format!("<{}@{host}>", "l".repeat(60)).as_bytes()).ok();
            let trace = Trace {
                helo: helo.as_deref(), client_name: name.as_deref(), client_ip: ip, hostname: &host,
                id: Scramble::new(1).id(n), unix_ms: ms, only_recipient: path.as_ref().map(|(p, _)| p), ..trace()
            };
            let text = received(&trace, &TraceKey::new([1; 32]));
            prop_assert!(text.len() < 1536);
            prop_assert!(text.is_ascii());
            let lines: Vec<&[u8]> = text.strip_suffix(b"\r\n").unwrap().split(|&b| b == b'\n').collect();
            for (at, line) in lines.iter().enumerate() {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                prop_assert_eq!(at > 0, line.starts_with(b"\t"));
                prop_assert!(line.len() <= 78 || line.iter().filter(|b| **b == b' ').count() <= 2);
                prop_assert!(line.iter().skip(1).all(|b| (32..127).contains(b)));
            }
        }
    }
}
