//! Messages that we write ourselves: delivery reports (RFC 3464 in multipart/report, RFC 3462), the digest of events
//! for an admin, and the summary of a quarantine for its recipient.
//!
//! Pure values in, octets out. Printable ASCII with CRLF, lines of at most 78 octets (a header that goes back as it
//! came: 998): they pass every server. Text of peers that stands in them is escaped or replaced, so that it can be
//! neither a header, a link, markup nor a terminal's command. Nothing fails.

use super::mime::neutral;
use super::quoted::{ascii, header_text, quoted_printable};
use crate::mail::{Id, rfc5322};

/// Longest line of a header that goes back, in octets (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was not delivered, and will not be.
    Failed,
    /// It was not delivered yet.
    Delayed,
}

/// One recipient of a report.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// Mailbox, escaped.
    pub rcpt: &'a str,
    /// ORCPT as it came (RFC 3461 section 4.2).
    pub orcpt: Option<&'a str>,
    /// The reply that decided, or the last one.
    pub said: &'a str,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Tried until then; milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Nobody refused it; its time was over.
    pub given_up: bool,
}

/// A delivery report.
#[derive(Debug, Clone, Copy)]
pub struct Dsn<'a> {
    /// What it says.
    pub kind: Kind,
    /// Its reference.
    pub id: Id,
    /// Our name.
    pub hostname: &'a str,
    /// Whom it goes to, escaped.
    pub sender: &'a str,
    /// ENVID as it came (RFC 3461 section 4.4).
    pub envid: Option<&'a str>,
    /// When the message came, milliseconds since 1970.
    pub arrival_ms: i64,
    /// When the report is written.
    pub now_ms: i64,
    /// About whom; all of one kind.
    pub recipients: &'a [Recipient<'a>],
    /// The message or its header, as it came; without octets beyond ASCII the whole goes back.
    pub original: &'a [u8],
}

/// Whether a recipient's NOTIFY (as it came, `None` where it did not) asks for such a report (RFC 3461 section 4.1).
#[must_use]
pub fn is_wanted(kind: Kind, notify: Option<&str>) -> bool {
    let Some(notify) = notify else { return true };
    let has = |word: &str| notify.split(',').any(|w| w.trim().eq_ignore_ascii_case(word));
    !has("NEVER")
        && match kind {
            Kind::Failed => has("FAILURE"),
            Kind::Delayed => has("DELAY"),
        }
}

/// Octets of the header block, the empty line not included; all where there is no empty line.
#[must_use]
pub fn header_length(message: &[u8]) -> usize {
    if message.starts_with(b"\r\n") {
        return 0;
    }
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2)
}

/// Writes a delivery report.
#[must_use]
pub fn dsn(report: &Dsn<'_>) -> Vec<u8> {
    let boundary = format!("=_report_{}", report.id);
    let mut out = String::with_capacity(4096);
    let subject = match report.kind {
        Kind::Failed => "Undelivered mail",
        Kind::Delayed => "Delayed mail (still being tried)",
    };
    head(&mut out, report.hostname, report.sender, report.id, report.now_ms, subject, "auto-replied");
    out.push_str("Content-Type: multipart/report; report-type=delivery-status;\r\n");
    out.push_str(&format!("\tboundary=\"{boundary}\"\r\n\r\n"));
    out.push_str(&format!("--{boundary}\r\n"));
    out.push_str(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    out.push_str(&quoted_printable(&words(report)));
    out.push_str(&format!("\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"));
    out.push_str(&status(report));
    out.push_str(&format!("\r\n--{boundary}\r\n"));
    original(&mut out, report.original);
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    out.into_bytes()
}

fn head(out: &mut String, host: &str, to: &str, id: Id, now_ms: i64, subject: &str, auto: &str) {
    let to = if to.is_ascii() && !to.contains(['\\', '"', '(', ',', ';']) { to } else { "" };
    out.push_str(&format!("From: Mail gateway <postmaster@{host}>\r\n"));
    match to {
        "" => out.push_str("To: undisclosed-recipients:;\r\n"),
        to => out.push_str(&format!("To: <{to}>\r\n")),
    }
    out.push_str(&format!("Subject: {subject}\r\n"));
    out.push_str(&format!("Date: {}\r\nMessage-ID: <{id}@{host}>\r\n", rfc5322(now_ms)));
    out.push_str(&format!("Auto-Submitted: {auto}\r\nX-Portcullis-Notice: {host}\r\nMIME-Version: 1.0\r\n"));
}

/// For people.
fn words(report: &Dsn<'_>) -> String {
    let mut out = format!("This is the mail gateway {}.\n\n", report.hostname);
    out.push_str(match report.kind {
        Kind::Failed => "Your message could not be delivered to these recipients:\n\n",
        Kind::Delayed => {
            "Your message has not been delivered to these recipients yet. It is tried again by itself; you need not do anything:\n\n"
        }
    });
    for recipient in report.recipients {
        out.push_str(&format!("  {}\n    {}\n", recipient.rcpt, recipient.said));
        if recipient.given_up {
            out.push_str("    It was tried again and again, and is given up now.\n");
        }
        if let Some(until) = recipient.until_ms {
            out.push_str(&format!("    It will be tried until {}.\n", rfc5322(until)));
        }
    }
    out
}

/// For programs (RFC 3464 section 2).
fn status(report: &Dsn<'_>) -> String {
    let mut out = format!("Reporting-MTA: dns; {}\r\n", report.hostname);
    if let Some(envid) = report.envid {
        out.push_str(&format!("Original-Envelope-Id: {}\r\n", header_text(&unxtext(envid))));
    }
    out.push_str(&format!("Arrival-Date: {}\r\n", rfc5322(report.arrival_ms)));
    for recipient in report.recipients {
        out.push_str("\r\n");
        if let Some((kind, address)) = recipient.orcpt.and_then(|o| o.split_once(';')) {
            out.push_str(&format!(
                "Original-Recipient: {}; {}\r\n",
                header_text(kind),
                header_text(&unxtext(address))
            ));
        }
        out.push_str(&format!("Final-Recipient: rfc822; {}\r\n", header_text(recipient.rcpt)));
        let action = match report.kind {
            Kind::Failed => "failed",
            Kind::Delayed => "delayed",
        };
        out.push_str(&format!("Action: {action}\r\nStatus: {}\r\n", status_of(report.kind, recipient)));
        out.push_str(&format!("Diagnostic-Code: smtp; {}\r\n", header_text(recipient.said)));
        out.push_str(&format!("Last-Attempt-Date: {}\r\n", rfc5322(recipient.at_ms)));
        if let Some(until) = recipient.until_ms {
            out.push_str(&format!("Will-Retry-Until: {}\r\n", rfc5322(until)));
        }
    }
    out
}

/// The enhanced code of a reply where it has one of the right class (RFC 3463).
fn status_of(kind: Kind, recipient: &Recipient<'_>) -> String {
    let class = match kind {
        Kind::Failed => '5',
        Kind::Delayed => '4',
    };
    // RFC 3463: delivery time expired.
    let general = || if recipient.given_up { "5.4.7".to_owned() } else { format!("{class}.0.0") };
    let code = recipient.said.split(' ').nth(1).unwrap_or_default();
    let parts: Vec<&str> = code.split('.').collect();
    let numbers = parts.iter().all(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    let good = parts.len() == 3 && numbers && code.starts_with(class);
    if good { code.to_owned() } else { general() }
}

/// What came, if it passes as it is; else what can be said of its header.
fn original(out: &mut String, message: &[u8]) {
    let header = header_length(message);
    let whole = message.len() > header && is_plain(message);
    let kind = if whole { "message/rfc822" } else { "text/rfc822-headers" };
    out.push_str(&format!("Content-Type: {kind}\r\n\r\n"));
    let shown = if whole { message } else { message.get(..header).unwrap_or(message) };
    for line in shown.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        out.push_str(&ascii(line.get(..line.len().min(LINE_MAX)).unwrap_or(line)));
        out.push_str("\r\n");
    }
}

/// Seven bits, no control characters but tab, lines that are short enough.
fn is_plain(message: &[u8]) -> bool {
    let good = |b: &u8| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~');
    message.iter().all(good) && message.split(|&b| b == b'\n').all(|line| line.len() <= LINE_MAX)
}

/// xtext (RFC 3461 section 4): `+41` is `A`.
fn unxtext(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'+').and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(octet) => {
                out.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// One event for an admin.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Which message.
    pub id: Option<Id>,
    /// What, escaped.
    pub text: &'a str,
}

/// The digest of events for an admin. `lost` are events that had no room.
#[must_use]
pub fn notice(host: &str, to: &str, id: Id, now_ms: i64, events: &[Line<'_>], lost: u64) -> Vec<u8> {
    let mut out = String::new();
    let subject = format!("Portcullis on {host}: {} events", events.len() as u64 + lost);
    head(&mut out, host, to, id, now_ms, &subject, "auto-generated");
    out.push_str(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    let mut text = String::from("What happened since the last digest:\n\n");
    if lost > 0 {
        text.push_str(&format!("{lost} older events had no room here; see the log.\n"));
    }
    for event in events {
        let id = event.id.map(|id| format!("{id} ")).unwrap_or_default();
        let what = neutral(event.text).replace(['\n', '\t'], " ");
        text.push_str(&format!("{}  {id}{what}\n", rfc5322(event.at_ms)));
    }
    text.push_str("\nportcullis quarantine show ID and portcullis spool list say more.\n");
    out.push_str(&quoted_printable(&text));
    out.into_bytes()
}

/// A message with the same said in two ways.
#[must_use]
pub fn summary(host: &str, to: &str, id: Id, now_ms: i64, subject: &str, [text, html]: [&str; 2]) -> Vec<u8> {
    let boundary = format!("=_summary_{id}");
    let mut out = String::with_capacity(text.len() + html.len() + 2048);
    head(&mut out, host, to, id, now_ms, subject, "auto-generated");
    out.push_str(&format!("Content-Type: multipart/alternative;\r\n\tboundary=\"{boundary}\"\r\n"));
    for (kind, content) in [("plain", text), ("html", html)] {
        out.push_str(&format!("\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"));
        out.push_str("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        out.push_str(&quoted_printable(content));
    }
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Scramble;

    fn report(kind: Kind, said: &'static str, original: &[u8]) -> String {
        let recipients = [Recipient {
            rcpt: "bob@example.org",
            orcpt: Some("rfc822;Bob+2Bx@example.org"),
            said,
            at_ms: 1_795_291_200_000,
            until_ms: (kind == Kind::Delayed).then_some(1_795_291_300_000),
            given_up: false,
        }];
        let text = dsn(&Dsn {
            kind,
            id: Scramble::new(1).id(1),
            hostname: "gw.example.net",
            sender: "alice@example.com",
            envid: Some("QQ+3D1"),
            arrival_ms: 1_795_291_000_000,
            now_ms: 1_795_291_200_000,
            recipients: &recipients,
            original,
        });
        assert!(text.is_ascii());
        assert!(text.split(|&b| b == b'\n').all(|l| l.len() <= 999));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_failure_is_reported_as_rfc_3464_says() {
        let text = report(Kind::Failed, "550 5.1.1 no such user", b"Subject: x\r\n\r\nbody\r\n");
        for part in [
            "To: <alice@example.com>\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "Content-Type: multipart/report; report-type=delivery-status;\r\n",
            "Reporting-MTA: dns; gw.example.net\r\nOriginal-Envelope-Id: QQ=1\r\n",
            "\r\n\r\nOriginal-Recipient: rfc822; Bob+x@example.org\r\nFinal-Recipient: rfc822; bob@example.org\r\n",
            "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
            "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("Will-Retry-Until"));
    }

    #[test]
    fn a_delay_says_until_when_and_a_code_of_another_class_is_not_taken() {
        let text = report(Kind::Delayed, "550 5.1.1 odd", b"Subject: x\r\n");
        assert!(text.contains("Action: delayed\r\nStatus: 4.0.0\r\n") && text.contains("Will-Retry-Until: "));
        assert!(text.contains("Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n"), "{text}");
    }

    #[test]
    fn what_does_not_pass_everywhere_goes_back_as_a_header() {
        let text = report(Kind::Failed, "550 no", "Subject: größe\r\n\r\nKörper\r\n".as_bytes());
        assert!(
            text.contains("text/rfc822-headers") && text.contains("Subject: gr??") && !text.contains("rper")
        );
        assert!(text.contains("Status: 5.0.0"));
        let long = format!("Subject: x\r\n\r\n{}\r\n", "a".repeat(2000));
        assert!(report(Kind::Failed, "550 no", long.as_bytes()).contains("text/rfc822-headers"));
    }

    #[test]
    fn who_asked_for_what() {
        for (notify, failed, delayed) in [
            (None, true, true),
            (Some("NEVER"), false, false),
            (Some("FAILURE"), true, false),
            (Some("FAILURE,DELAY"), true, true),
            (Some("SUCCESS"), false, false),
            (Some("delay"), false, true),
        ] {
            assert_eq!(is_wanted(Kind::Failed, notify), failed, "{notify:?}");
            assert_eq!(is_wanted(Kind::Delayed, notify), delayed, "{notify:?}");
        }
    }

    #[test]
    fn a_notice_is_plain_ascii_whatever_stands_in_it() {
        let id = Scramble::new(1).id(2);
        let events = [Line { at_ms: 0, id: Some(id), text: "größe = \u{1b}[2J".repeat(20).leak() }];
        let text = notice("gw.example.net", "root@example.org", id, 0, &events, 3);
        assert!(text.is_ascii() && !text.contains(&0x1b));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("4 events") && text.lines().all(|l| l.len() <= 78), "{text}");
    }
}
