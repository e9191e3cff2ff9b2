//! One record as it is read: a view of a line of the audit log that takes what it understands and leaves the
//! rest, so that records of an older or newer version can be read too.

use crate::mail::Id;
use crate::verdict::{Conduct, Direction, Gathered};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A session, at its end.
    Connection,
    /// A message or what was to become one.
    Message,
    /// Connections refused at the door, folded.
    Refused,
    /// Something that this version does not know.
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Text::deserialize(deserializer)?;
        Ok(match &*word {
            "connection" => Self::Connection,
            "message" => Self::Message,
            "refused" => Self::Refused,
            _ => Self::Other,
        })
    }
}

/// A text of a record, borrowed where it has no escapes. What is no text reads as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text<'_> {
    /// `None` where it is empty.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        Some(&*self.0).filter(|t| !t.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyText).map(Text)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
}

/// One record. Fields that its kind does not have are empty.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Record<'a> {
    /// When it was written, as it stands there (RFC 3339).
    #[serde(borrow)]
    pub time: Text<'a>,
    /// What it is about.
    pub kind: Kind,
    /// Reference of the session.
    #[serde(borrow)]
    pub session: Text<'a>,
    /// Reference of the message.
    #[serde(borrow)]
    pub message: Text<'a>,
    /// Generation of the rules.
    pub generation: u64,
    /// Listener.
    #[serde(borrow)]
    pub listener: Text<'a>,
    /// Its direction.
    pub direction: Option<Direction>,
    /// Client.
    pub client: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Its forward-confirmed reverse name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// HELO or EHLO name, escaped.
    #[serde(borrow)]
    pub helo: Text<'a>,
    /// TLS of the client leg.
    #[serde(borrow)]
    pub tls: Text<'a>,
    /// Authenticated user, escaped.
    #[serde(borrow)]
    pub user: Text<'a>,
    /// Authenticated, also where the name is unknown.
    pub authenticated: bool,
    /// Reverse-path without its brackets, escaped; empty is the null one of a message. See [`Record::sender`].
    #[serde(borrow)]
    pub from: Text<'a>,
    /// Recipients.
    #[serde(borrow)]
    pub to: Vec<RecipientView<'a>>,
    /// Octets of the message.
    pub size: u64,
    /// Verdict of the message.
    #[serde(borrow)]
    pub verdict: Text<'a>,
    /// What checks and scanners found.
    #[serde(borrow)]
    pub findings: Vec<Found<'a>>,
    /// Downstream and address.
    #[serde(borrow)]
    pub downstream: Text<'a>,
    /// Its reply.
    #[serde(borrow)]
    pub downstream_reply: Text<'a>,
    /// The last refusal, or the final reply to a message.
    #[serde(borrow)]
    pub reply: Text<'a>,
    /// Of the header.
    #[serde(borrow)]
    pub header: HeaderView<'a>,
    /// Something worth telling.
    #[serde(borrow)]
    pub note: Text<'a>,
    /// The folder that a message was taken into.
    #[serde(borrow)]
    pub folder: Text<'a>,
    /// The folder that has a copy of it.
    #[serde(borrow)]
    pub copy: Text<'a>,
    /// How a session ended.
    #[serde(borrow)]
    pub end: Text<'a>,
    /// Messages of a session.
    pub messages: u32,
    /// Errors of a session.
    pub errors: u32,
    /// How long a session took.
    pub seconds: f64,
    /// Folded connections.
    pub count: u64,
    #[serde(borrow)]
    facts: Option<&'a RawValue>,
    #[serde(borrow)]
    conduct: Option<&'a RawValue>,
}

/// One recipient and what it was answered.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct RecipientView<'a> {
    /// Forward-path without its brackets, escaped.
    #[serde(borrow)]
    pub rcpt: Text<'a>,
    /// Reply.
    #[serde(borrow)]
    pub reply: Text<'a>,
}

impl RecipientView<'_> {
    /// The forward-path with its brackets, as [`Record::sender`].
    #[must_use]
    pub fn path(&self) -> String {
        in_brackets(&self.rcpt)
    }
}

/// A path as people write it.
pub(super) fn in_brackets(path: &str) -> String {
    if path.starts_with('<') { path.to_owned() } else { format!("<{path}>") }
}

/// One finding.
#[derive(Debug, serde::Deserialize)]
#[serde(default)]
pub struct Found<'a> {
    /// Check or rule.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Stage.
    #[serde(borrow)]
    pub stage: Text<'a>,
    /// What it wanted.
    #[serde(borrow)]
    pub verdict: Text<'a>,
    /// File below the rules directory; empty for what is built in.
    #[serde(borrow)]
    pub file: Text<'a>,
    /// Line.
    pub line: u32,
    /// Why.
    #[serde(borrow)]
    pub text: Text<'a>,
    /// Off with `mode = "log"`.
    pub enforced: bool,
}

impl Default for Found<'_> {
    fn default() -> Self {
        let none = Text::default;
        Self {
            id: none(),
            stage: none(),
            verdict: none(),
            file: none(),
            line: 0,
            text: none(),
            enforced: true,
        }
    }
}

impl Found<'_> {
    /// How strongly it asks, as `verdict::merge` ranks it; 0 changes nothing.
    #[must_use]
    pub fn strength(&self) -> u8 {
        const RANKS: [&str; 7] =
            ["accept", "discard", "tempfail", "hold", "quarantine", "reject", "disconnect"];
        let rank = RANKS.iter().position(|v| *v == &*self.verdict).map_or(0, |at| at as u8 + 1);
        if self.enforced { rank } else { 0 }
    }

    /// Whether it refuses, for now or for good.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.enforced && matches!(&*self.verdict, "tempfail" | "reject" | "disconnect")
    }
}

/// What the header says of itself, escaped and cut.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct HeaderView<'a> {
    /// `Message-ID:`.
    #[serde(borrow)]
    pub message_id: Text<'a>,
    /// `Subject:`.
    #[serde(borrow)]
    pub subject: Text<'a>,
    /// `From:`.
    #[serde(borrow)]
    pub from: Text<'a>,
}

impl<'a> Record<'a> {
    /// Reads one line; `None` for one that is none.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// When it was written, milliseconds since 1970; 0 where that cannot be read.
    #[must_use]
    pub fn unix_ms(&self) -> i64 {
        self.time.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond)
    }

    /// The message's reference, else the session's.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.message.parse().or_else(|_| self.session.parse()).ok()
    }

    /// The reverse-path of a message, with its brackets; cut and escaped where it was long or strange.
    #[must_use]
    pub fn sender(&self) -> Option<String> {
        (self.kind == Kind::Message).then(|| in_brackets(&self.from))
    }

    /// What was looked up; nothing where the record has none that this version understands.
    #[must_use]
    pub fn gathered(&self) -> Gathered {
        self.facts.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// What the client had done; as [`Record::gathered`].
    #[must_use]
    pub fn conduct(&self) -> Conduct {
        self.conduct.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Whether a message was taken, downstream or into a folder of ours: the final reply is positive.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.kind == Kind::Message && self.reply.starts_with('2')
    }

    /// Whether the downstream took it.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.is_taken() && self.folder.is_empty()
    }

    /// Whether it was delivered and no check said a word against it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.is_delivered() && !self.findings.iter().any(|f| f.strength() > 1)
    }

    /// The finding that decided: the strongest, of equals the first; of what was delivered the one that let it pass.
    #[must_use]
    pub fn deciding(&self) -> Option<&Found<'a>> {
        if self.is_delivered() {
            return self.findings.iter().find(|f| f.enforced && &*f.verdict == "accept");
        }
        if self.is_taken() {
            // Other recipients may have been refused.
            return self.findings.iter().find(|f| f.enforced && f.verdict == self.verdict);
        }
        self.findings.iter().rev().max_by_key(|f| f.strength()).filter(|f| f.strength() > 0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::verdict::Fact;

    #[test]
    fn a_record_is_read_whatever_else_it_has() {
        let line = r#"{"time":"2026-11-21T20:00:00.123Z","kind":"message","session":"7F3K9QAB","message":"7F3K9QAC",
            "generation":3,"listener":"in","direction":"inbound","client":"192.0.2.7","port":4711,"helo":"a\\x00",
            "tls":null,"user":null,"from":"a@example.com","to":[{"rcpt":"b@example.net","reply":"550 5.7.1 no","new":1}],
            "size":12,"verdict":"reject","findings":[
              {"id":"seen","verdict":"reject","enforced":false},
              {"id":"block","stage":"rcpt","verdict":"reject","file":"lists/blocks.list","line":7,"text":"listed"}],
            "downstream":null,"reply":"550 5.7.1 no","header":{"message_id":"<1@x>","subject":null,"from":7},
            "facts":{"country":{"known":"DE"}},"conduct":{"early_talk":true},"ms":{"data":1.0},"later":{"a":[1]}}"#;
        let record = Record::parse(line.as_bytes()).unwrap();
        assert_eq!((record.kind, record.unix_ms()), (Kind::Message, 1_795_291_200_123));
        assert_eq!(record.id().unwrap().to_string(), "7F3K9QAC");
        assert_eq!((&*record.helo, record.tls.said(), &*record.header.from), ("a\\x00", None, ""));
        assert_eq!((&*record.to[0].reply, record.to[0].path().as_str()), ("550 5.7.1 no", "<b@example.net>"));
        assert_eq!(record.sender().as_deref(), Some("<a@example.com>"));
        let deciding = record.deciding().unwrap();
        assert_eq!((&*deciding.id, &*deciding.file, deciding.line), ("block", "lists/blocks.list", 7));
        assert_eq!(record.gathered().country, Fact::Known("DE".into()));
        assert!(record.conduct().early_talk && !record.is_delivered());
    }

    #[test]
    fn facts_of_another_version_cost_no_record() {
        let line =
            br#"{"kind":"message","session":"7F3K9QAB","facts":{"country":7},"conduct":[],"reply":"250 ok"}"#;
        let record = Record::parse(line).unwrap();
        assert_eq!((record.gathered(), record.is_clean()), (Gathered::NOTHING, true));
        assert_eq!(Record::parse(br#"{"kind":"novel"}"#).unwrap().kind, Kind::Other);
        assert!(Record::parse(b"{\"kind\":").is_none());
    }
}
