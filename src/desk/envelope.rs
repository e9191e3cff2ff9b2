//! The envelope of a message that we own, as it was when it came. Pure. Failure: what an item does not know is left out, and
//! whoever brought it without an address, as in mail that was imported, has nothing to prove.

use super::spooling::path_of;
use crate::config::model::Policy;
use crate::mail::Path;
use crate::vault::Item;
use crate::verdict::{Direction, Envelope, Tls};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Versions of TLS by the names that items have.
const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// The envelope of an item.
pub(super) fn envelope(item: &Item, policy: &Policy) -> Envelope {
    let client = &item.client;
    let text = |text: &Option<String>| text.as_deref().map(Box::from);
    let path = |line| path_of(line).map(|(_, path)| path);
    Envelope {
        id: item.id,
        client: client.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        client_name: text(&client.name),
        hello: text(&client.helo),
        user: text(&client.user),
        authenticated: client.authenticated || client.user.is_some(),
        may_relay: client.may_relay,
        trusted: client.ip.is_none_or(|ip| policy.trusted.contains(ip)),
        tls: client.tls.as_deref().and_then(tls),
        sender: path(&item.envelope.line).unwrap_or(Path::Null),
        recipients: item.recipients.iter().filter_map(|r| path(&r.line)).collect(),
        listener: client.listener.as_str().into(),
        direction: client.direction.unwrap_or(Direction::Inbound),
        hostname: Arc::clone(&policy.hostname),
        smtputf8: item.envelope.smtputf8,
    }
}

fn tls(text: &str) -> Option<Tls> {
    let (version, cipher) = text.split_once(' ')?;
    let version = VERSIONS.into_iter().find(|name| *name == version)?;
    Some(Tls { version, cipher: cipher.into() })
}
