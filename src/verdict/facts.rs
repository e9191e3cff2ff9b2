//! Facts: what is known of a session when a check is asked. The gateway gathers them; checks only read.

use super::authentication::Authentication;
use super::fact::Fact;
use super::gathered::{Conduct, Gathered};
use crate::mail::{Mailbox, Path};
use std::net::IpAddr;

/// Which facts a check needs that cost something to find out, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs(u32);

impl Needs {
    /// Nothing beyond what the session itself says.
    pub const NONE: Self = Self(0);
    /// The forward-confirmed reverse name of the client.
    pub const REVERSE_NAME: Self = Self(1);
    /// The content of the message.
    pub const MESSAGE: Self = Self(1 << 1);
    /// The country of the client.
    pub const COUNTRY: Self = Self(1 << 2);
    /// Whether the HELO name resolves.
    pub const HELLO_RESOLVES: Self = Self(1 << 3);
    /// Whether the sender's domain takes mail.
    pub const SENDER_DOMAIN: Self = Self(1 << 4);
    /// DNS lists.
    pub const LISTINGS: Self = Self(1 << 5);
    /// Greylisting.
    pub const GREY: Self = Self(1 << 6);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing in it has to be looked up over the network.
    #[must_use]
    pub const fn is_at_hand(self) -> bool {
        let network =
            Self::REVERSE_NAME.0 | Self::HELLO_RESOLVES.0 | Self::SENDER_DOMAIN.0 | Self::LISTINGS.0;
        self.0 & network == 0
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Whether a listener takes mail from the world or to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the world to our domains.
    Inbound,
    /// From our own people to the world.
    Outbound,
}

/// The TLS session of the client leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// Name of the cipher suite.
    pub cipher: Box<str>,
}

/// Who is talking to us: after PROXY and XCLIENT, with IPv4-mapped addresses unmapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Forward-confirmed reverse name.
    pub name: Fact<Box<str>>,
    /// In `[trusted] clients`: free of limits, of nothing else.
    pub trusted: bool,
    /// In `[relay] from`: may send anywhere.
    pub may_relay: bool,
    /// The load balancer itself (PROXY LOCAL): never relays.
    pub balancer: bool,
}

/// What the message stage adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Size in octets, as it will be handed to the downstream without our trace header.
    pub octets: u64,
    /// `Received:` headers.
    pub received: u32,
    /// Of these, ours (by their keyed mark).
    pub own_marks: u32,
    /// Octets above 127 without `BODY=8BITMIME`.
    pub undeclared_8bit: bool,
    /// Every mailbox of every `From:` field, in order; bounded by the header reader.
    pub header_from: Vec<Mailbox>,
    /// There may be more of them than the header reader keeps.
    pub header_from_cut: bool,
    /// What the sender could prove.
    pub authentication: Authentication,
}

/// Everything that a check may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The peer.
    pub client: &'a Client,
    /// Name of the listener.
    pub listener: &'a str,
    /// Direction of the listener.
    pub direction: Direction,
    /// HELO or EHLO name as it was sent.
    pub hello: Option<&'a [u8]>,
    /// TLS of the client leg.
    pub tls: Option<&'a Tls>,
    /// Authenticated user, where the downstream said 235.
    pub user: Option<&'a str>,
    /// Whether the downstream said 235 (the user's name may be unknown to us: SCRAM, OAUTHBEARER).
    pub authenticated: bool,
    /// Reverse-path.
    pub sender: Option<&'a Path>,
    /// The forward-path that is asked about (stage Rcpt).
    pub recipient: Option<&'a Path>,
    /// Forward-paths accepted so far.
    pub accepted_recipients: usize,
    /// Declared size (`SIZE=`).
    pub declared_octets: Option<u64>,
    /// The message (stage Message).
    pub message: Option<&'a MessageFacts>,
    /// What was looked up.
    pub gathered: &'a Gathered,
    /// What the client did, and what the limits say.
    pub conduct: &'a Conduct,
    /// An allow entry let this client, sender or recipient pass: policy checks are not asked any more.
    pub allowed: bool,
    /// Now, seconds since 1970: entries of lists end by themselves.
    pub now: i64,
}

impl<'a> Facts<'a> {
    /// A client that has said nothing, and of which nothing is known.
    #[must_use]
    pub fn of(client: &'a Client, listener: &'a str, direction: Direction) -> Self {
        Self {
            client,
            listener,
            direction,
            hello: None,
            tls: None,
            user: None,
            authenticated: false,
            sender: None,
            recipient: None,
            accepted_recipients: 0,
            declared_octets: None,
            message: None,
            gathered: &Gathered::NOTHING,
            conduct: &Conduct::UNKNOWN,
            allowed: false,
            now: 0,
        }
    }
}
