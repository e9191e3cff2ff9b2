//! A finding: what one check says at one stage, where in the rules it came from, and what it asks for.

use crate::reply::Reply;
use std::fmt;
use std::sync::Arc;

/// Where in a session a check runs, in the order of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The connection was accepted; nothing was said.
    Connect,
    /// HELO or EHLO.
    Helo,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT, once for each recipient.
    Rcpt,
    /// DATA or the first BDAT.
    Data,
    /// The whole message is here.
    Message,
}

impl Stage {
    /// All of them, in order.
    pub const EACH: [Self; 7] =
        [Self::Connect, Self::Helo, Self::Auth, Self::Mail, Self::Rcpt, Self::Data, Self::Message];
}

/// A quarantine folder by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Folder(pub Arc<str>);

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to happen, in milter's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to say; the next check decides.
    Continue,
    /// Let it pass without further policy checks (never without malware scanning).
    Accept,
    /// 4yz: the client tries again.
    TempFail(Reply),
    /// Take it, keep it sealed, scan again later.
    Hold,
    /// Take it and keep it in a folder.
    Quarantine(Folder),
    /// Take it and drop it, with a copy in the folder `discarded`.
    Discard,
    /// 5yz.
    Reject(Reply),
    /// Say this and end the session.
    Disconnect(Reply),
}

impl Verdict {
    /// What it says to the client, where it refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<&Reply> {
        match self {
            Self::TempFail(reply) | Self::Reject(reply) | Self::Disconnect(reply) => Some(reply),
            Self::Continue | Self::Accept | Self::Hold | Self::Quarantine(_) | Self::Discard => None,
        }
    }

    /// Whether the message is taken and goes elsewhere than downstream: it takes effect at the end of data.
    #[must_use]
    pub fn keeps(&self) -> bool {
        match self {
            Self::Hold | Self::Quarantine(_) | Self::Discard => true,
            Self::Continue | Self::Accept | Self::TempFail(_) | Self::Reject(_) | Self::Disconnect(_) => {
                false
            }
        }
    }

    /// The word that logs use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Accept => "accept",
            Self::TempFail(_) => "tempfail",
            Self::Hold => "hold",
            Self::Quarantine(_) => "quarantine",
            Self::Discard => "discard",
            Self::Reject(_) => "reject",
            Self::Disconnect(_) => "disconnect",
        }
    }
}

/// Where in the rules a finding came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// File below the rules directory; empty for what is built in.
    pub file: Arc<str>,
    /// Line, from 1; 0 for what is built in.
    pub line: u32,
}

impl Source {
    /// A decision that no rule file can change.
    #[must_use]
    pub fn built_in() -> Self {
        Self { file: Arc::from(""), line: 0 }
    }
}

/// What a client did that counts towards a ban; the points of each are in `limits.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A recipient that does not exist.
    UnknownRecipient,
    /// Tried to relay.
    RelayDenied,
    /// AUTH failed.
    AuthFailure,
    /// Spoke before our greeting.
    EarlyTalk,
    /// Wrong syntax or order.
    ProtocolError,
    /// A check or rule refused it.
    Refused,
    /// A connection or message over a limit.
    OverLimit,
    /// Sent malware.
    Virus,
}

/// Something that the gateway is asked to do besides answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Count this many ban points against the client.
    BanPoints(u32),
    /// Count this event against the client, with the points that the policy gives it.
    Count(Event),
    /// Wait before the answer, in milliseconds.
    DelayMs(u32),
    /// Close without a word, where a refusal is said at connect.
    Silent,
    /// Do not offer this EHLO keyword to this client.
    HideKeyword(Box<str>),
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable id of the check or rule.
    pub id: Arc<str>,
    /// Where it was found.
    pub stage: Stage,
    /// What it wants.
    pub verdict: Verdict,
    /// When a refusal is said: at its stage, or at a later one so that the log has the envelope.
    pub answer_at: Stage,
    /// Off for a check with `mode = "log"`: it is told and changes nothing.
    pub enforced: bool,
    /// Its part of the score, in thousandths of a point.
    pub score_milli: i32,
    /// Words for headers and searches.
    pub tags: Vec<Box<str>>,
    /// Keep a copy here whatever the verdict is.
    pub copy: Option<Folder>,
    /// What else is to be done.
    pub effects: Vec<Effect>,
    /// The rule's place.
    pub source: Source,
    /// Why, for the admin; never sent to a peer.
    pub reason: Box<str>,
}

impl Finding {
    /// A finding with a verdict and nothing else.
    #[must_use]
    pub fn new(
        id: &str,
        stage: Stage,
        verdict: Verdict,
        source: Source,
        reason: impl Into<Box<str>>,
    ) -> Self {
        Self {
            id: Arc::from(id),
            stage,
            verdict,
            answer_at: stage,
            enforced: true,
            score_milli: 0,
            tags: Vec::new(),
            copy: None,
            effects: Vec::new(),
            source,
            reason: reason.into(),
        }
    }

    /// Whether it refuses, in force.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.enforced && self.verdict.refusal().is_some()
    }

    /// Whether it refuses for good, in force.
    #[must_use]
    pub fn refuses_for_good(&self) -> bool {
        self.enforced && matches!(self.verdict, Verdict::Reject(_) | Verdict::Disconnect(_))
    }

    /// Whether it takes the message elsewhere, in force.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.enforced && self.verdict.keeps()
    }

    /// Whether the connection is to be closed without a word.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.effects.contains(&Effect::Silent)
    }

    /// The same, said later: at `stage`, but never before its own.
    #[must_use]
    pub fn answered_at(mut self, stage: Stage) -> Self {
        self.answer_at = self.stage.max(stage);
        self
    }

    /// The same with one more effect.
    #[must_use]
    pub fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// The same, only told: it changes nothing.
    #[must_use]
    pub fn only_told(mut self) -> Self {
        self.enforced = false;
        self.effects.clear();
        self
    }
}
