//! What the header of a message says, as facts.

use super::addresses::{People, domain_of, is_host, registered, registered_of};
use super::fields::{self, Field};
use super::normal::Normal;
use crate::config::model::{MessageFact, MessageFacts};
use crate::mail::Mailbox;
use crate::message::from::Authors;
use crate::verdict::{Direction, Envelope};
use mail_parser::MessageParser;

/// Longest subject that is looked at, in octets.
const SUBJECT_OCTETS_MAX: usize = 2000;
/// Envelope recipients that are looked for in header and text.
const RECIPIENTS_MAX: usize = 20;
/// Seconds of an hour.
const HOUR: i64 = 3600;

/// The header, read.
#[derive(Debug)]
pub struct Header {
    /// All fields.
    pub fields: Vec<Field>,
    /// Who is named in it.
    pub people: People,
    /// Every mailbox that may be read as the author.
    pub authors: Vec<Mailbox>,
    /// The subject, made normal.
    pub subject: String,
    /// The address in From, lower case; empty where there is none.
    pub from: String,
    /// Addresses of the envelope's recipients, lower case; the first few.
    pub recipients: Vec<String>,
}

impl Header {
    /// Reads it.
    #[must_use]
    pub fn read(message: &[u8], envelope: &Envelope, facts: &mut MessageFacts) -> Self {
        let fields = fields::read(message);
        let people = People::read(&fields);
        let mut authors = Authors::default();
        fields.iter().filter(|f| &*f.name == "from").for_each(|f| authors.add_field(&f.raw));
        let recipients = envelope.recipients.iter().take(RECIPIENTS_MAX).filter_map(|path| path.mailbox());
        let mut header = Self {
            from: people.from.first().map(|person| person.address.clone()).unwrap_or_default(),
            recipients: recipients.map(|mailbox| mailbox.to_string().to_lowercase()).collect(),
            people,
            authors: authors.mailboxes,
            subject: String::new(),
            fields,
        };
        of_envelope(envelope, facts);
        header.subject(facts);
        header.who(envelope, facts);
        header.shown_name(facts);
        header.dates(facts);
        header.trace(envelope, facts);
        header
    }

    /// The first field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| &*field.name == name)
    }

    fn subject(&mut self, facts: &mut MessageFacts) {
        let raw = self.field("subject").map(|field| field.value.clone()).unwrap_or_default();
        let mut normal = Normal::new(SUBJECT_OCTETS_MAX);
        normal.push(&raw);
        self.subject = normal.text.trim_end().to_owned();
        let subject = &self.subject;
        facts.flag(MessageFact::SubjectEmpty, subject.is_empty());
        facts.flag(MessageFact::SubjectGap, raw.trim().contains("     "));
        facts.add(MessageFact::SubjectOdd, normal.odd.any());
        facts.set(MessageFact::SubjectCapitals, capitals(subject, 8));
        let lower = subject.to_lowercase();
        // Lists put their mark in front: `[list] Re: x`.
        let unmarked = lower
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map_or(&*lower, |(_, rest)| rest.trim_start());
        let prefix =
            ["re:", "fw:", "fwd:", "aw:", "wg:", "sv:", "tr:", "rv:"].iter().any(|p| unmarked.starts_with(p));
        let refers = self.field("references").is_some() || self.field("in-reply-to").is_some();
        facts.flag(MessageFact::Reply, prefix && refers);
        facts.flag(MessageFact::FakeReply, prefix && !refers);
        let shown = self.recipients.iter().any(|address| {
            let local = address.split('@').next().unwrap_or_default();
            let word = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()) == local;
            lower.contains(address.as_str()) || (local.len() > 3 && lower.split([' ', ',', ':']).any(word))
        });
        facts.flag(MessageFact::SubjectRecipient, shown);
        let eight = self.fields.iter().filter(|field| !field.raw.is_ascii()).count();
        facts.add(MessageFact::Header8bit, eight);
    }

    fn who(&self, envelope: &Envelope, facts: &mut MessageFacts) {
        let (people, from) = (&self.people, registered_of(&self.from));
        facts.add(MessageFact::FromMailboxes, self.authors.len());
        facts.add(MessageFact::ShownRecipients, people.to.len() + people.cc.len());
        let shown = |address: &String| people.to.iter().chain(&people.cc).any(|p| p.address == *address);
        facts.flag(
            MessageFact::RecipientNotShown,
            !self.recipients.is_empty() && !self.recipients.iter().any(shown),
        );
        facts.flag(MessageFact::FromIsRecipient, self.recipients.contains(&self.from));
        let ours = self.recipients.iter().any(|address| domain_of(address) == domain_of(&self.from));
        facts.flag(MessageFact::FromOurs, ours && !from.is_empty());
        let local = self.from.split('@').next().unwrap_or_default();
        facts.add(MessageFact::FromDigits, local.bytes().filter(u8::is_ascii_digit).count());
        let sender = envelope.sender.mailbox().map(|mailbox| mailbox.to_string().to_lowercase());
        let foreign = |address: &str| {
            !from.is_empty() && !domain_of(address).is_empty() && registered_of(address) != from
        };
        facts.flag(MessageFact::SenderForeign, sender.as_deref().is_some_and(foreign));
        facts.flag(MessageFact::ReplyToForeign, people.reply_to.iter().any(|p| foreign(&p.address)));
        if let Some(field) = self.field("message-id") {
            let id = field.value.trim();
            let inner = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
            let good = inner.and_then(|id| id.split_once('@')).filter(|(left, right)| {
                !left.is_empty() && !right.is_empty() && !id.contains(char::is_whitespace)
            });
            facts.flag(MessageFact::MessageIdBad, good.is_none());
            let same =
                |address: &str| good.is_some_and(|(_, right)| registered(right) == registered_of(address));
            let known = same(&self.from) || sender.as_deref().is_some_and(same);
            facts.flag(MessageFact::MessageIdForeign, good.is_some() && !known && !from.is_empty());
        }
    }

    /// What the name in From shows.
    fn shown_name(&self, facts: &mut MessageFacts) {
        let Some(person) = self.people.from.first() else { return };
        let mut normal = Normal::new(SUBJECT_OCTETS_MAX);
        normal.push(&person.name);
        facts.add(MessageFact::FromNameOdd, normal.odd.any());
        let name = normal.text.to_lowercase();
        let own = registered_of(&self.from);
        let hosts =
            name.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c)).filter_map(|word| {
                let host = word.rsplit('@').next().unwrap_or(word).trim_matches('.');
                is_host(host).then(|| registered(host).to_owned())
            });
        let others: Vec<String> = hosts.filter(|host| host != own).collect();
        facts.flag(MessageFact::FromNameAddress, !others.is_empty());
        let ours = self
            .recipients
            .iter()
            .map(|address| domain_of(address))
            .any(|domain| domain.len() > 4 && registered(domain) != own && name.contains(domain));
        facts.flag(MessageFact::FromNameOurs, ours);
    }

    fn dates(&self, facts: &mut MessageFacts) {
        let Some(date) = self.field("date") else { return };
        let Some(date) = timestamp(&date.raw) else {
            facts.flag(MessageFact::DateBad, true);
            return;
        };
        let received = self.field("received").and_then(|field| {
            let at = field.raw.iter().rposition(|b| *b == b';')?;
            timestamp(field.raw.get(at + 1..)?)
        });
        let Some(received) = received else { return };
        let hours = |seconds: i64| u32::try_from(seconds / HOUR).unwrap_or_default();
        facts.set(MessageFact::DateAhead, hours(date.saturating_sub(received)));
        facts.set(MessageFact::DateBehind, hours(received.saturating_sub(date)));
    }

    fn trace(&self, envelope: &Envelope, facts: &mut MessageFacts) {
        facts.add(MessageFact::Received, self.fields.iter().filter(|f| &*f.name == "received").count());
        let list = ["list-id", "list-unsubscribe", "list-post"].iter().any(|name| self.field(name).is_some());
        facts.flag(MessageFact::List, list);
        facts.flag(MessageFact::NoReverseName, envelope.client_name.is_none());
    }
}

fn of_envelope(envelope: &Envelope, facts: &mut MessageFacts) {
    facts.flag(MessageFact::Inbound, envelope.direction == Direction::Inbound);
    facts.flag(MessageFact::Outbound, envelope.direction == Direction::Outbound);
    facts.flag(MessageFact::Tls, envelope.tls.is_some());
    facts.flag(MessageFact::Authenticated, envelope.authenticated);
    facts.flag(MessageFact::NullSender, envelope.sender.mailbox().is_none());
    facts.add(MessageFact::Recipients, envelope.recipients.len());
}

/// Seconds since 1970 of a date.
fn timestamp(raw: &[u8]) -> Option<i64> {
    let mut block = b"Date:".to_vec();
    block.extend(raw.iter().take(200).map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
    block.extend_from_slice(b"\r\n\r\n");
    // Never `parse`: see `addresses`.
    let message = MessageParser::default().parse_headers(&block)?;
    let date = message.date().filter(|date| date.is_valid() && date.year > 1970)?;
    Some(date.to_timestamp())
}

/// Percent of capitals among the letters, where there are enough of them.
#[must_use]
pub fn capitals(text: &str, least: usize) -> u32 {
    let (mut letters, mut large) = (0_usize, 0_usize);
    for c in text.chars() {
        let (upper, lower) = (c.is_uppercase(), c.is_lowercase());
        letters += usize::from(upper || lower);
        large += usize::from(upper);
    }
    if letters < least.max(1) { 0 } else { u32::try_from(large * 100 / letters).unwrap_or_default() }
}
