//! What a HELO or EHLO name is: a host name, an address with or without brackets, or neither (RFC 5321 sections
//! 4.1.1.1 and 4.1.3).

use crate::mail::{Domain, unmapped};
use std::net::IpAddr;

/// The form of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A host name.
    Name(Domain),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
    /// `192.0.2.1`.
    Bare(IpAddr),
    /// None of these.
    Bad,
}

impl Form {
    /// Reads a name.
    pub(super) fn of(name: &[u8]) -> Self {
        if let Some(inner) = name.strip_prefix(b"[") {
            return inner.strip_suffix(b"]").and_then(literal).map_or(Self::Bad, Self::Literal);
        }
        // A name of digits and dots alone is cheap to tell from a host name.
        let digits = name.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'));
        if digits && let Some(ip) = address(name) {
            return Self::Bare(ip);
        }
        Domain::parse(name).map_or(Self::Bad, Self::Name)
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok().map(unmapped)
}

/// RFC 5321 section 4.1.3; IPv6 without its tag is taken too, some clients forget it.
fn literal(inner: &[u8]) -> Option<IpAddr> {
    let tagged = inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case(b"IPv6:"));
    address(if tagged { inner.get(5..)? } else { inner })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (name, want) in [
            ("mx.example.com", "Name(mx.example.com)"),
            ("LOCALHOST", "Name(localhost)"),
            ("my_pc", "Name(my_pc)"),
            ("192.0.2.1", "Bare(192.0.2.1)"),
            ("2001:db8::1", "Bare(2001:db8::1)"),
            ("::ffff:192.0.2.1", "Bare(192.0.2.1)"),
            ("dead.beef", "Name(dead.beef)"),
            ("[192.0.2.1]", "Literal(192.0.2.1)"),
            ("[IPv6:2001:db8::1]", "Literal(2001:db8::1)"),
            ("[ipv6:2001:db8::1]", "Literal(2001:db8::1)"),
            ("[2001:db8::1]", "Literal(2001:db8::1)"),
            ("[192.0.2.1", "Bad"),
            ("[]", "Bad"),
            ("[x]", "Bad"),
            ("a..b", "Bad"),
            ("a b", "Bad"),
            (".", "Bad"),
        ] {
            assert_eq!(format!("{:?}", Form::of(name.as_bytes())), want, "{name}");
        }
    }
}
