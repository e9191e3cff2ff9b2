//! What is probably not meant, or dangerous, about a new entry.

use crate::config::model::Policy;
use crate::mail::Domain;
use crate::rules::edit::Typed;
use crate::rules::{Attributes, Kind, Mode};
use ipnet::IpNet;

/// Shortest prefix that is one network of somebody's, as a rule.
const USUAL_V4: u8 = 24;
const USUAL_V6: u8 = 48;

/// A network that is wider than one usually means, or a pattern that is everything.
pub(super) fn wide(typed: &Typed) -> Option<String> {
    if typed.is_everything() {
        return Some(format!("it matches every value of {}", typed.kind().words()));
    }
    let net = typed.net().filter(|_| !typed.is_exception())?;
    let (usual, all) = match net {
        IpNet::V4(_) => (USUAL_V4, 32 - net.prefix_len()),
        IpNet::V6(_) => (USUAL_V6, 128 - net.prefix_len()),
    };
    (net.prefix_len() < usual).then(|| format!("{net} is wider than a /{usual}: 2^{all} addresses"))
}

/// Blocking somebody who is trusted is refused unless it is forced.
pub(super) fn trusted(policy: &Policy, typed: &Typed, attributes: &Attributes) -> Result<(), String> {
    let Some(net) = typed.net().filter(|_| !typed.is_exception() && attributes.mode == Mode::On) else {
        return Ok(());
    };
    let whose = if policy.trusted.overlaps(net) {
        "clients in [trusted]"
    } else if policy.relay.from.overlaps(net) {
        "clients in relay.from"
    } else {
        return Ok(());
    };
    Err(format!("{net} has {whose} of gateway.toml: nothing was changed; --force blocks them as well"))
}

/// A sender of ours, in both directions.
pub(super) fn own_sender(policy: &Policy, typed: &Typed, attributes: &Attributes) -> Option<String> {
    let about = typed.kind() == Kind::Sender && !typed.is_exception() && attributes.dir.is_none();
    let name = typed.name().filter(|_| about)?;
    let host = name.rsplit_once('@').map_or(name, |(_, host)| host);
    let domain = Domain::parse(host.as_bytes()).ok()?;
    policy.relay.domains.contains(&domain).then(|| {
        format!("{domain} is in relay.domains: what its own people send out is blocked as well; --dir in is for strangers who claim it")
    })
}
