//! The envelope of a message, for whoever looks at the message itself: scanners, rules of content, authentication.

use super::facts::{Direction, Tls};
use crate::mail::{Id, Path};
use std::net::IpAddr;
use std::sync::Arc;

/// Who sent a message, how, and to whom.
#[expect(clippy::struct_excessive_bools, reason = "facts, each by itself")]
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The message's id: the same in log, reply, header and quarantine.
    pub id: Id,
    /// The client, after PROXY and XCLIENT.
    pub client: IpAddr,
    /// Its forward-confirmed reverse name.
    pub client_name: Option<Box<str>>,
    /// HELO or EHLO name, what is no UTF-8 replaced.
    pub hello: Option<Box<str>>,
    /// Authenticated user, as far as we know the name.
    pub user: Option<Box<str>>,
    /// Whether the downstream said 235 to AUTH.
    pub authenticated: bool,
    /// In `[relay] from`.
    pub may_relay: bool,
    /// In `[trusted] clients`: it hands on mail of others, and its address proves nothing of them.
    pub trusted: bool,
    /// TLS of the client leg.
    pub tls: Option<Tls>,
    /// Reverse-path.
    pub sender: Path,
    /// Accepted forward-paths, at least one.
    pub recipients: Vec<Path>,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Its direction.
    pub direction: Direction,
    /// Our own name.
    pub hostname: Arc<str>,
    /// `SMTPUTF8` was asked for.
    pub smtputf8: bool,
}

#[cfg(test)]
impl Envelope {
    /// For tests: from a stranger who said nothing of himself. Paths have their brackets.
    pub(crate) fn test(sender: &str, recipients: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let path = |text: &str| Path::parse(text.as_bytes()).unwrap().0;
        Self {
            id: Id::from_bits(7).unwrap(),
            client: "203.0.113.7".parse().unwrap(),
            client_name: None,
            hello: None,
            user: None,
            authenticated: false,
            may_relay: false,
            trusted: false,
            tls: None,
            sender: path(sender),
            recipients: recipients.into_iter().map(|recipient| path(recipient.as_ref())).collect(),
            listener: "in".into(),
            direction: Direction::Inbound,
            hostname: "mx.example.net".into(),
            smtputf8: false,
        }
    }
}
