//! Entries of a block list that say `sweep`: what their source has in quarantine and spool goes as long as they stand.
//!
//! Pure. An entry is given as something that a query can begin with; which message it decides on is asked of the list
//! ([`List::find`](super::List::find)), so that exceptions and narrower entries hold.

use super::attributes::{Attributes, Sweep};
use super::canon::NULL;
use super::entry::Entry;
use super::kind::Kind;
use super::pattern::{Mistake, Pattern};
use ipnet::IpNet;

/// Such entries in one list.
pub(super) const SWEPT_MAX: usize = 1000;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Its line, from 1.
    pub line: u32,
    /// What it is about.
    pub kind: Kind,
    /// Whose messages.
    pub source: Source,
    /// What becomes of them.
    pub sweep: Sweep,
}

/// All that an entry may match, and perhaps more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Client addresses.
    Net(IpNet),
    /// A whole mailbox or name.
    Exact(String),
    /// Every mailbox of a domain.
    Domain(String),
    /// Of the names below it.
    Below(String),
    /// With `*` for any characters.
    Glob(String),
    /// The null sender.
    Null,
}

/// What an entry sweeps; `None` where it does not say that it does.
pub(super) fn of_entry(entry: &Entry, line: u32) -> Result<Option<Swept>, Mistake> {
    let Attributes { sweep: Some(sweep), .. } = &entry.attributes else { return Ok(None) };
    let wrong = |text: &str| Mistake::new("sweep", format!("`sweep`: {text}"));
    let kind = entry.kind.unwrap_or(Kind::Sender);
    if entry.exception {
        return Err(wrong("an exception blocks nothing, so there is nothing to sweep"));
    }
    if matches!(kind, Kind::Recipient | Kind::ReverseName) {
        return Err(wrong("only for what sends: an address, a sender, ehlo:, user:, header-from:"));
    }
    match source(kind, &entry.pattern) {
        Some(source) => Ok(Some(Swept { line, kind, source, sweep: sweep.clone() })),
        None => Err(wrong("not for everything, and not for expressions: name the source")),
    }
}

fn source(kind: Kind, pattern: &Pattern) -> Option<Source> {
    let mailbox = kind.is_mailbox();
    Some(match pattern {
        Pattern::Net(net) if net.prefix_len() == 0 => return None,
        Pattern::Net(net) => Source::Net(*net),
        Pattern::Key(key) if key == NULL => Source::Null,
        Pattern::Key(key) => match key.strip_prefix('.') {
            Some(domain) if mailbox => Source::Below(domain.to_owned()),
            Some(domain) => Source::Glob(format!("*.{domain}")),
            None if mailbox && !key.contains('@') => Source::Domain(key.clone()),
            None => Source::Exact(key.clone()),
        },
        // A query has no wildcard for one character; the list tells those apart that match.
        Pattern::Glob(glob) => {
            let text = glob.as_str().replace('?', "*");
            if !text.bytes().any(|b| b.is_ascii_alphanumeric()) {
                return None;
            }
            Source::Glob(if mailbox && !text.contains('@') { format!("*@{text}") } else { text })
        }
        Pattern::Regex(_) => return None,
    })
}
