//! The PROXY protocol of HAProxy, versions 1 and 2 (doc/proxy-protocol.txt of HAProxy).
//!
//! Purpose: learn the client's address from a load balancer in front, and tell it to a downstream. State:
//! none; the caller passes the octets from the start of the connection, and asks only for peers that he
//! listed. What is no header, or over the bounds, is [`ProxyHeader::Invalid`] with a sentence; the
//! connection is then closed.

use crate::mail::unmapped;
use memchr::memchr;
use ppp::{v1, v2};
use std::net::{IpAddr, SocketAddr};

/// Longest version 1 header in octets with CRLF.
const V1_OCTETS_MAX: usize = 107;
/// Octets of a version 2 header before addresses and TLVs.
const V2_HEAD_OCTETS: usize = 16;
/// Most octets of addresses and TLVs that we take; the field could say 65,535.
const V2_REST_OCTETS_MAX: usize = 4096;
/// Beginnings of every version 1 header.
const V1_HEADS: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", V1_UNKNOWN];
const V1_UNKNOWN: &[u8] = b"PROXY UNKNOWN";

/// What stands at the start of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// More octets are needed.
    Incomplete,
    /// The balancer itself (LOCAL), or a client that it cannot name (UNKNOWN, UNSPEC, a UNIX socket).
    Local {
        /// Octets of the header.
        consumed: usize,
    },
    /// A client behind the balancer. IPv4-mapped addresses are unmapped.
    Proxied {
        /// Octets of the header.
        consumed: usize,
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// No header, and no further octets make it one.
    Invalid(&'static str),
}

/// Reads a header of either version at the start of `input`, as early as it can be judged.
#[must_use]
pub fn parse(input: &[u8]) -> ProxyHeader {
    match input.first() {
        None => ProxyHeader::Incomplete,
        Some(b'P') => parse_v1(input),
        Some(_) => parse_v2(input),
    }
}

/// Whether `input` begins with `head`, as far as it goes.
fn agrees(input: &[u8], head: &[u8]) -> bool {
    input.iter().zip(head).all(|(a, b)| a == b)
}

fn parse_v1(input: &[u8]) -> ProxyHeader {
    if !V1_HEADS.iter().any(|head| agrees(input, head)) {
        return ProxyHeader::Invalid("not a PROXY header");
    }
    let window = input.get(..V1_OCTETS_MAX).unwrap_or(input);
    let Some(end) = memchr(b'\n', window) else {
        return if window.len() == V1_OCTETS_MAX {
            ProxyHeader::Invalid("a PROXY header of over 107 octets")
        } else {
            ProxyHeader::Incomplete
        };
    };
    let consumed = end + 1;
    let (Some(line), true) = (input.get(..consumed), input.get(..end).is_some_and(|l| l.ends_with(b"\r")))
    else {
        return ProxyHeader::Invalid("a PROXY header that does not end in CRLF");
    };
    if let Some(rest) = line.strip_prefix(V1_UNKNOWN) {
        return match rest.first() {
            Some(b' ' | b'\r') => ProxyHeader::Local { consumed },
            _ => ProxyHeader::Invalid("a PROXY header of an unknown protocol"),
        };
    }
    // The crate reads ports with `str::parse`, which takes a plus sign.
    match v1::Header::try_from(line) {
        Ok(header) if header.header.len() == consumed && !line.contains(&b'+') => match header.addresses {
            v1::Addresses::Tcp4(a) => proxied(
                consumed,
                (a.source_address.into(), a.source_port),
                (a.destination_address.into(), a.destination_port),
            ),
            v1::Addresses::Tcp6(a) => proxied(
                consumed,
                (a.source_address.into(), a.source_port),
                (a.destination_address.into(), a.destination_port),
            ),
            v1::Addresses::Unknown => ProxyHeader::Local { consumed },
        },
        Ok(_) | Err(_) => ProxyHeader::Invalid("a PROXY header with bad addresses or ports"),
    }
}

fn proxied(consumed: usize, source: (IpAddr, u16), destination: (IpAddr, u16)) -> ProxyHeader {
    ProxyHeader::Proxied {
        consumed,
        source: SocketAddr::new(unmapped(source.0), source.1),
        destination: SocketAddr::new(unmapped(destination.0), destination.1),
    }
}

fn parse_v2(input: &[u8]) -> ProxyHeader {
    if !agrees(input, v2::PROTOCOL_PREFIX) {
        return ProxyHeader::Invalid("not a PROXY header");
    }
    let local = match input.get(12) {
        None => return ProxyHeader::Incomplete,
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return ProxyHeader::Invalid("a PROXY header of an unknown version or command"),
    };
    let (Some(&high), Some(&low)) = (input.get(14), input.get(15)) else { return ProxyHeader::Incomplete };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_REST_OCTETS_MAX {
        return ProxyHeader::Invalid("a PROXY header of over 4,096 octets");
    }
    let consumed = V2_HEAD_OCTETS + length;
    let Some(header) = input.get(..consumed) else { return ProxyHeader::Incomplete };
    if local {
        return ProxyHeader::Local { consumed };
    }
    match v2::Header::try_from(header) {
        Ok(header) if header.protocol == v2::Protocol::Datagram => {
            ProxyHeader::Invalid("a PROXY header for a datagram")
        }
        Ok(header) => match header.addresses {
            v2::Addresses::IPv4(a) => proxied(
                consumed,
                (a.source_address.into(), a.source_port),
                (a.destination_address.into(), a.destination_port),
            ),
            v2::Addresses::IPv6(a) => proxied(
                consumed,
                (a.source_address.into(), a.source_port),
                (a.destination_address.into(), a.destination_port),
            ),
            v2::Addresses::Unspecified | v2::Addresses::Unix(_) => ProxyHeader::Local { consumed },
        },
        Err(_) => ProxyHeader::Invalid("a PROXY header with bad addresses"),
    }
}

/// A version 2 header that names a client and where it connected to. If only one of them is IPv6, both are
/// written as IPv6, the other IPv4-mapped.
#[must_use]
pub fn v2(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let pair = if source.is_ipv4() == destination.is_ipv4() {
        (source, destination)
    } else {
        (mapped(source), mapped(destination))
    };
    let builder =
        v2::Builder::with_addresses(v2::Version::Two | v2::Command::Proxy, v2::Protocol::Stream, pair);
    // Building fails only for a payload of over 65,535 octets, and this one has 36.
    builder.build().unwrap_or_else(|_| v2_local())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// A version 2 header for a connection of our own: a probe.
#[must_use]
pub fn v2_local() -> Vec<u8> {
    [v2::PROTOCOL_PREFIX, &[v2::Version::Two | v2::Command::Local, 0, 0, 0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn seen(source: &str, destination: &str, consumed: usize) -> ProxyHeader {
        ProxyHeader::Proxied { consumed, source: addr(source), destination: addr(destination) }
    }

    #[test]
    fn version_1_is_read() {
        let (four, six) = (
            "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n",
            "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.9 4711 25\r\n",
        );
        for (input, want) in [
            (four, seen("192.0.2.1:4711", "198.51.100.2:25", four.len())),
            (six, seen("[2001:db8::1]:4711", "192.0.2.9:25", six.len())),
            ("PROXY UNKNOWN\r\n", ProxyHeader::Local { consumed: 15 }),
            ("PROXY UNKNOWN a b c d e f g\r\n", ProxyHeader::Local { consumed: 29 }),
        ] {
            let long = format!("{input}EHLO x\r\n");
            assert_eq!(parse(long.as_bytes()), want, "{input:?}");
            for cut in 0..input.len() {
                assert_eq!(parse(&input.as_bytes()[..cut]), ProxyHeader::Incomplete, "{input:?} at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_said_at_once() {
        for input in [
            "E",
            "EHLO x\r\n",
            "PROXX",
            "PROXY TCP5",
            "PROXY  ",
            "PROXY TCP4  ",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX\r\n",
            "\x16\x03\x01",
            "\r\n\r\nX",
            "PROXY UNKNOWN\n",
        ] {
            // Only the double blank after TCP4 needs the line to be complete.
            let input = if input.ends_with("  ") { format!("{input}\r\n") } else { input.to_owned() };
            assert!(matches!(parse(input.as_bytes()), ProxyHeader::Invalid(_)), "{input:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(100));
        assert!(matches!(parse(long.as_bytes()), ProxyHeader::Invalid(_)));
    }

    fn with_rest(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    #[test]
    fn version_2_is_read_and_bounded() {
        let local = ProxyHeader::Local { consumed: 16 };
        assert_eq!(parse(&v2_local()), local);
        assert_eq!(parse(&with_rest(0x20, 0xff, b"")), local);
        assert_eq!(parse(&with_rest(0x21, 0x00, b"")), local);
        assert_eq!(parse(&with_rest(0x21, 0x31, &[0; 216])), ProxyHeader::Local { consumed: 232 });
        for bad in [
            with_rest(0x22, 0x11, &[0; 12]),
            with_rest(0x11, 0x11, &[0; 12]),
            with_rest(0x21, 0x11, &[0; 11]),
            with_rest(0x21, 0x12, &[0; 12]),
            with_rest(0x21, 0x41, &[0; 12]),
            with_rest(0x21, 0x11, &[0; 4097]),
        ] {
            assert!(matches!(parse(&bad), ProxyHeader::Invalid(_)), "{bad:?}");
        }
        let most = with_rest(0x21, 0x11, &[0; 4096]);
        assert_eq!(parse(&most), seen("0.0.0.0:0", "0.0.0.0:0", 4112));
    }

    #[test]
    fn two_families_become_one() {
        let header = v2(addr("192.0.2.1:4711"), addr("[2001:db8::1]:25"));
        assert_eq!(parse(&header), seen("192.0.2.1:4711", "[2001:db8::1]:25", 52));
    }

    proptest! {
        #[test]
        fn what_is_built_is_read(source: SocketAddr, destination: SocketAddr) {
            let header = v2(source, destination);
            for cut in 0..header.len() {
                prop_assert_eq!(parse(&header[..cut]), ProxyHeader::Incomplete);
            }
            let plain = |a: SocketAddr| SocketAddr::new(unmapped(a.ip()), a.port());
            let want = ProxyHeader::Proxied {
                consumed: header.len(), source: plain(source), destination: plain(destination)
            };
            prop_assert_eq!(parse(&header), want);
        }

        #[test]
        fn no_input_panics(rest in proptest::collection::vec(any::<u8>(), 0..60), kind in 0usize..5) {
            let head: &[u8] = [v2::PROTOCOL_PREFIX, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", b""][kind];
            let input = [head, &rest].concat();
            if let ProxyHeader::Proxied { consumed, .. } | ProxyHeader::Local { consumed } = parse(&input) {
                prop_assert!(consumed <= input.len());
            }
        }
    }
}
