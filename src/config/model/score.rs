//! `[score]`, `[[rule]]` and `[[expect]]` of `content.toml`.

use super::message_fact::MessageFact;
use crate::rules::{Expressions, Matcher, Mode};
use crate::verdict::AuthResult;
use std::net::IpAddr;
use std::sync::Arc;

/// The rules that give a message its score.
#[derive(Debug)]
pub struct Score {
    /// Off: no rule is asked. Log: symbols are told and count nothing.
    pub mode: Mode,
    /// Octets of text, and as many of HTML and of the raw message, that are looked at.
    pub max_text: usize,
    /// Addresses of the web that are looked at.
    pub max_urls: usize,
    /// Rules in file order; a rule asks only for those before it.
    pub rules: Vec<ScoreRule>,
    /// All expressions of the rules, by the place in which they are looked for.
    pub places: [Expressions; Place::EACH.len()],
    /// Tests.
    pub expects: Vec<ScoreExpect>,
}

impl Default for Score {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            max_text: 256 << 10,
            max_urls: 300,
            rules: Vec::new(),
            places: Default::default(),
            expects: Vec::new(),
        }
    }
}

/// Where an expression is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Subject and text as a reader sees them, blanks single.
    Text,
    /// The subject.
    Subject,
    /// Fields of the header.
    Header,
    /// HTML as it was sent, decoded.
    Html,
    /// The message as it was sent.
    Raw,
    /// Each address of the web.
    Url,
    /// Each file name.
    Name,
}

impl Place {
    /// All of them.
    pub const EACH: [Self; 7] =
        [Self::Text, Self::Subject, Self::Header, Self::Html, Self::Raw, Self::Url, Self::Name];

    /// The key of a rule.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Subject => "subject",
            Self::Header => "matches",
            Self::Html => "html",
            Self::Raw => "raw",
            Self::Url => "url",
            Self::Name => "name",
        }
    }
}

/// One rule. All conditions that are given must hold.
#[derive(Debug)]
pub struct ScoreRule {
    /// Its id: the name of the symbol.
    pub id: Arc<str>,
    /// File it stands in.
    pub file: Arc<str>,
    /// Line of its header, from 1.
    pub line: u32,
    /// Mode.
    pub mode: Mode,
    /// What it adds to the score, in thousandths. With 0 and no tags it is only there for other rules.
    pub score_milli: i32,
    /// Words for headers and searches.
    pub tags: Vec<Box<str>>,
    /// What it means, for the admin.
    pub note: Box<str>,
    /// Expressions in texts, any of each.
    pub texts: Vec<TextCondition>,
    /// Matchers, any item of each.
    pub matchers: Vec<(Asked, Matcher)>,
    /// Listeners by name; none is all.
    pub listeners: Vec<Arc<str>>,
    /// All of these hold.
    pub all: Vec<Word>,
    /// At least `at_least` of these hold.
    pub any: Vec<Word>,
    /// See there.
    pub at_least: u32,
}

/// One of these expressions is in that place.
#[derive(Debug)]
pub struct TextCondition {
    /// Where.
    pub place: Place,
    /// In which fields, lower case; for [`Place::Header`].
    pub fields: Vec<Box<str>>,
    /// Numbers in the set of that place.
    pub expressions: Vec<u32>,
}

/// What a matcher is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Host of an address of the web.
    Domain,
    /// The client.
    Client,
    /// Its reverse name.
    ReverseName,
    /// HELO name.
    Hello,
    /// Envelope sender.
    Sender,
    /// An envelope recipient.
    Recipient,
    /// A mailbox in From.
    HeaderFrom,
    /// A mailbox in Reply-To.
    ReplyTo,
}

/// A word of `all` and `any`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// `!` stands in front.
    pub negated: bool,
    /// What it asks.
    pub term: Term,
}

/// What a word asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The rule of that number matched.
    Rule(usize),
    /// A fact is within bounds, both included.
    Fact(MessageFact, u32, u32),
    /// A method has that result.
    Method(Method, AuthResult),
    /// SPF or DKIM passes for the domain of From.
    Aligned,
    /// The message has that field; lower case.
    Field(Box<str>),
    /// Another check, scanner or engine has a finding of that id; `*` at the end is the rest.
    Finding(Box<str>),
    /// The message is odd in that way.
    Odd(Box<str>),
}

/// A method of sender authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SPF of the envelope sender.
    Spf,
    /// SPF of the HELO name.
    SpfHello,
    /// DKIM: the best signature.
    Dkim,
    /// DMARC.
    Dmarc,
    /// ARC.
    Arc,
}

/// One test: a message, and what it must come to.
#[derive(Debug, Clone)]
pub struct ScoreExpect {
    /// File.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// The message, lines ended by CRLF.
    pub message: Box<[u8]>,
    /// Client address.
    pub client: IpAddr,
    /// HELO name.
    pub hello: Option<Box<str>>,
    /// Sender in angle brackets, `<>` for the null one.
    pub sender: Option<Box<str>>,
    /// Recipient in angle brackets.
    pub recipient: Option<Box<str>>,
    /// What authentication is to have said.
    pub auth: Vec<(Method, AuthResult)>,
    /// Rules that must match.
    pub symbols: Vec<Box<str>>,
    /// Rules that must not match.
    pub without: Vec<Box<str>>,
    /// Least score, in thousandths.
    pub score_from: Option<i32>,
    /// The score is below this, in thousandths.
    pub score_below: Option<i32>,
}
