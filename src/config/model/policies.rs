//! `policies.toml`. The defaults are those of the table of keys; a test compares the two.

use super::scanners::Lane;
use crate::rules::Matcher;
use crate::verdict::{Direction, Folder};
use std::sync::Arc;

/// Everything of `policies.toml`.
#[derive(Debug, Clone)]
pub struct Policies {
    /// What becomes of a message whose recipients are to be treated differently.
    pub mixed: Mixed,
    /// For whomever no policy of the table is.
    pub default: Arc<MailPolicy>,
    /// In file order; the first whose conditions all hold is the recipient's.
    pub table: Vec<PolicyRow>,
}

/// Recipients of one message who are to be treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mixed {
    /// Each group of them gets its own end: delivered, kept, or waiting in the spool.
    #[default]
    Split,
    /// Only those like the first are taken; the others hear 452 4.5.3 and the message comes again for them.
    Defer,
}

/// One `[[policy]]`. Conditions that are not set do not ask; all that are set must hold.
#[derive(Debug, Clone)]
pub struct PolicyRow {
    /// Line of its header, from 1.
    pub line: u32,
    /// The recipient.
    pub recipient: Option<Arc<Matcher>>,
    /// The envelope sender.
    pub sender: Option<Arc<Matcher>>,
    /// Client address or prefix.
    pub client: Option<Arc<Matcher>>,
    /// Names of listeners.
    pub listener: Vec<Arc<str>>,
    /// Direction.
    pub direction: Option<Direction>,
    /// Authenticated.
    pub authenticated: Option<bool>,
    /// What holds then.
    pub policy: Arc<MailPolicy>,
}

/// How a recipient's mail is judged and treated.
#[expect(clippy::struct_excessive_bools, reason = "switches, each a key of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailPolicy {
    /// Its name: in headers and log.
    pub name: Arc<str>,
    /// Line of its table, from 1; 0 where the file has none.
    pub line: u32,
    /// A message of at least this score is marked as spam. Thousandths of a point.
    pub tag_milli: i32,
    /// Of at least this: kept in `folder`.
    pub quarantine_milli: i32,
    /// Of at least this: refused.
    pub reject_milli: i32,
    /// Where it is kept.
    pub folder: Folder,
    /// Whether what scanners find counts, and whether they must have answered.
    pub malware: bool,
    /// What follows where a scanner gives no answer; `None` is what `scanners.toml` says for each.
    pub on_error: Option<Lane>,
    /// Whether the rules of attachments count.
    pub attachments: bool,
    /// Whether the score counts.
    pub score: bool,
    /// Whether what DMARC asks for counts.
    pub dmarc: bool,
    /// In front of the subject of what is marked as spam.
    pub subject_tag: Option<Box<str>>,
    /// Whether headers of ours are put on top.
    pub headers: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self { mixed: Mixed::default(), default: Arc::new(MailPolicy::default()), table: Vec::new() }
    }
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self {
            name: "default".into(),
            line: 0,
            tag_milli: 5_000,
            quarantine_milli: 8_000,
            reject_milli: 15_000,
            folder: Folder("spam".into()),
            malware: true,
            on_error: None,
            attachments: true,
            score: true,
            dmarc: true,
            subject_tag: None,
            headers: true,
        }
    }
}
