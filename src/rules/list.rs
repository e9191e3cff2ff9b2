//! Lists: `lists/NAME.list`, one entry a line, most specific wins. See `rules/README.md` for the form.
//!
//! Pure values, built once per policy generation and then only read. An entry past its `until` does not
//! match; nobody has to remove it.

use super::Problem;
use crate::mail::{Domain, Mailbox};
use crate::verdict::Direction;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What an entry, or one item of a `[[rule]]`, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The client's address.
    Address,
    /// The envelope sender.
    Sender,
    /// A mailbox of the `From:` field.
    HeaderFrom,
    /// The recipient.
    Recipient,
    /// The HELO or EHLO name.
    Hello,
    /// The authenticated user.
    User,
    /// The forward-confirmed reverse name of the client.
    ReverseName,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'s> {
    /// An address, unmapped.
    Address(IpAddr),
    /// A mailbox.
    Mailbox(&'s Mailbox),
    /// The null reverse-path.
    Null,
    /// A name: HELO as it was sent, a host name, a user.
    Name(&'s [u8]),
}

/// The mode of an entry or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As if it were not there.
    Off,
    /// Told in the audit line, changes nothing.
    Log,
    /// In force.
    #[default]
    On,
}

/// What an entry of a block list does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockAction {
    /// 554 5.7.1 at connect, 550 5.7.1 later.
    #[default]
    Reject,
    /// 450 4.7.1.
    Tempfail,
    /// Closed without a word (addresses), else as Reject and the session ends.
    Drop,
}

/// What stands behind the `;` of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Seconds since 1970; from then on it does not match.
    pub until: Option<i64>,
    /// Seconds since 1970.
    pub created: Option<i64>,
    /// Words of the admin.
    pub note: Option<Box<str>>,
    /// Who or what added it.
    pub by: Option<Box<str>>,
    /// Only for this direction; none is both.
    pub dir: Option<Direction>,
    /// Its mode.
    pub mode: Mode,
    /// In a block list.
    pub action: BlockAction,
    /// The reply's text in a block list.
    pub text: Option<Box<str>>,
    /// In an allow list: counts for a sender that nothing has proved (`auth = "any"`).
    pub auth_any: bool,
}

/// An entry that matched.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'l> {
    /// Its line, from 1.
    pub line: u32,
    /// Its attributes.
    pub attributes: &'l Attributes,
}

/// One list.
#[derive(Debug, Default)]
pub struct List {
    /// `blocks` of `lists/blocks.list`.
    pub name: Arc<str>,
    /// File relative to the rules directory.
    pub file: Arc<str>,
}

/// The lists of a generation by name.
pub type Lists = HashMap<Arc<str>, Arc<List>>;

impl List {
    /// Reads a list. All problems are told; of equal kinds the first 20 and then a count. A list with an error must
    /// not be used.
    #[must_use]
    pub fn parse(name: &str, file: &str, _text: &str, _now: i64) -> (Self, Vec<Problem>) {
        (Self { name: name.into(), file: file.into() }, Vec::new())
    }

    /// The most specific entry of that kind that matches now; `None` also where that entry is an exception (`!`).
    #[must_use]
    pub fn find(&self, _kind: Kind, _subject: Subject<'_>, _dir: Direction, _now: i64) -> Option<Hit<'_>> {
        None
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sender domains that some entry lets match (for the check that our own are no allow entries).
    #[must_use]
    pub fn covers_sender_domain(&self, _domain: &Domain) -> Option<u32> {
        None
    }
}
