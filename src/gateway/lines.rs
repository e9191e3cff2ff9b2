//! The lines of the audit log: what each says, in which order, and what is counted of it.
//!
//! A line borrows what it tells and is written once, straight into the buffer that goes to the disk. Text of a peer is
//! escaped and cut on the way.

use super::json::Object;
use crate::mail::{Id, Path, escaped, push_ip, push_socket, rfc3339};
use crate::message::header::HeaderSummary;
use crate::records::{Briefs, Head, Kind, Outcome, Part};
use crate::reply::Reply;
use crate::verdict::{Conduct, Direction, Finding, Gathered, Stage, Tls};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Octets of a path, an address or the like that are made room for; most are shorter.
const SCRATCH_OCTETS: usize = 160;

/// Something that the log tells.
pub trait Line {
    /// Writes it without its line end, and what is to be counted of it.
    fn write(&self, out: &mut Vec<u8>, briefs: &mut Briefs);
}

/// One connection.
#[derive(Debug)]
pub struct ConnectionLine<'a> {
    pub(super) unix_ms: i64,
    pub(super) session: Id,
    pub(super) listener: &'a str,
    pub(super) direction: Direction,
    pub(super) client: IpAddr,
    pub(super) port: u16,
    pub(super) helo: Option<&'a [u8]>,
    pub(super) tls: Option<&'a Tls>,
    pub(super) user: Option<&'a str>,
    pub(super) messages: u32,
    pub(super) errors: u32,
    pub(super) seconds: f64,
    pub(super) end: &'static str,
    pub(super) refused: bool,
    pub(super) generation: u64,
    pub(super) findings: &'a [Finding],
    pub(super) name: Option<&'a str>,
    pub(super) reply: Option<&'a str>,
}

/// Connections that were refused at the door, folded.
#[derive(Debug)]
pub struct RefusedLine<'a> {
    pub(super) unix_ms: i64,
    pub(super) session: Id,
    pub(super) generation: u64,
    pub(super) listener: &'a str,
    pub(super) client: IpAddr,
    pub(super) count: u64,
    pub(super) findings: &'a [Finding],
    pub(super) reply: Option<Reply>,
}

/// One message.
#[derive(Debug)]
pub struct MessageLine<'a> {
    pub(super) unix_ms: i64,
    pub(super) session: Id,
    pub(super) message: Id,
    pub(super) generation: u64,
    pub(super) listener: &'a str,
    pub(super) direction: Direction,
    pub(super) client: IpAddr,
    pub(super) port: u16,
    /// Forward-confirmed reverse name.
    pub(super) name: Option<&'a str>,
    pub(super) helo: Option<&'a [u8]>,
    pub(super) tls: Option<&'a Tls>,
    pub(super) user: Option<&'a str>,
    pub(super) authenticated: bool,
    pub(super) from: &'a Path,
    /// Recipients, and what each was answered.
    pub(super) to: Vec<(&'a Path, &'a Reply)>,
    pub(super) size: u64,
    pub(super) verdict: &'static str,
    /// Those of the session, then those of the message.
    pub(super) findings: [&'a [Finding]; 2],
    pub(super) downstream: Option<(&'a str, SocketAddr)>,
    pub(super) downstream_tls: Option<&'a Tls>,
    pub(super) downstream_reply: Option<&'a Reply>,
    pub(super) reply: Option<&'a Reply>,
    pub(super) header: Option<&'a HeaderSummary>,
    pub(super) ms: Times,
    pub(super) note: Option<&'a str>,
    /// The folder that it was taken into; its reference there is that of the message.
    pub(super) folder: Option<&'a str>,
    /// The folder that has a copy.
    pub(super) copy: Option<&'a str>,
    /// What was looked up, where anything was: with it the session can be judged again.
    pub(super) facts: Option<&'a Gathered>,
    /// What the client had done, where that says something.
    pub(super) conduct: Option<&'a Conduct>,
}

/// Milliseconds per stage.
#[derive(Debug, Default, Clone, Copy)]
pub struct Times {
    pub(super) envelope: f64,
    pub(super) data: f64,
    pub(super) scan: f64,
    pub(super) deliver: f64,
}

/// What the desk did with a message that we own: kinds of their own, which nobody counts.
impl Line for serde_json::Value {
    fn write(&self, out: &mut Vec<u8>, _: &mut Briefs) {
        // A value always serialises, and a Vec takes every write.
        let _ = serde_json::to_writer(out, self);
    }
}

impl Line for ConnectionLine<'_> {
    fn write(&self, out: &mut Vec<u8>, briefs: &mut Briefs) {
        let outcome = if self.refused { Outcome::Refused } else { Outcome::Other };
        let kind = Kind::Connection;
        briefs.begin(head(kind, self.unix_ms, self.session, self.client, outcome));
        let scratch = &mut String::with_capacity(SCRATCH_OCTETS);
        let mut line = Object::begin(out);
        line.text("time", &rfc3339(self.unix_ms));
        line.text("kind", "connection");
        line.text("session", shown(scratch, |s| self.session.push_to(s)));
        line.text("listener", self.listener);
        line.text("direction", direction(self.direction));
        line.text("client", shown(scratch, |s| push_ip(s, self.client)));
        line.number("port", self.port.into());
        line.maybe("helo", self.helo.map(escaped).as_deref());
        line.maybe("tls", tls(scratch, self.tls));
        line.maybe("user", self.user.map(|u| escaped(u.as_bytes())).as_deref());
        line.number("messages", self.messages.into());
        line.number("errors", self.errors.into());
        line.value("seconds", &self.seconds);
        line.text("end", self.end);
        line.number("generation", self.generation);
        findings(&mut line, self.findings.iter(), briefs);
        line.maybe("name", self.name);
        line.maybe("reply", self.reply);
        line.end();
    }
}

impl Line for RefusedLine<'_> {
    fn write(&self, out: &mut Vec<u8>, briefs: &mut Briefs) {
        let head = head(Kind::Refused, self.unix_ms, self.session, self.client, Outcome::Other);
        briefs.begin(Head { count: self.count, ..head });
        let scratch = &mut String::with_capacity(SCRATCH_OCTETS);
        let mut line = Object::begin(out);
        line.text("time", &rfc3339(self.unix_ms));
        line.text("kind", "refused");
        line.text("session", shown(scratch, |s| self.session.push_to(s)));
        line.number("generation", self.generation);
        line.text("listener", self.listener);
        line.text("client", shown(scratch, |s| push_ip(s, self.client)));
        line.number("count", self.count);
        findings(&mut line, self.findings.iter(), briefs);
        line.maybe("reply", self.reply.as_ref().map(Reply::logged).as_deref());
        line.end();
    }
}

impl Line for MessageLine<'_> {
    fn write(&self, out: &mut Vec<u8>, briefs: &mut Briefs) {
        let delivered = self.reply.is_some_and(Reply::is_success);
        let outcome = if delivered { Outcome::Delivered } else { Outcome::Other };
        let head = head(Kind::Message, self.unix_ms, self.session, self.client, outcome);
        briefs.begin(Head { message: Some(self.message), octets: self.size, ..head });
        let scratch = &mut String::with_capacity(SCRATCH_OCTETS);
        // Nearly every line fits; the buffer is moved less often.
        out.reserve(1024);
        let mut line = Object::begin(out);
        self.session(&mut line, scratch);
        self.envelope(&mut line, scratch, briefs);
        line.number("size", self.size);
        line.text("verdict", self.verdict);
        findings(&mut line, self.findings.into_iter().flatten(), briefs);
        let downstream = self.downstream.map(|(name, address)| {
            shown(scratch, |s| {
                s.push_str(name);
                s.push(' ');
                push_socket(s, address);
            })
        });
        line.maybe("downstream", downstream);
        line.maybe("downstream_tls", tls(scratch, self.downstream_tls));
        line.maybe("downstream_reply", self.downstream_reply.map(Reply::logged).as_deref());
        line.maybe("reply", self.reply.map(Reply::logged).as_deref());
        self.header(line.key("header"), briefs);
        self.times(line.key("ms"));
        line.maybe("note", self.note);
        for (key, folder) in [("folder", self.folder), ("copy", self.copy)] {
            if folder.is_some() {
                line.maybe(key, folder);
            }
        }
        if let Some(facts) = self.facts {
            line.value("facts", facts);
        }
        if let Some(conduct) = self.conduct {
            line.value("conduct", conduct);
        }
        line.end();
    }
}

impl MessageLine<'_> {
    fn session(&self, line: &mut Object<'_>, scratch: &mut String) {
        line.text("time", &rfc3339(self.unix_ms));
        line.text("kind", "message");
        line.text("session", shown(scratch, |s| self.session.push_to(s)));
        line.text("message", shown(scratch, |s| self.message.push_to(s)));
        line.number("generation", self.generation);
        line.text("listener", self.listener);
        line.text("direction", direction(self.direction));
        line.text("client", shown(scratch, |s| push_ip(s, self.client)));
        line.number("port", self.port.into());
        line.maybe("name", self.name);
        line.maybe("helo", self.helo.map(escaped).as_deref());
        line.maybe("tls", tls(scratch, self.tls));
        line.maybe("user", self.user.map(|u| escaped(u.as_bytes())).as_deref());
        line.truth("authenticated", self.authenticated);
    }

    fn envelope(&self, line: &mut Object<'_>, scratch: &mut String, briefs: &mut Briefs) {
        let from = shown(scratch, |s| push_path(s, self.from));
        line.text("from", from);
        briefs.add(Part::Sender, from);
        line.list("to", self.to.iter(), |out, (path, reply)| {
            let path = shown(scratch, |s| push_path(s, path));
            let mut one = Object::begin(out);
            one.text("rcpt", path);
            one.text("reply", &reply.logged());
            one.end();
            briefs.add(Part::Recipient { accepted: reply.is_success() }, path);
        });
    }

    fn header(&self, out: &mut Vec<u8>, briefs: &mut Briefs) {
        let text = |of: fn(&HeaderSummary) -> &Option<String>| {
            self.header.and_then(|header| of(header).as_deref()).map(|text| escaped(text.as_bytes()))
        };
        let (message_id, subject) = (text(|h| &h.message_id), text(|h| &h.subject));
        let mut header = Object::begin(out);
        header.maybe("message_id", message_id.as_deref());
        header.maybe("subject", subject.as_deref());
        header.maybe("from", text(|h| &h.from).as_deref());
        header.end();
        for (part, text) in [(Part::MessageId, message_id), (Part::Subject, subject)] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                briefs.add(part, text);
            }
        }
    }

    fn times(&self, out: &mut Vec<u8>) {
        let mut times = Object::begin(out);
        times.value("envelope", &self.ms.envelope);
        times.value("data", &self.ms.data);
        times.value("scan", &self.ms.scan);
        times.value("deliver", &self.ms.deliver);
        times.end();
    }
}

fn head(kind: Kind, unix_ms: i64, session: Id, client: IpAddr, outcome: Outcome) -> Head {
    let (session, client) = (Some(session), Some(client));
    Head { kind, unix_ms, session, message: None, client, count: 0, octets: 0, outcome }
}

/// What was found, and where in the rules.
fn findings<'f>(line: &mut Object<'_>, all: impl Iterator<Item = &'f Finding>, briefs: &mut Briefs) {
    line.list("findings", all, |out, finding| {
        let mut one = Object::begin(out);
        one.text("id", &finding.id);
        one.text("stage", stage(finding.stage));
        one.text("verdict", finding.verdict.name());
        one.text("file", &finding.source.file);
        one.number("line", finding.source.line.into());
        one.text("text", &finding.reason);
        if !finding.enforced {
            // It changed nothing (`mode = "log"`).
            one.truth("enforced", false);
        }
        one.end();
        briefs.add(Part::Finding { refuses: finding.refuses() }, &finding.id);
    });
}

/// What `push` appends, in place of what `scratch` held.
fn shown(scratch: &mut String, push: impl FnOnce(&mut String)) -> &str {
    scratch.clear();
    push(scratch);
    scratch
}

fn push_path(out: &mut String, path: &Path) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{path}");
}

fn tls<'s>(scratch: &'s mut String, tls: Option<&Tls>) -> Option<&'s str> {
    tls.map(|tls| {
        shown(scratch, |s| {
            s.push_str(tls.version);
            s.push(' ');
            s.push_str(&tls.cipher);
        })
    })
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connect",
        Stage::Helo => "helo",
        Stage::Auth => "auth",
        Stage::Mail => "mail",
        Stage::Rcpt => "rcpt",
        Stage::Data => "data",
        Stage::Message => "message",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::records::Record;
    use crate::reply::catalogue;
    use crate::verdict::{Source, Verdict};

    /// What a line borrows.
    pub(in crate::gateway) struct Told {
        pub(in crate::gateway) from: Path,
        to: Path,
        rcpt_reply: Reply,
        reply: Reply,
        tls: Tls,
        header: HeaderSummary,
        findings: Vec<Finding>,
    }

    impl Default for Told {
        fn default() -> Self {
            let path = |text: &str| Path::parse(text.as_bytes()).unwrap().0;
            let text = |text: &str| Some(text.to_owned());
            Self {
                from: path("<a@example.com>"),
                to: path("<b@example.net>"),
                rcpt_reply: Reply::relayed(250, b"250 2.1.5 Recipient ok\r\n"),
                reply: Reply::relayed(250, b"250 2.0.0 Ok: queued as 4ABCDEF\r\n"),
                tls: Tls { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384".into() },
                header: HeaderSummary {
                    message_id: text("20261121200001.12345@example.com"),
                    subject: text("Re: your message"),
                    from: text("a@example.com"),
                    ..HeaderSummary::default()
                },
                findings: Vec::new(),
            }
        }
    }

    impl Told {
        pub(in crate::gateway) fn line(&self, message: Id) -> MessageLine<'_> {
            MessageLine {
                unix_ms: 1_795_291_200_123,
                session: "7F3K9QAB".parse().unwrap(),
                message,
                generation: 3,
                listener: "in",
                direction: Direction::Inbound,
                client: "192.0.2.7".parse().unwrap(),
                port: 4711,
                name: Some("mx.example.com"),
                helo: Some(b"mx.example.com"),
                tls: Some(&self.tls),
                user: None,
                authenticated: false,
                from: &self.from,
                to: vec![(&self.to, &self.rcpt_reply)],
                size: 4321,
                verdict: "continue",
                findings: [&self.findings, &[]],
                downstream: Some(("mx", "127.0.0.1:2525".parse().unwrap())),
                downstream_tls: None,
                downstream_reply: Some(&self.reply),
                reply: Some(&self.reply),
                header: Some(&self.header),
                ms: Times { envelope: 1.234, data: 0.567, scan: 0.012, deliver: 2.0 },
                note: None,
                folder: None,
                copy: None,
                facts: None,
                conduct: None,
            }
        }
    }

    fn findings() -> Vec<Finding> {
        let source = Source { file: "lists/blocks.list".into(), line: 7 };
        let of = |id: &str, verdict| Finding::new(id, Stage::Rcpt, verdict, source.clone(), "li\"sted");
        vec![
            of("block", Verdict::Reject(catalogue::REJECTED.reply())),
            of("block", Verdict::Continue),
            of("seen", Verdict::Disconnect(catalogue::REJECTED.reply())).only_told(),
        ]
    }

    fn written(line: &impl Line) -> (String, Briefs) {
        let (mut out, mut briefs) = (Vec::new(), Briefs::default());
        line.write(&mut out, &mut briefs);
        (String::from_utf8(out).unwrap(), briefs)
    }

    /// What is counted of a line is what is counted of it when it is read again.
    fn same(line: &impl Line) {
        let (text, briefs) = written(line);
        let again = Briefs::of(&Record::parse(text.as_bytes()).unwrap());
        assert_eq!(briefs, again, "{text}");
    }

    #[test]
    fn a_message_is_told_in_this_order() {
        let findings = findings();
        let told = Told { findings: findings.into_iter().skip(2).collect(), ..Told::default() };
        let line = MessageLine { conduct: Some(&Conduct::UNKNOWN), ..told.line("7F3K0001".parse().unwrap()) };
        let (text, _) = written(&line);
        let conduct = serde_json::to_string(&Conduct::UNKNOWN).unwrap();
        let want = r#"{"time":"2026-11-21T20:00:00.123Z","kind":"message","session":"7F3K9QAB","message":"7F3K0001","generation":3,"listener":"in","direction":"inbound","client":"192.0.2.7","port":4711,"name":"mx.example.com","helo":"mx.example.com","tls":"TLSv1.3 TLS13_AES_256_GCM_SHA384","user":null,"authenticated":false,"from":"a@example.com","to":[{"rcpt":"b@example.net","reply":"250 2.1.5 Recipient ok"}],"size":4321,"verdict":"continue","findings":[{"id":"seen","stage":"rcpt","verdict":"disconnect","file":"lists/blocks.list","line":7,"text":"li\"sted","enforced":false}],"downstream":"mx 127.0.0.1:2525","downstream_tls":null,"downstream_reply":"250 2.0.0 Ok: queued as 4ABCDEF","reply":"250 2.0.0 Ok: queued as 4ABCDEF","header":{"message_id":"20261121200001.12345@example.com","subject":"Re: your message","from":"a@example.com"},"ms":{"envelope":1.234,"data":0.567,"scan":0.012,"deliver":2.0},"note":null,"conduct":"#;
        assert_eq!(text, format!("{want}{conduct}}}"));
    }

    #[test]
    fn what_is_counted_live_is_what_is_recalled() {
        let id: Id = "7F3K0001".parse().unwrap();
        let told = Told::default();
        same(&told.line(id));
        let odd = Told {
            from: Path::Null,
            to: Path::parse(b"<\"b \\\" c\"@[IPv6:2001:db8::1]>").unwrap().0,
            rcpt_reply: catalogue::REJECTED.refusal(id),
            reply: Reply::relayed(451, b"451-4.3.0 later\r\n451 4.3.0 \xff\r\n"),
            header: HeaderSummary { subject: Some("gr\u{fc}n\t\"\\".into()), ..HeaderSummary::default() },
            findings: findings(),
            ..Told::default()
        };
        let line = MessageLine { client: "2001:db8::7".parse().unwrap(), ..odd.line(id) };
        same(&line);
        same(&MessageLine { reply: None, header: None, to: Vec::new(), ..odd.line(id) });
        for refused in [true, false] {
            same(&ConnectionLine {
                unix_ms: 5,
                session: id,
                listener: "in",
                direction: Direction::Outbound,
                client: "192.0.2.7".parse().unwrap(),
                port: 1,
                helo: None,
                tls: None,
                user: Some("u"),
                messages: 1,
                errors: 2,
                seconds: 0.5,
                end: if refused { "refused" } else { "quit" },
                refused,
                generation: 1,
                findings: &odd.findings,
                name: None,
                reply: Some("550 no"),
            });
        }
        same(&RefusedLine {
            unix_ms: 0,
            session: id,
            generation: 1,
            listener: "in",
            client: "2001:db8::1".parse().unwrap(),
            count: 40,
            findings: &odd.findings,
            reply: Some(catalogue::REJECTED.refusal(id)),
        });
    }
}
