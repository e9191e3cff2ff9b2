//! Whether an address is one of our own listeners.

use crate::mail::unmapped;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Whether a connection to `target` would come back to a listener at `own`, which may be `0.0.0.0` or `[::]`.
pub(super) fn reaches(target: SocketAddr, own: SocketAddr) -> bool {
    reaches_when(target, own, is_local)
}

fn reaches_when(target: SocketAddr, own: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> bool {
    let (to, at) = (unmapped(target.ip()), unmapped(own.ip()));
    if target.port() != own.port() {
        return false;
    }
    // `[::]` takes IPv4 too, `0.0.0.0` takes no IPv6.
    to == at || (at.is_unspecified() && (at.is_ipv6() || to.is_ipv4()) && is_local(to))
}

/// Whether this machine has the address: the kernel then sends to it from itself. Nothing is sent.
fn is_local(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let any: IpAddr = if ip.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        // Port 9 is discard; connecting a datagram socket only asks for the route.
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_reach_every_address_of_this_machine() {
        let local = |ip: IpAddr| ip.to_string().starts_with("10.");
        for (target, own, want) in [
            ("10.0.0.1:25", "10.0.0.1:25", true),
            ("10.0.0.1:26", "10.0.0.1:25", false),
            ("10.0.0.1:25", "0.0.0.0:25", true),
            ("10.0.0.1:25", "[::]:25", true),
            ("[::ffff:10.0.0.1]:25", "0.0.0.0:25", true),
            ("192.0.2.1:25", "0.0.0.0:25", false),
            ("10.0.0.2:25", "10.0.0.1:25", false),
            ("[fd00::1]:25", "0.0.0.0:25", false),
        ] {
            let got = reaches_when(target.parse().unwrap(), own.parse().unwrap(), local);
            assert_eq!(got, want, "{target} {own}");
        }
        assert!(is_local("127.0.0.1".parse().unwrap()) && is_local("::1".parse().unwrap()));
        assert!(!is_local("192.0.2.1".parse().unwrap()));
    }
}
