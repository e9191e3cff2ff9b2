//! What greylisting remembers a try by: digests of client, sender and recipient. Pure.
//!
//! A digest (SHA-256, cut to 128 bits) is as long for the longest mailbox as for the shortest, is the same after a
//! restart, nobody finds two triplets that share one, and the file names no correspondents.

use super::subject::net;
use crate::config::model::ConnectionLimits;
use crate::mail::{Host, Path};
use ring::digest::{SHA256, digest};
use std::net::IpAddr;

/// The client's network: mail farms try again from a neighbour (RFC 6647 section 4.2).
const CLIENT_V4: u8 = 24;
/// Of IPv6, or `prefix_v6` where that is shorter.
const CLIENT_V6: u8 = 64;

/// Client, sender and recipient.
pub(super) fn triplet(client: IpAddr, sender: &Path, recipient: &Path, limits: &ConnectionLimits) -> u128 {
    let mut text = b"triplet\0".to_vec();
    push_client(&mut text, client, limits);
    push_mailbox(&mut text, sender, true);
    push_mailbox(&mut text, recipient, false);
    short(&text)
}

/// Client and sender domain.
pub(super) fn pair(client: IpAddr, sender: &Path, limits: &ConnectionLimits) -> u128 {
    let mut text = b"pair\0".to_vec();
    push_client(&mut text, client, limits);
    if let Path::Mailbox { mailbox, .. } = sender {
        push_host(&mut text, mailbox.host());
    }
    short(&text)
}

fn short(text: &[u8]) -> u128 {
    let octets = digest(&SHA256, text).as_ref().first_chunk().copied().unwrap_or_default();
    u128::from_be_bytes(octets)
}

fn push_client(text: &mut Vec<u8>, client: IpAddr, limits: &ConnectionLimits) {
    text.extend_from_slice(net(client, CLIENT_V4, CLIENT_V6.min(limits.prefix_v6)).to_string().as_bytes());
    text.push(0);
}

fn push_mailbox(text: &mut Vec<u8>, path: &Path, sender: bool) {
    if let Path::Mailbox { mailbox, .. } = path {
        let local = mailbox.local().to_ascii_lowercase();
        if sender {
            text.extend(folded(&local))
        } else {
            text.extend(local)
        }
        text.push(b'@');
        push_host(text, mailbox.host());
    }
    text.push(0);
}

fn push_host(text: &mut Vec<u8>, host: &Host) {
    match host {
        Host::Name(domain) => text.extend_from_slice(domain.as_str().as_bytes()),
        Host::Literal(literal) => text.extend(literal.to_ascii_lowercase()),
        Host::Unqualified => {}
    }
}

/// A sender's local part without what changes from message to message: the tag of BATV (`prvs=0123abcdef=`), an
/// extension (`+...`), and numbers that stand by themselves, as postgrey does for VERP.
fn folded(local: &[u8]) -> Vec<u8> {
    let local = match local
        .strip_prefix(b"prvs=")
        .and_then(|rest| rest.iter().position(|b| *b == b'=').map(|at| (rest, at)))
    {
        Some((rest, at)) => rest.get(at + 1..).unwrap_or_default(),
        None => local,
    };
    let local = local.split(|b| *b == b'+').next().unwrap_or_default();
    let mut out = Vec::with_capacity(local.len());
    for word in local.chunk_by(|a, b| is_word(*a) == is_word(*b)) {
        if word.iter().all(u8::is_ascii_digit) { out.push(b'#') } else { out.extend_from_slice(word) }
    }
    out
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_' || !octet.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text.as_bytes()).unwrap().0
    }

    fn of(client: &str, sender: &str, recipient: &str) -> u128 {
        triplet(client.parse().unwrap(), &path(sender), &path(recipient), &ConnectionLimits::default())
    }

    #[test]
    fn what_a_retry_may_change_is_not_looked_at() {
        let one = of("192.0.2.1", "<bounce-123-x@list.example>", "<Alice@Example.net>");
        for (client, sender) in [
            ("192.0.2.200", "<bounce-123-x@list.example>"),
            ("::ffff:192.0.2.9", "<bounce-7-X@LIST.example>"),
            ("192.0.2.1", "<bounce-9-x+alice=example.net@list.example>"),
            ("192.0.2.1", "<prvs=0123abcdef=bounce-1-x@list.example>"),
        ] {
            assert_eq!(of(client, sender, "<alice@example.net>"), one, "{client} {sender}");
        }
        for (client, sender, recipient) in [
            ("192.0.3.1", "<bounce-123-x@list.example>", "<alice@example.net>"),
            ("192.0.2.1", "<bounce-123-y@list.example>", "<alice@example.net>"),
            ("192.0.2.1", "<bounce-123-x@other.example>", "<alice@example.net>"),
            ("192.0.2.1", "<>", "<alice@example.net>"),
            ("192.0.2.1", "<bounce-123-x@list.example>", "<alice2@example.net>"),
            ("192.0.2.1", "<bounce-123-x@list.example>", "<alice+1@example.net>"),
        ] {
            assert_ne!(of(client, sender, recipient), one, "{client} {sender} {recipient}");
        }
    }

    #[test]
    fn numbers_by_themselves_are_folded() {
        for (local, want) in [
            ("a1", "a1"),
            ("a-1", "a-#"),
            ("1.22.333", "#.#.#"),
            ("a_1", "a_1"),
            ("a+b+c", "a"),
            ("prvs=1=2", "#"),
            ("prvs=x", "prvs=x"),
        ] {
            assert_eq!(String::from_utf8(folded(local.as_bytes())).unwrap(), want, "{local}");
        }
    }
}
