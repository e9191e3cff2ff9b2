//! What an entry is about, and what is looked for.

use crate::mail::Mailbox;
use std::net::IpAddr;

/// What an entry, or one item of a `[[rule]]`, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl Kind {
    /// Every prefix that forces a kind, and its kind. The first of a kind is the one that we write.
    pub const PREFIXES: [(&'static str, Self); 8] = [
        ("ip", Self::Address),
        ("from", Self::Sender),
        ("header-from", Self::HeaderFrom),
        ("rcpt", Self::Recipient),
        ("ehlo", Self::Hello),
        ("helo", Self::Hello),
        ("user", Self::User),
        ("rdns", Self::ReverseName),
    ];

    /// The kind that a prefix (without its colon, in any case) forces.
    #[must_use]
    pub fn of_prefix(word: &str) -> Option<Self> {
        Self::PREFIXES.iter().find(|(prefix, _)| prefix.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind)
    }

    /// Its prefix in a list.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Address => "ip",
            Self::Sender => "from",
            Self::HeaderFrom => "header-from",
            Self::Recipient => "rcpt",
            Self::Hello => "ehlo",
            Self::User => "user",
            Self::ReverseName => "rdns",
        }
    }

    /// For people: `the envelope sender`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Address => "the client's address",
            Self::Sender => "the envelope sender",
            Self::HeaderFrom => "the From: field",
            Self::Recipient => "the recipient",
            Self::Hello => "the HELO name",
            Self::User => "the user",
            Self::ReverseName => "the reverse name",
        }
    }

    /// Whether it is about a mailbox.
    #[must_use]
    pub fn is_mailbox(self) -> bool {
        matches!(self, Self::Sender | Self::HeaderFrom | Self::Recipient)
    }
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
    /// A name: HELO as it was sent, a host name, a user, a domain.
    Name(&'s [u8]),
}
