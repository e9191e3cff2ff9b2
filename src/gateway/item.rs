//! What the vault keeps of a message: everything that is known of it, as one value.
//!
//! Purpose: quarantine, holds, copies and mail of an outage begin here, from the session and its transaction. Pure but
//! for nothing: time and texts are passed in. Nothing fails; what is not known is left empty.

use crate::config::model::{Listener, Policy, QuarantineFolder};
use crate::desk::finding_view;
use crate::mail::{Id, escape};
use crate::message::header::HeaderSummary;
use crate::smtp::command::{Command, Mail, Rcpt};
use crate::smtp::param::{Body as Encoding, Parameters};
use crate::vault::{
    BodyKind, ClientView, Delivery, EnvelopeView, HeaderView, Hold, Item, Line, Priority, Progress,
    RecipientView, Spool, SpoolCause,
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
    /// SPF or DKIM prove the domain of the reverse-path.
    pub(super) sender_proved: bool,
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
    /// Judged again by itself; what discards it then, if nothing else is found.
    Hold(Option<&'a Finding>),
    /// Delivered when the downstream is back.
    Outage,
    /// Delivered at once, in a session of our own.
    Rest,
}

impl Purpose<'_> {
    /// The folder of the vault.
    pub(super) fn folder(&self) -> &str {
        match self {
            Self::Folder(name) | Self::Copy(name) => name,
            Self::Hold(_) => QuarantineFolder::HELD,
            Self::Outage | Self::Rest => QuarantineFolder::SPOOL,
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
        findings: seen.findings.iter().take(FINDINGS_MAX).map(|f| finding_view(f)).collect(),
        score_milli: seen.findings.iter().fold(0, |sum: i32, f| sum.saturating_add(f.score_milli)),
        tags: tags(&seen.findings),
        likeness: [0; 3],
        spool: match purpose {
            Purpose::Outage => Some(spool(seen, SpoolCause::Outage)),
            Purpose::Rest => Some(spool(seen, SpoolCause::Rest)),
            Purpose::Folder(_) | Purpose::Copy(_) | Purpose::Hold(_) => None,
        },
        hold: match purpose {
            Purpose::Hold(discard) => Some(hold(seen, discard)),
            Purpose::Folder(_) | Purpose::Copy(_) | Purpose::Outage | Purpose::Rest => None,
        },
        trash: None,
        history: Vec::new(),
    }
}

fn reason(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Outage => "the downstream could not be reached",
        Purpose::Rest => "its other recipients get it in another form",
        Purpose::Folder(_) | Purpose::Copy(_) | Purpose::Hold(_) => "",
    }
}

fn client(seen: &Seen<'_>) -> ClientView {
    let client = seen.client;
    let may_relay = client.may_relay && !client.balancer;
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
        authenticated: seen.authenticated,
        may_relay,
        // Whoever proved who he is, or whose network is ours, gets his report; a forged sender never does.
        answerable: seen.authenticated || seen.sender_proved || may_relay,
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
    let clean =
        |text: &Option<String>| text.as_deref().map(|text| crate::mail::escape_at_most(text.as_bytes(), 200));
    summary.map_or_else(HeaderView::default, |summary| HeaderView {
        message_id: clean(&summary.message_id),
        subject: clean(&summary.subject),
        from: clean(&summary.from),
    })
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

/// Everybody, to be tried at once, or after the first pause where the downstream was asked just now.
fn spool(seen: &Seen<'_>, cause: SpoolCause) -> Spool {
    let rules = &seen.policy.quarantine.spool;
    let delivery = |(line, path): &(&[u8], String)| Delivery {
        rcpt: path.clone(),
        line: Line(line.to_vec()),
        progress: Progress::Waiting,
        ..Delivery::default()
    };
    Spool {
        cause,
        since_ms: seen.now_ms,
        downstream: seen.listener.downstream.to_string(),
        deliveries: seen.recipients.iter().map(delivery).collect(),
        attempts: 0,
        next_ms: match cause {
            SpoolCause::Rest => seen.now_ms,
            SpoolCause::Outage | SpoolCause::Released | SpoolCause::Rescanned | SpoolCause::Notice => {
                after(seen.now_ms, rules.retry.first().copied().unwrap_or_default())
            }
        },
        expires_ms: after(seen.now_ms, rules.expire),
        priority: Priority::Normal,
        ..Spool::default()
    }
}

fn hold(seen: &Seen<'_>, discard: Option<&Finding>) -> Box<Hold> {
    let rules = &seen.policy.quarantine.hold;
    Box::new(Hold {
        scanner: seen.decided.map(|f| f.id.to_string()).unwrap_or_default(),
        scans: 1,
        next_ms: after(seen.now_ms, rules.retry),
        told_ms: after(seen.now_ms, rules.max_age),
        last: seen.decided.map(|f| crate::vault::Attempt { at_ms: seen.now_ms, said: cut(&f.reason) }),
        discard: discard.map(finding_view),
    })
}

fn after(now_ms: i64, pause: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Moment, Sources, parse_files};
    use crate::vault::FindingView;
    use crate::verdict::{Direction, Fact, Folder, Source, Stage, Verdict};
    use std::path::Path as FilePath;

    const GATEWAY: &str = "hostname = \"mx.example.net\"\nstate_dir = \"/s\"\n\
        listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" }]\n\
        downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n[relay]\ndomains = [\"example.net\"]\n";

    fn policy() -> Policy {
        let rules =
            "[spool]\nretry = [\"2s\", \"9s\"]\nexpire = \"1h\"\n[hold]\nretry = \"3s\"\nmax_age = \"4s\"\n";
        let sources = Sources::of(&[("gateway.toml", GATEWAY), ("quarantine.toml", rules)]);
        let (policy, problems) = parse_files(&sources, FilePath::new("/rules"), Moment::at(0));
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn mail(line: &str) -> Mail {
        match Command::parse(line.trim_end().as_bytes(), line.as_bytes()) {
            Command::Mail(mail) => mail,
            other => panic!("{other:?}"),
        }
    }

    fn found(id: &str, verdict: Verdict, tags: &[&str]) -> Finding {
        let source = Source { file: "protocol.toml".into(), line: 12 };
        Finding {
            score_milli: 1500,
            tags: tags.iter().map(|&tag| tag.into()).collect(),
            ..Finding::new(id, Stage::Rcpt, verdict, source, format!("reason of {id}"))
        }
    }

    struct Scene {
        policy: Policy,
        client: Client,
        tls: Tls,
        mail: Mail,
        header: HeaderSummary,
        findings: Vec<Finding>,
    }

    fn scene() -> Scene {
        let keep = Verdict::Quarantine(Folder("spam".into()));
        Scene {
            policy: policy(),
            client: Client {
                ip: "192.0.2.7".parse().unwrap(),
                port: 4711,
                name: Fact::Known("mx.example.com".into()),
                trusted: false,
                may_relay: false,
                balancer: false,
            },
            tls: Tls { version: "TLSv1.3", cipher: "AES".into() },
            mail: mail("MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+3D1 SIZE=99\r\n"),
            header: HeaderSummary {
                message_id: Some("1@example.com".into()),
                subject: Some("one\u{7}two".into()),
                from: Some("A <a@example.com>".into()),
                ..HeaderSummary::default()
            },
            findings: vec![found("first", Verdict::Continue, &["x"]), found("rule", keep, &["x", "y"])],
        }
    }

    impl Scene {
        fn seen(&self) -> Seen<'_> {
            let rcpt = |text: &'static str, path: &str| (text.as_bytes(), path.to_owned());
            Seen {
                id: "7F3K9QAB".parse().unwrap(),
                session: "7F3K9QAC".parse().unwrap(),
                now_ms: 1_000_000,
                generation: 7,
                policy: &self.policy,
                listener: &self.policy.listeners[0],
                client: &self.client,
                helo: Some(b"he\xfflo"),
                user: Some("anna"),
                authenticated: true,
                sender_proved: false,
                tls: Some(&self.tls),
                mail: &self.mail,
                mail_line: b"MAIL FROM:<a@example.com>\r\n",
                recipients: vec![
                    rcpt(
                        "RCPT TO:<b@example.net> NOTIFY=failure,DELAY ORCPT=rfc822;b@example.net\r\n",
                        "b@example.net",
                    ),
                    rcpt("RCPT TO:<c@example.net>\r\n", "c@example.net"),
                ],
                needs: &["8BITMIME", "DSN"],
                header: Some(&self.header),
                trace: b"Received: here\r\n".to_vec(),
                findings: self.findings.iter().collect(),
                decided: self.findings.get(1),
            }
        }
    }

    fn wanted_client() -> ClientView {
        ClientView {
            session: "7F3K9QAC".into(),
            ip: Some("192.0.2.7".parse().unwrap()),
            port: 4711,
            name: Some("mx.example.com".into()),
            helo: Some("he\\xfflo".into()),
            user: Some("anna".into()),
            tls: Some("TLSv1.3 AES".into()),
            listener: "in".into(),
            direction: Some(Direction::Inbound),
            downstream: "mx".into(),
            authenticated: true,
            may_relay: false,
            answerable: true,
        }
    }

    fn wanted_envelope() -> EnvelopeView {
        EnvelopeView {
            from: "a@example.com".into(),
            line: Line(b"MAIL FROM:<a@example.com>\r\n".to_vec()),
            body: BodyKind::EightBit,
            smtputf8: true,
            requiretls: false,
            needs: vec!["8BITMIME".into(), "DSN".into()],
            ret_headers: true,
            envid: Some("x+3D1".into()),
        }
    }

    #[test]
    fn every_field_of_a_quarantined_message() {
        let scene = scene();
        let item = item(&scene.seen(), Purpose::Folder("spam"));
        let finding = |id: &str, verdict: &str| FindingView {
            id: id.into(),
            verdict: verdict.into(),
            file: "protocol.toml".into(),
            line: 12,
            text: format!("reason of {id}"),
            told_only: false,
        };
        let want = Item {
            id: "7F3K9QAB".parse().unwrap(),
            version: 0,
            order: 0,
            folder: "spam".into(),
            received_ms: 1_000_000,
            rule: "rule".into(),
            reason: "reason of rule".into(),
            source: "protocol.toml:12".into(),
            generation: 7,
            copy: false,
            size: 0,
            digest: String::new(),
            trace: Line(b"Received: here\r\n".to_vec()),
            client: wanted_client(),
            envelope: wanted_envelope(),
            recipients: vec![
                RecipientView {
                    rcpt: "b@example.net".into(),
                    line: Line(scene.seen().recipients[0].0.to_vec()),
                    notify: Some("FAILURE,DELAY".into()),
                    orcpt: Some("rfc822;b@example.net".into()),
                },
                RecipientView {
                    rcpt: "c@example.net".into(),
                    line: Line(b"RCPT TO:<c@example.net>\r\n".to_vec()),
                    notify: None,
                    orcpt: None,
                },
            ],
            header: HeaderView {
                message_id: Some("1@example.com".into()),
                subject: Some("one\\x07two".into()),
                from: Some("A <a@example.com>".into()),
            },
            findings: vec![finding("first", "continue"), finding("rule", "quarantine")],
            score_milli: 3000,
            tags: vec!["x".into(), "y".into()],
            likeness: [0; 3],
            spool: None,
            hold: None,
            trash: None,
            history: Vec::new(),
        };
        assert_eq!(item, want);
    }

    #[test]
    fn purposes_differ_in_what_is_to_be_done() {
        let scene = scene();
        let copy = item(&scene.seen(), Purpose::Copy("policy"));
        assert_eq!((copy.folder.as_str(), copy.copy, copy.spool, copy.hold), ("policy", true, None, None));
        let rule = found("drop", Verdict::Discard, &[]);
        let held = item(&scene.seen(), Purpose::Hold(Some(&rule)));
        let hold = held.hold.unwrap();
        assert_eq!(hold.discard.as_ref().map(|f| (&*f.id, f.line)), Some(("drop", 12)));
        assert_eq!(held.folder, "held");
        assert_eq!(
            (hold.scanner.as_str(), hold.scans, hold.next_ms, hold.told_ms),
            ("rule", 1, 1_003_000, 1_004_000)
        );
        assert_eq!(hold.last.unwrap().said, "reason of rule");
        let seen = Seen { decided: None, ..scene.seen() };
        let queued = item(&seen, Purpose::Outage);
        let spool = queued.spool.unwrap();
        assert_eq!((queued.folder.as_str(), queued.rule.as_str()), ("spool", ""));
        assert_eq!(queued.reason, "the downstream could not be reached");
        assert_eq!((spool.cause, spool.downstream.as_str(), spool.attempts), (SpoolCause::Outage, "mx", 0));
        assert_eq!((spool.since_ms, spool.next_ms, spool.expires_ms), (1_000_000, 1_002_000, 4_600_000));
        let to: Vec<_> =
            spool.deliveries.iter().map(|d| (d.rcpt.as_str(), d.progress, &d.line.0[..])).collect();
        assert_eq!(to[0], ("b@example.net", Progress::Waiting, scene.seen().recipients[0].0));
        assert_eq!(to[1].0, "c@example.net");
    }

    #[test]
    fn who_may_be_told_is_who_proved_himself() {
        let mut scene = scene();
        scene.mail = mail("MAIL FROM:<>\r\n");
        let stranger = |scene: &Scene| Seen { authenticated: false, ..scene.seen() }.then_item();
        let item = stranger(&scene);
        assert!(!item.client.answerable && item.client.user.is_none());
        assert_eq!((item.envelope.from.as_str(), item.envelope.body), ("", BodyKind::SevenBit));
        assert!(!item.envelope.ret_headers && item.envelope.envid.is_none());
        let proved = Seen { authenticated: false, sender_proved: true, ..scene.seen() }.then_item();
        assert!(proved.client.answerable && !proved.client.may_relay);
        scene.client.may_relay = true;
        assert!(stranger(&scene).client.answerable);
        scene.client.balancer = true;
        assert!(!stranger(&scene).client.answerable, "it speaks for others");
    }

    impl Seen<'_> {
        fn then_item(self) -> Item {
            item(&self, Purpose::Folder("spam"))
        }
    }
}
