//! One item: everything that is known of a message that we own, but for its octets, which lie in a body of their own.
//!
//! Pure values, serialised as JSON inside a sealed file. A field that a newer version adds is left out by an older one;
//! so every field has a default.

use crate::mail::Id;
use crate::verdict::Direction;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Events that an item remembers of itself at most; older ones go first, the first one stays.
pub const HISTORY_MAX: usize = 64;

/// Octets of an SMTP line as they came, with CRLF. They need not be UTF-8; in JSON they are base64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line(pub Vec<u8>);

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        let octets = base64::engine::general_purpose::STANDARD.decode(text);
        octets.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A message that we own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its reference: that of the message in log, reply and header.
    pub id: Id,
    /// Changes so far; a change says which version it was made from.
    #[serde(default)]
    pub version: u64,
    /// Its place in time among all items: milliseconds since 1970, times 1024, and a counter below. Given by the vault.
    #[serde(default)]
    pub order: i64,
    /// Folder; `spool` for mail that was never in quarantine.
    pub folder: String,
    /// When it came, milliseconds since 1970.
    pub received_ms: i64,
    /// Why it is here: id of the check, rule or scanner.
    #[serde(default)]
    pub rule: String,
    /// Why, in words for people, with what the check saw.
    #[serde(default)]
    pub reason: String,
    /// Where in the rules: `protocol.toml:12`; empty for what is built in.
    #[serde(default)]
    pub source: String,
    /// Generation of the rules that judged it.
    #[serde(default)]
    pub generation: u64,
    /// A copy of a message that was refused or delivered otherwise: it was never ours to deliver, and is released
    /// only where that is asked for by name.
    #[serde(default)]
    pub copy: bool,
    /// Octets of the message as it came.
    #[serde(default)]
    pub size: u64,
    /// SHA-256 of these octets, lower-case hexadecimal.
    #[serde(default)]
    pub digest: String,
    /// The trace header that is put on top when it is delivered: our `Received:` field, with its line end.
    #[serde(default)]
    pub trace: Line,
    /// Who brought it.
    #[serde(default)]
    pub client: ClientView,
    /// MAIL.
    #[serde(default)]
    pub envelope: EnvelopeView,
    /// RCPT, those that were accepted, in order.
    #[serde(default)]
    pub recipients: Vec<RecipientView>,
    /// What its header says.
    #[serde(default)]
    pub header: HeaderView,
    /// All findings, in order.
    #[serde(default)]
    pub findings: Vec<FindingView>,
    /// Sum of the scores, thousandths.
    #[serde(default)]
    pub score_milli: i32,
    /// Tags of findings.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Three numbers that near-identical messages share (two of them at least, mostly).
    #[serde(default)]
    pub likeness: [i64; 3],
    /// Deliveries to come; `None` as long as nobody asked for any.
    #[serde(default)]
    pub spool: Option<Spool>,
    /// To be scanned again by itself.
    #[serde(default)]
    pub hold: Option<Box<Hold>>,
    /// In the trash.
    #[serde(default)]
    pub trash: Option<Trash>,
    /// What happened to it.
    #[serde(default)]
    pub history: Vec<Event>,
}

/// Who brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ClientView {
    /// Its session.
    pub session: String,
    /// Address.
    pub ip: Option<IpAddr>,
    /// Port.
    #[serde(default)]
    pub port: u16,
    /// Forward-confirmed reverse name.
    #[serde(default)]
    pub name: Option<String>,
    /// HELO or EHLO name, escaped.
    #[serde(default)]
    pub helo: Option<String>,
    /// User of AUTH, escaped.
    #[serde(default)]
    pub user: Option<String>,
    /// Version and cipher.
    #[serde(default)]
    pub tls: Option<String>,
    /// Listener.
    #[serde(default)]
    pub listener: String,
    /// Its direction.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Downstream of that listener.
    #[serde(default)]
    pub downstream: String,
    /// Whether it logged in; its user is known for some mechanisms only.
    #[serde(default)]
    pub authenticated: bool,
    /// Whether it is in `relay.from`, and no balancer that speaks for others.
    #[serde(default)]
    pub may_relay: bool,
    /// Whether a delivery report may be sent to the envelope sender: authenticated, in `relay.from`, or proved by SPF or
    /// DKIM. A forged sender never gets one.
    #[serde(default)]
    pub answerable: bool,
}

/// How the octets were declared in MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// Not at all, or BODY=7BIT.
    #[default]
    SevenBit,
    /// BODY=8BITMIME.
    EightBit,
}

/// MAIL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct EnvelopeView {
    /// Sender without brackets, escaped for people; empty is the null sender.
    pub from: String,
    /// The line as it goes down, without SIZE, with CRLF.
    #[serde(default)]
    pub line: Line,
    /// BODY.
    #[serde(default)]
    pub body: BodyKind,
    /// SMTPUTF8.
    #[serde(default)]
    pub smtputf8: bool,
    /// REQUIRETLS.
    #[serde(default)]
    pub requiretls: bool,
    /// Extensions that its lines need downstream: `8BITMIME`, `SMTPUTF8`, `DSN`, …
    #[serde(default)]
    pub needs: Vec<String>,
    /// RET=HDRS: a report carries the header only.
    #[serde(default)]
    pub ret_headers: bool,
    /// ENVID as it came (xtext).
    #[serde(default)]
    pub envid: Option<String>,
}

/// One RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RecipientView {
    /// Without brackets, escaped for people.
    pub rcpt: String,
    /// The line as it goes down, with CRLF.
    #[serde(default)]
    pub line: Line,
    /// NOTIFY as it came, upper case: `NEVER`, `FAILURE,DELAY`; `None` where it did not come.
    #[serde(default)]
    pub notify: Option<String>,
    /// ORCPT as it came.
    #[serde(default)]
    pub orcpt: Option<String>,
}

/// What the header says of itself, decoded, escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HeaderView {
    /// Message-ID.
    #[serde(default)]
    pub message_id: Option<String>,
    /// Subject.
    #[serde(default)]
    pub subject: Option<String>,
    /// From.
    #[serde(default)]
    pub from: Option<String>,
}

/// A finding as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct FindingView {
    /// Check, rule or scanner.
    pub id: String,
    /// Verdict by name.
    #[serde(default)]
    pub verdict: String,
    /// File of the rules.
    #[serde(default)]
    pub file: String,
    /// Line in it.
    #[serde(default)]
    pub line: u32,
    /// In words.
    #[serde(default)]
    pub text: String,
    /// Told where it changed nothing.
    #[serde(default)]
    pub told_only: bool,
}

/// Why an item is in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SpoolCause {
    /// Released by an admin.
    #[default]
    Released,
    /// Held, scanned again and clean.
    Rescanned,
    /// Taken while the downstream was away (`on_outage = "queue"`).
    Outage,
    /// For some recipients of a message that was delivered to others in another form.
    Rest,
    /// A notice of ours.
    Notice,
}

/// Which is delivered first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After all others.
    Low,
    /// As it comes.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// Deliveries that an item waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Spool {
    /// Why.
    pub cause: SpoolCause,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// Where to.
    pub downstream: String,
    /// Whom, and how far it is.
    pub deliveries: Vec<Delivery>,
    /// Attempts that ended.
    #[serde(default)]
    pub attempts: u32,
    /// When the next attempt is due, milliseconds since 1970.
    pub next_ms: i64,
    /// When it is given up, milliseconds since 1970.
    pub expires_ms: i64,
    /// Order.
    #[serde(default)]
    pub priority: Priority,
    /// Not tried by itself.
    #[serde(default)]
    pub frozen: bool,
    /// An attempt whose end is not known: the message may be there already. Until there is an answer to it in another.
    #[serde(default)]
    pub in_doubt: bool,
    /// What the last attempt said.
    #[serde(default)]
    pub last: Option<Attempt>,
    /// Header lines that mark the delivery, with their line ends.
    #[serde(default)]
    pub mark: Line,
    /// How it goes out, where rules change something: each recipient's is the one that names him. None: as it is.
    #[serde(default)]
    pub forms: Vec<Form>,
}

/// What rules change for some of the recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Form {
    /// For whom, as in the deliveries.
    pub rcpts: Vec<String>,
    /// Fields on top, below the item's trace.
    #[serde(default)]
    pub fields: String,
    /// In front of the subject.
    #[serde(default)]
    pub subject_tag: Option<String>,
    /// Parts that are taken out.
    #[serde(default)]
    pub replaced: Vec<Replaced>,
    /// As [`Spool::in_doubt`], of several.
    #[serde(default)]
    pub in_doubt: bool,
}

/// A part with a note in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Replaced {
    /// Where it lies in the message: its first octet, and the one behind it.
    pub part: (usize, usize),
    /// Where its body lies.
    pub body: (usize, usize),
    /// The note.
    pub note: String,
}

/// One recipient of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Delivery {
    /// Without brackets, escaped.
    pub rcpt: String,
    /// RCPT line with CRLF.
    #[serde(default)]
    pub line: Line,
    /// How far.
    #[serde(default)]
    pub progress: Progress,
    /// The reply that decided, or the last one.
    #[serde(default)]
    pub reply: Option<String>,
    /// When, milliseconds since 1970.
    #[serde(default)]
    pub at_ms: i64,
    /// A delay was reported to the sender.
    #[serde(default)]
    pub told_delay: bool,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// To be done.
    #[default]
    Waiting,
    /// The downstream said 2yz to the message.
    Delivered,
    /// Refused for good, or given up.
    Failed,
}

/// What an attempt ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Attempt {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// In words: the reply, or what broke.
    pub said: String,
}

/// To be scanned again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Hold {
    /// The scanner that did not answer.
    pub scanner: String,
    /// Scans since it is held.
    #[serde(default)]
    pub scans: u32,
    /// When the next one is due.
    pub next_ms: i64,
    /// When an admin is told that it takes too long; 0 after that was done.
    pub told_ms: i64,
    /// What the last scan said.
    #[serde(default)]
    pub last: Option<Attempt>,
    /// What discards it where nothing else is found.
    #[serde(default)]
    pub discard: Option<FindingView>,
}

/// In the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Trash {
    /// Since when, milliseconds since 1970.
    pub at_ms: i64,
    /// By whom.
    pub by: String,
    /// What moved it there, so that one command is undone as a whole.
    #[serde(default)]
    pub batch: String,
}

/// Something that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// A user of this machine, or `portcullis`.
    pub by: String,
    /// In words.
    pub what: String,
}

impl Form {
    /// Which one is a recipient's; whoever is in none gets the first.
    #[must_use]
    pub fn of(forms: &[Self], rcpt: &str) -> usize {
        forms.iter().position(|form| form.rcpts.iter().any(|known| known == rcpt)).unwrap_or(0)
    }
}

impl Spool {
    /// Enters whether the message may be there already, for those who get it in one form with this recipient.
    pub fn set_doubt(&mut self, rcpt: &str, doubt: bool) {
        let at = Form::of(&self.forms, rcpt);
        if let Some(form) = self.forms.get_mut(at) {
            form.in_doubt = doubt;
        }
        self.in_doubt = doubt || self.forms.iter().any(|form| form.in_doubt);
    }
}

impl Item {
    /// Remembers what happened.
    pub fn happened(&mut self, at_ms: i64, by: &str, what: impl Into<String>) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(1);
        }
        self.history.push(Event { at_ms, by: by.into(), what: what.into() });
    }

    /// Deliveries that are still to be done.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let deliveries = self.spool.iter().flat_map(|s| &s.deliveries);
        deliveries.filter(|d| d.progress == Progress::Waiting).count()
    }
}
