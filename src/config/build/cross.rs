//! Checks between tables: names, addresses, loops, and whether it would be an open relay.

use super::common::twice;
use super::{downstream, listener, relay};
use crate::config::file::Got;
use crate::config::sink::Sink;
use crate::config::value::quoted;
use crate::mail::unmapped;
use crate::rules::nearest;
use crate::verdict::Direction;
use std::net::{IpAddr, SocketAddr};

/// Runs all of them.
pub fn check(
    sink: &Sink<'_>,
    listeners: &[listener::Draft],
    downstreams: &[downstream::Draft],
    relay: &relay::Draft,
) {
    twice("listener", "name", sink, &listeners.iter().filter_map(|l| l.name.as_ref()).collect::<Vec<_>>());
    twice(
        "downstream",
        "name",
        sink,
        &downstreams.iter().filter_map(|d| d.name.as_ref()).collect::<Vec<_>>(),
    );
    same_address(sink, listeners);
    known_downstream(sink, listeners, downstreams);
    loops(sink, listeners, downstreams);
    open_relay(sink, listeners, relay);
}

fn same_address(sink: &Sink<'_>, listeners: &[listener::Draft]) {
    let addresses: Vec<&Got<SocketAddr>> = listeners.iter().filter_map(|l| l.address.as_ref()).collect();
    for (at, address) in addresses.iter().enumerate() {
        if let Some(first) = addresses.iter().take(at).find(|other| overlap(other.value, address.value)) {
            let (found, line) = (quoted(&address.value.to_string()), sink.line(&first.span));
            let message = format!("`address`: {found} is already taken by the [[listener]] in line {line}");
            sink.error(&address.span, message);
        }
    }
}

/// Whether the second of two listeners could not be bound. Port 0 is any free one.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let wildcard = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || (wildcard && a.is_ipv4() == b.is_ipv4()))
}

fn known_downstream(sink: &Sink<'_>, listeners: &[listener::Draft], downstreams: &[downstream::Draft]) {
    let names: Vec<&str> =
        downstreams.iter().filter_map(|d| d.name.as_ref()).map(|got| got.value.as_str()).collect();
    for wanted in listeners.iter().filter_map(|l| l.downstream.as_ref()) {
        if names.contains(&wanted.value.as_str()) {
            continue;
        }
        let hint = match nearest(&wanted.value, names.iter().copied()) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None if names.is_empty() => String::new(),
            None => {
                format!("; there is {}", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
            }
        };
        sink.error(
            &wanted.span,
            format!("`downstream`: no [[downstream]] is named {}{hint}", quoted(&wanted.value)),
        );
    }
}

/// A downstream that is plainly one of our own listeners.
fn loops(sink: &Sink<'_>, listeners: &[listener::Draft], downstreams: &[downstream::Draft]) {
    for target in downstreams.iter().flat_map(|d| &d.addresses) {
        let own =
            |l: &&listener::Draft| l.address.as_ref().is_some_and(|own| reaches(target.value, own.value));
        if let Some(Got { span, .. }) = listeners.iter().find(own).and_then(|l| l.address.as_ref()) {
            let line = sink.line(span);
            let message = format!(
                "`addresses`: {} is our own [[listener]] in line {line}: mail would go in circles",
                target.value
            );
            sink.error(&target.span, message);
        }
    }
}

fn reaches(target: SocketAddr, own: SocketAddr) -> bool {
    let ip = unmapped(own.ip());
    let every =
        |ip: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || target.is_ipv4()) && target.ip().is_loopback();
    target.port() == own.port() && (target.ip() == ip || every(ip))
}

fn open_relay(sink: &Sink<'_>, listeners: &[listener::Draft], relay: &relay::Draft) {
    let inbound = listeners.iter().find(|l| l.direction == Some(Direction::Inbound));
    if relay.relay.from.covers_everything() {
        // A listener whose direction is wrong may be an inbound one.
        let only_outbound = listeners.iter().all(|l| l.direction == Some(Direction::Outbound));
        let message =
            "`from`: this is every address, so anybody could send mail anywhere through this gateway";
        if only_outbound {
            sink.warning(&relay.from, format!("{message}; keep its listeners away from the Internet"));
        } else {
            sink.error(
                &relay.from,
                format!("{message}: it would be an open relay; list only your own networks"),
            );
        }
    }
    if let Some(inbound) = inbound.filter(|_| relay.relay.domains.is_empty()) {
        let span = if relay.domains == (0..0) { &inbound.header } else { &relay.domains };
        let except = if relay.relay.from.is_empty() { "" } else { " except from the clients in relay.from" };
        let message = format!(
            "relay.domains is empty: every recipient is refused{except}; for example: domains = [\"example.net\"]"
        );
        sink.warning(span, message);
    }
}
