//! `[[rule]]` and `[[expect]]`.

use crate::rules::{Matcher, Mode};
use crate::verdict::{Direction, Folder, Stage};
use std::net::IpAddr;
use std::sync::Arc;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleAction {
    /// Policy checks are not asked any more (never relay control, size, malware).
    Accept,
    /// 550 5.7.1, or the rule's own reply.
    Reject,
    /// 450 4.7.1.
    Tempfail,
    /// As reject (at connect without a word), and the session ends.
    Drop,
    /// The message is taken and kept in `folder` instead of being delivered.
    Quarantine,
    /// The message is taken and dropped, with a copy in the folder `discarded`.
    Discard,
    /// EHLO keywords are hidden; goes on to the next rule.
    Hide,
    /// Nothing but its effects (points, delay); goes on to the next rule.
    Continue,
}

/// What an unknown fact (DNS down) of a rule leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// 451 4.4.3 where the rule would refuse, else as if it did not match.
    #[default]
    Tempfail,
    /// As if it did not match.
    Pass,
}

/// One `[[rule]]`. Conditions that are not set do not ask; all that are set must hold.
#[derive(Debug)]
pub struct Rule {
    /// Stable id.
    pub id: Arc<str>,
    /// File it stands in.
    pub file: Arc<str>,
    /// Line of its header, from 1.
    pub line: u32,
    /// Mode.
    pub mode: Mode,
    /// Action.
    pub action: RuleAction,
    /// Where it is evaluated and answered. At `Rcpt` it is also looked at ahead at MAIL.
    pub answer_at: Stage,
    /// Text of the reply.
    pub text: Option<Box<str>>,
    /// Code of the reply, within the class of the action: 550, 554, 450, …
    pub code: Option<u16>,
    /// Conditions.
    pub when: Conditions,
    /// Where the message is kept; given with [`RuleAction::Quarantine`] and only there.
    pub folder: Option<Folder>,
    /// Where a copy of the message is kept whatever becomes of it; the rule answers at the message then.
    pub copy: Option<Folder>,
    /// With unknown facts.
    pub on_unknown: OnUnknown,
    /// Ban points.
    pub points: u32,
    /// Delay of the answer in milliseconds, at most 60,000.
    pub delay_ms: u32,
    /// Keywords to hide, upper case.
    pub hide: Vec<Box<str>>,
}

impl RuleAction {
    /// Whether the client hears a refusal.
    #[must_use]
    pub fn refuses(self) -> bool {
        match self {
            Self::Reject | Self::Tempfail | Self::Drop => true,
            Self::Accept | Self::Quarantine | Self::Discard | Self::Hide | Self::Continue => false,
        }
    }

    /// Whether the message is taken and not delivered.
    #[must_use]
    pub fn keeps(self) -> bool {
        matches!(self, Self::Quarantine | Self::Discard)
    }
}

impl Rule {
    /// Where it is looked at. Keywords are hidden in the answer to EHLO; a rule over a recipient answers while there is
    /// one.
    #[must_use]
    pub fn place(&self) -> Stage {
        if self.action == RuleAction::Hide {
            self.answer_at.min(Stage::Helo)
        } else if self.when.recipient.is_some() {
            self.answer_at.min(Stage::Rcpt)
        } else {
            self.answer_at
        }
    }
}

/// Conditions of a rule.
#[derive(Debug, Default)]
pub struct Conditions {
    /// Client address or prefix.
    pub client: Option<Matcher>,
    /// Forward-confirmed reverse name.
    pub reverse_name: Option<Matcher>,
    /// Whether it has a forward-confirmed reverse name.
    pub has_reverse_name: Option<bool>,
    /// HELO or EHLO name.
    pub hello: Option<Matcher>,
    /// Envelope sender; `<>` is the null one.
    pub sender: Option<Matcher>,
    /// The recipient that is asked about.
    pub recipient: Option<Matcher>,
    /// A mailbox of `From:`; the rule answers at the message then.
    pub header_from: Option<Matcher>,
    /// Authenticated user.
    pub user: Option<Matcher>,
    /// Names of listeners.
    pub listener: Vec<Arc<str>>,
    /// Direction.
    pub direction: Option<Direction>,
    /// The client leg has TLS.
    pub tls: Option<bool>,
    /// Authenticated.
    pub authenticated: Option<bool>,
    /// Declared size over this many octets.
    pub size_over: Option<u64>,
    /// Countries, two upper-case letters.
    pub country: Vec<Box<str>>,
    /// DNS lists' score of at least this, in thousandths.
    pub listed_from_milli: Option<i32>,
}

/// The outcome that an `[[expect]]` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every recipient passes to the downstream.
    Pass,
    /// Taken and dropped.
    Discard,
    /// Taken and kept.
    Quarantine,
    /// 5yz.
    Reject,
    /// 4yz.
    Tempfail,
    /// The session ends.
    Drop,
}

/// One `[[expect]]`: a session, and what is to become of it.
#[derive(Debug, Clone)]
pub struct Expect {
    /// File.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Client address.
    pub client: IpAddr,
    /// Forward-confirmed reverse name; `None` is no name.
    pub reverse_name: Option<Box<str>>,
    /// Listener; the first inbound one by default.
    pub listener: Arc<str>,
    /// HELO name.
    pub hello: Option<Box<str>>,
    /// Over TLS.
    pub tls: bool,
    /// Authenticated as.
    pub user: Option<Box<str>>,
    /// Sender in angle brackets as in MAIL, `<>` for the null one.
    pub sender: Option<Box<str>>,
    /// Recipient.
    pub recipient: Option<Box<str>>,
    /// Mailbox of `From:`.
    pub header_from: Option<Box<str>>,
    /// Declared size.
    pub size: Option<u64>,
    /// Country.
    pub country: Option<Box<str>>,
    /// Score of the DNS lists in thousandths.
    pub listed_milli: Option<i32>,
    /// Outcome.
    pub result: Outcome,
    /// Id of the check or rule that must have decided.
    pub rule: Option<Box<str>>,
}
