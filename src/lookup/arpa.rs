//! Addresses written backwards, as they stand in names: pure.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The name that the PTR record of an address has (RFC 1035 section 3.5, RFC 3596 section 2.5).
pub(super) fn arpa(ip: IpAddr) -> String {
    let zone = if ip.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    format!("{}.{zone}", backwards(ip))
}

/// Octets of IPv4, or nibbles of IPv6, the last one first, with dots between them (RFC 5782 sections 2.1 and 2.4).
pub(super) fn backwards(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(ip) => {
            let mut out = String::with_capacity(63);
            for octet in ip.octets().iter().rev() {
                let dot = if out.is_empty() { "" } else { "." };
                let _ = write!(out, "{dot}{:x}.{:x}", octet & 15, octet >> 4);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_backwards() {
        assert_eq!(arpa("192.0.2.99".parse().unwrap()), "99.2.0.192.in-addr.arpa");
        // The example of RFC 5782 section 2.4.
        let ip = "2001:db8:1:2:3:4:567:89ab".parse().unwrap();
        let nibbles = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2";
        assert_eq!(backwards(ip), nibbles);
        assert_eq!(arpa(ip), format!("{nibbles}.ip6.arpa"));
    }
}
