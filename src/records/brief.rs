//! What is counted of a record: the few values that tally and loops look at, handed over beside its line, so that
//! nothing that was just written must be read again.
//!
//! Many briefs lie in three flat buffers, in the order of their lines. One takes less room than its line, so whoever
//! bounds the lines bounds them too.

use super::record::{Kind, Record};
use crate::mail::Id;
use std::net::IpAddr;

/// What every brief has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the record is about.
    pub kind: Kind,
    /// When it was written, milliseconds since 1970.
    pub unix_ms: i64,
    /// Its session.
    pub session: Option<Id>,
    /// Its message.
    pub message: Option<Id>,
    /// Client.
    pub client: Option<IpAddr>,
    /// How many connections it stands for, where they were refused at the door.
    pub count: u64,
    /// Octets of the message.
    pub octets: u64,
    /// The message was taken, or the session refused as a whole.
    pub outcome: Outcome,
}

/// How it ended, as far as counts tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The message was taken.
    Delivered,
    /// The session ended as refused.
    Refused,
    /// Anything else.
    Other,
}

/// What a text of a brief is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Reverse-path, escaped.
    Sender,
    /// `Message-ID:`, escaped.
    MessageId,
    /// `Subject:`, escaped.
    Subject,
    /// Forward-path, escaped.
    Recipient {
        /// It was answered with 2yz.
        accepted: bool,
    },
    /// Id of a finding.
    Finding {
        /// It refuses, and is enforced.
        refuses: bool,
    },
}

/// Briefs of several records.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Briefs {
    /// Each with the number of its parts.
    heads: Vec<(Head, u32)>,
    /// Each with the length of its text.
    parts: Vec<(Part, u32)>,
    texts: String,
}

/// One brief.
#[derive(Clone, Copy)]
pub(super) struct Brief<'a> {
    pub(super) head: &'a Head,
    parts: &'a [(Part, u32)],
    texts: &'a str,
}

impl Briefs {
    /// Begins the brief of the next line.
    pub fn begin(&mut self, head: Head) {
        self.heads.push((head, 0));
    }

    /// Adds a text to the brief that was begun last.
    pub fn add(&mut self, part: Part, text: &str) {
        let (Some((_, parts)), Ok(octets)) = (self.heads.last_mut(), u32::try_from(text.len())) else {
            return;
        };
        *parts += 1;
        self.parts.push((part, octets));
        self.texts.push_str(text);
    }

    /// Forgets all of them. Few batches are large; what they needed is given back.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.parts.clear();
        self.texts.clear();
        self.heads.shrink_to(1 << 12);
        self.parts.shrink_to(1 << 14);
        self.texts.shrink_to(1 << 19);
    }

    /// The brief of one record.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        let mut briefs = Self::default();
        briefs.add_record(record);
        briefs
    }

    /// Adds those of `more`, behind these.
    pub(super) fn append(&mut self, more: &Self) {
        self.heads.extend_from_slice(&more.heads);
        self.parts.extend_from_slice(&more.parts);
        self.texts.push_str(&more.texts);
    }

    /// The brief of a line that was read back.
    pub(super) fn add_record(&mut self, record: &Record<'_>) {
        let outcome = match record.kind {
            Kind::Message if record.is_taken() => Outcome::Delivered,
            Kind::Connection if &*record.end == "refused" => Outcome::Refused,
            Kind::Message | Kind::Connection | Kind::Refused | Kind::Other => Outcome::Other,
        };
        self.begin(Head {
            kind: record.kind,
            unix_ms: record.unix_ms(),
            session: record.session.parse().ok(),
            message: record.message.parse().ok(),
            client: record.client,
            count: record.count,
            octets: record.size,
            outcome,
        });
        if record.kind == Kind::Message {
            self.add(Part::Sender, &record.from);
        }
        for to in &record.to {
            self.add(Part::Recipient { accepted: to.reply.starts_with('2') }, &to.rcpt);
        }
        for found in &record.findings {
            self.add(Part::Finding { refuses: found.refuses() }, &found.id);
        }
        if record.kind == Kind::Message {
            let header = &record.header;
            header.message_id.said().into_iter().for_each(|id| self.add(Part::MessageId, id));
            header.subject.said().into_iter().for_each(|subject| self.add(Part::Subject, subject));
        }
    }

    /// Them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Brief<'_>> {
        let (mut parts, mut texts) = (self.parts.as_slice(), self.texts.as_str());
        self.heads.iter().map_while(move |(head, count)| {
            let (own, later) = parts.split_at_checked(*count as usize)?;
            let octets = own.iter().map(|(_, octets)| *octets as usize).sum();
            let (text, rest) = texts.split_at_checked(octets)?;
            (parts, texts) = (later, rest);
            Some(Brief { head, parts: own, texts: text })
        })
    }
}

impl<'a> Brief<'a> {
    /// All texts, in order.
    fn parts(self) -> impl Iterator<Item = (Part, &'a str)> {
        let mut texts = self.texts;
        self.parts.iter().map_while(move |(part, octets)| {
            let (text, rest) = texts.split_at_checked(*octets as usize)?;
            texts = rest;
            Some((*part, text))
        })
    }

    /// The text of a part that a record has once; empty where it has none.
    pub(super) fn text(self, wanted: Part) -> &'a str {
        self.parts().find(|(part, _)| *part == wanted).map_or("", |(_, text)| text)
    }

    /// Recipients, and whether each was accepted.
    pub(super) fn recipients(self) -> impl Iterator<Item = (&'a str, bool)> {
        self.parts().filter_map(|(part, text)| match part {
            Part::Recipient { accepted } => Some((text, accepted)),
            Part::Sender | Part::MessageId | Part::Subject | Part::Finding { .. } => None,
        })
    }

    /// Ids of findings, and whether each refuses.
    pub(super) fn findings(self) -> impl Iterator<Item = (&'a str, bool)> {
        self.parts().filter_map(|(part, text)| match part {
            Part::Finding { refuses } => Some((text, refuses)),
            Part::Sender | Part::MessageId | Part::Subject | Part::Recipient { .. } => None,
        })
    }

    /// The message's reference, else the session's.
    pub(super) fn id(self) -> Option<Id> {
        self.head.message.or(self.head.session)
    }

    /// Whether the message was taken.
    pub(super) fn is_delivered(self) -> bool {
        self.head.outcome == Outcome::Delivered
    }
}
