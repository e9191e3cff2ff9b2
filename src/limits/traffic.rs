//! What a throttle looks at: one message, or what is known of it so far. Pure.

use crate::config::model::{Throttle, ThrottleBy};
use crate::mail::{Mailbox, Path, escape, unmapped};
use crate::rules::Subject;
use crate::verdict::Direction;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A message, or as much of it as there is.
#[derive(Debug, Clone, Copy)]
pub struct Traffic<'t> {
    /// Direction of the listener.
    pub direction: Direction,
    /// The client's address.
    pub client: IpAddr,
    /// The authenticated user.
    pub user: Option<&'t str>,
    /// The reverse-path.
    pub sender: &'t Path,
    /// Octets; before the message its declared size, or 0.
    pub octets: u64,
}

/// Somebody whose traffic is counted: the words for it, and what exceptions look at.
pub(super) struct Who<'t> {
    pub(super) words: String,
    pub(super) subject: Subject<'t>,
}

impl ThrottleBy {
    /// The word of `limits.toml`.
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Sender => "sender",
            Self::SenderDomain => "sender_domain",
            Self::Recipient => "recipient",
            Self::RecipientDomain => "recipient_domain",
            Self::Client => "client",
        }
    }

    /// Whether bounces to a mailbox are held against it as a sender.
    pub(super) fn receives_bounces(self) -> bool {
        matches!(self, Self::User | Self::Sender | Self::SenderDomain)
    }

    /// Whether the subject is who receives.
    pub(crate) fn is_recipient(self) -> bool {
        matches!(self, Self::Recipient | Self::RecipientDomain)
    }
}

impl<'t> Traffic<'t> {
    /// Whether the throttle counts messages such as this one.
    pub(super) fn is_counted(&self, throttle: &Throttle) -> bool {
        throttle.direction.is_none_or(|direction| direction == self.direction)
            && (!throttle.null_sender || *self.sender == Path::Null)
    }

    /// Whose traffic of the sending side this is; nobody's where the throttle counts by recipients.
    pub(super) fn sending(&self, by: ThrottleBy) -> Option<Who<'t>> {
        match by {
            ThrottleBy::User => self.user.map(|user| name(by, user)),
            ThrottleBy::Sender | ThrottleBy::SenderDomain => mailbox(self.sender).and_then(|m| at(by, m)),
            ThrottleBy::Client => {
                let ip = unmapped(self.client);
                Some(Who { words: format!("{} {ip}", by.word()), subject: Subject::Address(ip) })
            }
            ThrottleBy::Recipient | ThrottleBy::RecipientDomain => None,
        }
    }
}

/// The recipient as a subject of a throttle that counts by recipients.
pub(super) fn receiving(by: ThrottleBy, recipient: &Path) -> Option<Who<'_>> {
    mailbox(recipient).filter(|_| by.is_recipient()).and_then(|m| at(by, m))
}

/// Who a bounce to this recipient is for, as a sender or user: its user may be called by the whole mailbox or by the
/// local part.
pub(super) fn bounced(by: ThrottleBy, recipient: &Path) -> Vec<Who<'_>> {
    let Some(mailbox) = mailbox(recipient) else { return Vec::new() };
    match by {
        ThrottleBy::User => {
            let local = String::from_utf8_lossy(mailbox.local());
            [mailbox.to_string(), local.into_owned()]
                .into_iter()
                .map(|user| Who { words: name_words(by, &user), subject: Subject::Mailbox(mailbox) })
                .collect()
        }
        ThrottleBy::Sender | ThrottleBy::SenderDomain => at(by, mailbox).into_iter().collect(),
        ThrottleBy::Recipient | ThrottleBy::RecipientDomain | ThrottleBy::Client => Vec::new(),
    }
}

/// The recipients by subject, with how many of them are of each.
pub(super) fn receivers<'t>(by: ThrottleBy, recipients: &[&'t Path]) -> BTreeMap<String, (Subject<'t>, u64)> {
    let mut all = BTreeMap::new();
    for who in recipients.iter().filter_map(|path| receiving(by, path)) {
        all.entry(who.words).or_insert((who.subject, 0)).1 += 1;
    }
    all
}

fn mailbox(path: &Path) -> Option<&Mailbox> {
    match path {
        Path::Null => None,
        Path::Mailbox { mailbox, .. } => Some(mailbox),
    }
}

fn at(by: ThrottleBy, mailbox: &Mailbox) -> Option<Who<'_>> {
    let words = match by {
        ThrottleBy::SenderDomain | ThrottleBy::RecipientDomain => {
            format!("{} {}", by.word(), mailbox.domain()?)
        }
        ThrottleBy::User | ThrottleBy::Sender | ThrottleBy::Recipient | ThrottleBy::Client => {
            name_words(by, &mailbox.to_string())
        }
    };
    Some(Who { words, subject: Subject::Mailbox(mailbox) })
}

fn name(by: ThrottleBy, name: &str) -> Who<'_> {
    Who { words: name_words(by, &escape(name.as_bytes())), subject: Subject::Name(name.as_bytes()) }
}

/// In lower case: nobody gets a second quota by another spelling.
fn name_words(by: ThrottleBy, name: &str) -> String {
    format!("{} {}", by.word(), name.to_lowercase())
}
