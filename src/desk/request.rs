//! What commands ask of the desk, and what it answers: the same values over the control socket and in one process.

use crate::mail::Id;
use crate::query::Query;
use crate::vault::{Group, Item, Page, PageRequest, Priority, Row, Scope, Stats};
use serde::{Deserialize, Serialize};

/// Messages that a verb acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// Which.
    pub query: Query,
    /// Of which kind.
    #[serde(default)]
    pub scope: Scope,
    /// Say what would be done and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// An entry of a list that goes with a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The sender's whole domain rather than the mailbox.
    #[serde(default)]
    pub domain: bool,
    /// An allowed sender counts also where nothing proves it.
    #[serde(default)]
    pub auth_any: bool,
    /// Until, RFC 3339 or a date; `None` is without end.
    #[serde(default)]
    pub until: Option<String>,
    /// Note.
    #[serde(default)]
    pub note: String,
}

/// A request. Verbs that change something answer with progress and [`Answer::Done`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "desk", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// One page of a list.
    List {
        /// Which.
        page: PageRequest,
    },
    /// How many.
    Count {
        /// Which.
        pick: Pick,
    },
    /// Everything about one message, its header and readable text.
    Show {
        /// Which: a reference or the beginning of one.
        id: String,
    },
    /// The octets of one part, decoded; 0 is the whole message as it came.
    Part {
        /// Which message.
        id: String,
        /// Number of the part, as `show` lists it.
        part: u32,
        /// Its header block only (part 0: that of the message).
        #[serde(default)]
        header_only: bool,
    },
    /// Near-identical messages, the largest groups first.
    Group {
        /// Of which.
        pick: Pick,
        /// Groups at most.
        most: usize,
    },
    /// Figures.
    Stats {},
    /// Deliver to the recipients, or to others.
    Release {
        /// Which.
        pick: Pick,
        /// To these instead of the original recipients.
        #[serde(default)]
        to: Vec<String>,
        /// Also copies of messages that were refused, and messages released before.
        #[serde(default)]
        again: bool,
        /// Skip the scan that the folder asks for.
        #[serde(default)]
        unscanned: bool,
        /// Allow the envelope sender.
        #[serde(default)]
        allow_sender: Option<Grant>,
        /// Block the envelope sender.
        #[serde(default)]
        block_sender: Option<Grant>,
    },
    /// Scan now; what the outcome means is done.
    Rescan {
        /// Which.
        pick: Pick,
    },
    /// To the trash, or for good.
    Delete {
        /// Which.
        pick: Pick,
        /// For good.
        #[serde(default)]
        forever: bool,
    },
    /// Out of the trash.
    Undelete {
        /// Which; looked for in the trash.
        pick: Pick,
        /// Those of one command.
        #[serde(default)]
        batch: Option<String>,
    },
    /// To another folder.
    Move {
        /// Which.
        pick: Pick,
        /// Where to.
        folder: String,
    },
    /// Take in messages of a file that the gateway can read: one message, or an mbox.
    Import {
        /// Absolute path.
        path: String,
        /// Folder.
        folder: String,
        /// The first ones of the file, which are left out.
        #[serde(default)]
        skip: u64,
    },
    /// Apply the retention of the folders now.
    Expire {
        /// Say what would go.
        #[serde(default)]
        dry_run: bool,
    },
    /// Make the index anew from the files.
    Rebuild {},
    /// Summaries per recipient.
    Digest {
        /// For these messages.
        pick: Pick,
        /// Send them through the downstream rather than give them back.
        #[serde(default)]
        send: bool,
    },
    /// Try deliveries now (`force`), or from the beginning (`reset`).
    Try {
        /// Which.
        pick: Pick,
        /// Attempts and expiry begin anew.
        #[serde(default)]
        reset: bool,
    },
    /// Order in the spool.
    Prioritise {
        /// Which.
        pick: Pick,
        /// New priority.
        priority: Priority,
    },
    /// Work in the background.
    Jobs {},
    /// End such work; what was done stays.
    Cancel {
        /// Its number.
        job: u64,
    },
}

/// What is answered; several lines for work that takes time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `List`.
    Page(Page),
    /// To `Count`, and to what is only tried: how many messages, and their octets.
    Count {
        /// Messages.
        items: u64,
        /// Octets.
        octets: u64,
        /// The first ones.
        sample: Vec<Row>,
    },
    /// To `Show`.
    Shown(Box<Shown>),
    /// Octets, base64, at most 48 KiB before encoding; several in order.
    Octets(String),
    /// To `Group`.
    Groups {
        /// The largest first.
        groups: Vec<Group>,
        /// Of so many messages.
        of: u64,
    },
    /// To `Stats`.
    Stats(Box<Stats>),
    /// To `Digest`.
    Digests(Vec<Summary>),
    /// To `Jobs`.
    Jobs(Vec<Job>),
    /// Work goes on.
    Progress(Job),
    /// Work is over.
    Done(Outcome),
    /// It was not done; a sentence for people.
    Error {
        /// What is wrong and what to do.
        text: String,
        /// Nothing matched (exit code 1) rather than a refusal (2).
        #[serde(default)]
        nothing: bool,
    },
}

/// Work in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub job: u64,
    /// What: `delete`, `release`.
    pub verb: String,
    /// Whose.
    pub by: String,
    /// Messages done.
    pub done: u64,
    /// Messages in all, as far as is known.
    pub total: u64,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Messages that were changed.
    pub changed: u64,
    /// Left alone, with the reason: reason, how many, one of them.
    #[serde(default)]
    pub skipped: Vec<(String, u64, Id)>,
    /// Those whose delivery failed for good; they are not among the changed.
    #[serde(default)]
    pub failed: u64,
    /// What was said of single messages, at most 100.
    #[serde(default)]
    pub messages: Vec<(Id, String)>,
    /// The name by which `undelete --batch` takes all of it back.
    #[serde(default)]
    pub batch: Option<String>,
    /// It was cancelled.
    #[serde(default)]
    pub cancelled: bool,
    /// Why it ended before its end; what was changed by then stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// One message, for `show`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Everything that is known.
    pub item: Item,
    /// What is readable, decoded, at most 64 KiB, control characters and terminal escapes taken out.
    pub text: String,
    /// `text` is cut.
    pub cut: bool,
    /// Its parts.
    pub parts: Vec<PartView>,
    /// What is wrong with its structure.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartView {
    /// Number, from 1.
    pub part: u32,
    /// How deep.
    pub depth: u32,
    /// Type that it claims.
    pub kind: String,
    /// File name, decoded and made harmless.
    pub name: Option<String>,
    /// Octets after decoding.
    pub octets: u64,
    /// An attachment rather than text to read.
    pub attachment: bool,
}

/// The quarantine of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Recipient.
    pub rcpt: String,
    /// How many messages.
    pub items: u64,
    /// The newest, at most 200.
    pub rows: Vec<Row>,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
}
