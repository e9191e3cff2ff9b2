//! `attachments.toml`. The defaults are those of the table of keys; a test compares the two.

use super::SignatureRules;
use crate::message::files::{Limits, Marks, Type};
use crate::rules::{Matcher, Mode, TextMatcher};
use crate::verdict::{Direction, Folder};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything of `attachments.toml`.
#[derive(Debug, Clone, Default)]
pub struct Attachments {
    /// How far archives are opened.
    pub limits: Limits,
    /// Rules, in file order.
    pub rules: Vec<Arc<AttachmentRule>>,
    /// Tests, in file order.
    pub expects: Vec<AttachmentExpect>,
    /// `[signatures]`.
    pub signatures: SignatureRules,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentAction {
    /// 550 5.7.1.
    Reject,
    /// The message is taken and kept in `folder`.
    Quarantine,
    /// The part is replaced by a note.
    Strip,
    /// Points, tags; goes on to the next rule.
    Score,
    /// Told only; goes on to the next rule.
    Log,
    /// The file is not looked at by the rules behind this one.
    Accept,
}

impl AttachmentAction {
    /// Whether the rules behind it are not asked about the file any more.
    #[must_use]
    pub fn ends(self) -> bool {
        match self {
            Self::Reject | Self::Quarantine | Self::Strip | Self::Accept => true,
            Self::Score | Self::Log => false,
        }
    }
}

/// One `[[rule]]`. Conditions that are not set do not ask; all that are set must hold.
#[derive(Debug)]
pub struct AttachmentRule {
    /// Stable id.
    pub id: Arc<str>,
    /// File it stands in.
    pub file: Arc<str>,
    /// Line of its header, from 1.
    pub line: u32,
    /// Mode.
    pub mode: Mode,
    /// Action.
    pub action: AttachmentAction,
    /// Where the message is kept; given with [`AttachmentAction::Quarantine`] and only there.
    pub folder: Option<Folder>,
    /// Text of the reply, or of the note.
    pub text: Option<Box<str>>,
    /// Points in thousandths.
    pub score_milli: i32,
    /// Words for headers and searches.
    pub tags: Vec<Box<str>>,
    /// About the file.
    pub file_is: FileConditions,
    /// Facts of the message's structure, any of them.
    pub odd: Vec<Box<str>>,
    /// About who sent it to whom.
    pub when: MessageConditions,
}

/// Conditions over one file.
#[derive(Debug, Default)]
pub struct FileConditions {
    /// Its name, in any reading, lower case.
    pub name: Option<TextMatcher>,
    /// Extensions, lower case, without their dots.
    pub extensions: Vec<Box<str>>,
    /// Names of types and of kinds of types.
    pub types: Vec<Box<str>>,
    /// Declared media type of its part.
    pub declared: Option<TextMatcher>,
    /// One of these.
    pub marks: Marks,
    /// None of these.
    pub without: Marks,
    /// Whether it is an attachment.
    pub attachment: Option<bool>,
    /// Whether it is in an archive or document.
    pub member: Option<bool>,
    /// In more archives than this.
    pub depth_over: Option<u32>,
    /// More octets than this.
    pub size_over: Option<u64>,
}

impl FileConditions {
    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.extensions.is_empty()
            && self.types.is_empty()
            && self.declared.is_none()
            && self.marks.is_empty()
            && self.without.is_empty()
            && self.attachment.is_none()
            && self.member.is_none()
            && self.depth_over.is_none()
            && self.size_over.is_none()
    }
}

/// Conditions over the envelope.
#[derive(Debug, Default)]
pub struct MessageConditions {
    /// Client address.
    pub client: Option<Matcher>,
    /// Envelope sender.
    pub sender: Option<Matcher>,
    /// One of the recipients.
    pub recipient: Option<Matcher>,
    /// Authenticated user.
    pub user: Option<Matcher>,
    /// Names of listeners.
    pub listener: Vec<Arc<str>>,
    /// Direction.
    pub direction: Option<Direction>,
    /// Authenticated.
    pub authenticated: Option<bool>,
}

/// The outcome that an `[[expect]]` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentOutcome {
    /// Delivered as it is.
    Pass,
    /// Delivered without the file.
    Strip,
    /// Taken and kept.
    Quarantine,
    /// 5yz.
    Reject,
}

/// One `[[expect]]`: one file, and what is to become of its message.
#[derive(Debug, Clone)]
pub struct AttachmentExpect {
    /// File.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Name of the file.
    pub name: Option<Box<str>>,
    /// Its type.
    pub kind: Type,
    /// Media type of its part.
    pub declared: Box<str>,
    /// What is to be said of it.
    pub marks: Marks,
    /// Name of the archive that it is in.
    pub inside: Option<Box<str>>,
    /// Whether its part is an attachment.
    pub attachment: bool,
    /// Its octets.
    pub octets: u64,
    /// What is wrong with the structure of the message.
    pub odd: Vec<Box<str>>,
    /// Client address.
    pub client: IpAddr,
    /// Sender in angle brackets.
    pub sender: Box<str>,
    /// Recipient in angle brackets.
    pub recipient: Option<Box<str>>,
    /// Authenticated as.
    pub user: Option<Box<str>>,
    /// Listener, and its direction.
    pub listener: (Arc<str>, Direction),
    /// Outcome.
    pub result: AttachmentOutcome,
    /// Id of a rule that must have matched.
    pub rule: Option<Box<str>>,
}
