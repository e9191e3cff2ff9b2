//! What the vault keeps of a message: everything that is known of it, as one value.
//!
//! Purpose: quarantine, holds, copies and mail of an outage begin here, from the session and its transaction. Pure but
//! for nothing: time and texts are passed in. Nothing fails; what is not known is left empty.

use crate::config::model::{Listener, Policy, QuarantineFolder};
use crate::mail::{Id, escape};
use crate::message::header::HeaderSummary;
use crate::smtp::command::{Command, Mail, Rcpt};
use crate::smtp::param::{Body as Encoding, Parameters};
use crate::vault::{
    BodyKind, ClientView, Delivery, EnvelopeView, FindingView, HeaderView, Hold, Item, Line, Priority,
    Progress, RecipientView, Spool, SpoolCause,
};
use crate::verdict::{Client, Finding, Tls};
use std::time::Duration;

/// Longest reason that is kept, in characters; the log has it whole.
const REASON_CHARS_MAX: usize = 400;
/// Findings that are kept of one message.
const FINDINGS_MAX: usize = 250;

/// A message with its session, as far as the vault wants to know.
pub(super) struct Seen<'a> {
    pub(super) id: Id,
    pub(super) session: Id,
    pub(super) now_ms: i64,
    pub(super) generation: u64,
    pub(super) policy: &'a Policy,
    pub(super) listener: &'a Listener,
    pub(super) client: &'a Client,
    pub(super) helo: Option<&'a [u8]>,
    pub(super) user: Option<&'a str>,
    pub(super) authenticated: bool,
    pub(super) tls: Option<&'a Tls>,
    pub(super) mail: &'a Mail,
    /// MAIL as it goes down, without SIZE.
    pub(super) mail_line: &'a [u8],
    /// RCPT lines and their paths, those that were accepted.
    pub(super) recipients: Vec<(&'a [u8], String)>,
    pub(super) needs: &'a [&'static str],
    pub(super) header: Option<&'a HeaderSummary>,
    /// Our `Received:` field.
    pub(super) trace: Vec<u8>,
    /// Findings of the session, then of the transaction.
    pub(super) findings: Vec<&'a Finding>,
    /// The one that decided.
    pub(super) decided: Option<&'a Finding>,
}

/// Where it goes, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose<'a> {
    /// Into a folder, instead of being delivered.
    Folder(&'a str),
    /// A copy into a folder, beside what becomes of the message.
    Copy(&'a str),
    /// Scanned again by itself.
    Hold,
    /// Delivered when the downstream is back.
    Outage,
}

impl Purpose<'_> {
    /// The folder of the vault.
    pub(super) fn folder(&self) -> &str {
        match self {
            Self::Folder(name) | Self::Copy(name) => name,
            Self::Hold => QuarantineFolder::HELD,
            Self::Outage => QuarantineFolder::SPOOL,
        }
    }
}

/// The item. `size`, `digest`, `order` and `likeness` are the vault's to fill in.
pub(super) fn item(seen: &Seen<'_>, purpose: Purpose<'_>) -> Item {
    let decided = seen.decided;
    Item {
        id: seen.id,
        version: 0,
        order: 0,
        folder: purpose.folder().to_owned(),
        received_ms: seen.now_ms,
        rule: decided.map(|f| f.id.to_string()).unwrap_or_default(),
        reason: decided.map(|f| cut(&f.reason)).unwrap_or_else(|| reason(purpose).to_owned()),
        source: decided.map(place).unwrap_or_default(),
        generation: seen.generation,
        copy: matches!(purpose, Purpose::Copy(_)),
        size: 0,
        digest: String::new(),
        trace: Line(seen.trace.clone()),
        client: client(seen),
        envelope: envelope(seen),
        recipients: seen.recipients.iter().map(|(line, path)| recipient(line, path)).collect(),
        header: header(seen.header),
        findings: seen.findings.iter().take(FINDINGS_MAX).map(|f| finding(f)).collect(),
        score_milli: seen.findings.iter().fold(0, |sum: i32, f| sum.saturating_add(f.score_milli)),
        tags: tags(&seen.findings),
        likeness: [0; 3],
        spool: (purpose == Purpose::Outage).then(|| spool(seen)),
        hold: (purpose == Purpose::Hold).then(|| hold(seen)),
        trash: None,
        history: Vec::new(),
    }
}

fn reason(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Outage => "the downstream could not be reached",
        Purpose::Folder(_) | Purpose::Copy(_) | Purpose::Hold => "",
    }
}

fn client(seen: &Seen<'_>) -> ClientView {
    let client = seen.client;
    ClientView {
        session: seen.session.to_string(),
        ip: Some(client.ip),
        port: client.port,
        name: client.name.known().map(|name| escape(name.as_bytes())),
        helo: seen.helo.map(escape),
        user: seen.user.filter(|_| seen.authenticated).map(|user| escape(user.as_bytes())),
        tls: seen.tls.map(|tls| format!("{} {}", tls.version, tls.cipher)),
        listener: seen.listener.name.to_string(),
        direction: Some(seen.listener.direction),
        downstream: seen.listener.downstream.to_string(),
        // Whoever proved who he is, or whose network is ours, gets his report; a forged sender never does.
        answerable: seen.authenticated || (client.may_relay && !client.balancer),
    }
}

fn envelope(seen: &Seen<'_>) -> EnvelopeView {
    let facts = &seen.mail.facts;
    let parameters = &seen.mail.parameters;
    let ret = text(parameters, "RET");
    EnvelopeView {
        from: seen.mail.path.to_string(),
        line: Line(seen.mail_line.to_vec()),
        body: match facts.body {
            Encoding::SevenBit => BodyKind::SevenBit,
            // BINARYMIME is never offered; what came as such would be 8-bit at the least.
            Encoding::EightBitMime | Encoding::BinaryMime => BodyKind::EightBit,
        },
        smtputf8: facts.smtputf8,
        requiretls: facts.requiretls,
        needs: seen.needs.iter().map(|&need| need.to_owned()).collect(),
        ret_headers: ret.is_some_and(|ret| ret.eq_ignore_ascii_case("HDRS")),
        envid: text(parameters, "ENVID"),
    }
}

fn recipient(line: &[u8], path: &str) -> RecipientView {
    let parsed = line.strip_suffix(b"\r\n").map(|text| Command::parse(text, line));
    let parameters = match &parsed {
        Some(Command::Rcpt(Rcpt { parameters, .. })) => Some(parameters),
        _ => None,
    };
    RecipientView {
        rcpt: path.to_owned(),
        line: Line(line.to_vec()),
        notify: parameters.and_then(|p| text(p, "NOTIFY")).map(|notify| notify.to_ascii_uppercase()),
        orcpt: parameters.and_then(|p| text(p, "ORCPT")),
    }
}

/// The value of a parameter as it came; esmtp-value is printable ASCII (RFC 5321 section 4.1.2).
fn text(parameters: &Parameters, keyword: &str) -> Option<String> {
    let value = parameters.get(keyword)?.value.as_deref()?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn header(summary: Option<&HeaderSummary>) -> HeaderView {
    let clean = |text: &Option<String>| text.as_deref().map(|text| crate::mail::escape_at_most(text.as_bytes(), 200));
    summary.map_or_else(HeaderView::default, |summary| HeaderView {
        message_id: clean(&summary.message_id),
        subject: clean(&summary.subject),
        from: clean(&summary.from),
    })
}

fn finding(finding: &Finding) -> FindingView {
    FindingView {
        id: finding.id.to_string(),
        verdict: finding.verdict.name().to_owned(),
        file: finding.source.file.to_string(),
        line: finding.source.line,
        text: cut(&finding.reason),
        told_only: !finding.enforced,
    }
}

/// `protocol.toml:12`, `limits.toml`; nothing of what is built in.
fn place(finding: &Finding) -> String {
    crate::checks::place(finding).unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

fn tags(findings: &[&Finding]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in findings.iter().filter(|f| f.enforced).flat_map(|f| &f.tags) {
        if !tags.iter().any(|seen| **seen == **tag) {
            tags.push(tag.to_string());
        }
    }
    tags
}

/// Everybody who was accepted, to be tried after the first pause: the downstream was asked just now.
fn spool(seen: &Seen<'_>) -> Spool {
    let rules = &seen.policy.quarantine.spool;
    let delivery = |(line, path): &(&[u8], String)| Delivery {
        rcpt: path.clone(),
        line: Line(line.to_vec()),
        progress: Progress::Waiting,
        ..Delivery::default()
    };
    Spool {
        cause: SpoolCause::Outage,
        since_ms: seen.now_ms,
        downstream: seen.listener.downstream.to_string(),
        deliveries: seen.recipients.iter().map(delivery).collect(),
        attempts: 0,
        next_ms: after(seen.now_ms, rules.retry.first().copied().unwrap_or_default()),
        expires_ms: after(seen.now_ms, rules.expire),
        priority: Priority::Normal,
        ..Spool::default()
    }
}

fn hold(seen: &Seen<'_>) -> Hold {
    let rules = &seen.policy.quarantine.hold;
    Hold {
        scanner: seen.decided.map(|f| f.id.to_string()).unwrap_or_default(),
        scans: 1,
        next_ms: after(seen.now_ms, rules.retry),
        told_ms: after(seen.now_ms, rules.max_age),
        last: seen
            .decided
            .map(|f| crate::vault::Attempt { at_ms: seen.now_ms, said: cut(&f.reason) }),
    }
}

fn after(now_ms: i64, pause: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}
