//! A set of networks.

use crate::mail::unmapped;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits of `::ffff:0:0/96`, in which IPv4 addresses are written as IPv6 ones (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// One entry of a network list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// The network, host bits cleared, IPv4-mapped IPv6 turned into IPv4.
    pub net: IpNet,
    /// Whether host bits were set in what was written (`10.0.0.5/8`): probably not what was meant.
    pub host_bits: bool,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Not an address at all.
    #[error("expected an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\"")]
    Address,
    /// A good address with a bad prefix length.
    #[error("the prefix length of {0} goes from 0 to {1}")]
    Prefix(IpAddr, u8),
    /// `10.0.0.1:25`, `[::1]`, `[::1]:25`.
    #[error("expected a network without a port and brackets: write \"{0}\"")]
    Port(IpAddr),
    /// `10.0.0.0/255.0.0.0`.
    #[error("networks are written with a prefix length: \"{0}\"")]
    Netmask(IpNet),
}

impl Net {
    /// Reads a CIDR or a single address. IPv4-mapped IPv6 is the IPv4 network that it stands for.
    ///
    /// # Errors
    /// See [`NetError`].
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let Ok(ip) = address.parse::<IpAddr>() else {
            return Err(bad_address(address));
        };
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let length = match prefix {
            None => bits,
            Some(digits) => prefix_length(ip, digits, bits)?,
        };
        let (ip, length) = match unmapped(ip) {
            v4 if v4.is_ipv4() && ip.is_ipv6() && length >= MAPPED_BITS => (v4, length - MAPPED_BITS),
            _ => (ip, length),
        };
        let written = IpNet::new(ip, length).map_err(|_| NetError::Prefix(ip, bits))?;
        Ok(Self { net: written.trunc(), host_bits: written.trunc() != written })
    }
}

fn prefix_length(ip: IpAddr, digits: &str, bits: u8) -> Result<u8, NetError> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if all_digits && let Some(length) = digits.parse::<u8>().ok().filter(|&length| length <= bits) {
        return Ok(length);
    }
    if let Ok(mask) = digits.parse::<IpAddr>()
        && let Ok(net) = IpNet::with_netmask(ip, mask)
    {
        return Err(NetError::Netmask(net.trunc()));
    }
    Err(NetError::Prefix(ip, bits))
}

fn bad_address(text: &str) -> NetError {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).and_then(|t| t.parse().ok());
    let with_port = text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    bare.or(with_port).map_or(NetError::Address, NetError::Port)
}

/// Networks that an admin listed. A look-up is a binary search over merged, sorted ranges: 20 steps for a
/// million entries. IPv4-mapped IPv6 addresses are looked up as IPv4.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct NetSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl NetSet {
    /// The set of all addresses in these networks. Overlapping and neighbouring ones become one range.
    #[must_use]
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push(range_v4(net)),
                IpNet::V6(net) => v6.push(range_v6(net)),
            }
        }
        Self { v4: merged(v4, |end| end.checked_add(1)), v6: merged(v6, |end| end.checked_add(1)) }
    }

    /// Whether the set has this address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match unmapped(ip) {
            IpAddr::V4(ip) => covered(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => covered(&self.v6, ip.to_bits()),
        }
    }

    /// Whether it has some address of this network.
    #[must_use]
    pub fn overlaps(&self, net: IpNet) -> bool {
        match net {
            IpNet::V4(net) => touches(&self.v4, range_v4(net)),
            IpNet::V6(net) => touches(&self.v6, range_v6(net)),
        }
    }

    /// Whether it has no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether it has every IPv4 address or every IPv6 address: `0.0.0.0/0`, `::/0`, or two halves.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.v4 == [(0, u32::MAX)] || self.v6 == [(0, u128::MAX)]
    }
}

fn range_v4(net: Ipv4Net) -> (u32, u32) {
    (net.network().to_bits(), net.broadcast().to_bits())
}

fn range_v6(net: Ipv6Net) -> (u128, u128) {
    (net.network().to_bits(), net.broadcast().to_bits())
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>, after: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match out.last_mut() {
            // Nothing comes after the last address of all, and a range that reaches it takes all others in.
            Some((_, last)) if after(*last).is_none_or(|next| start <= next) => *last = end.max(*last),
            _ => out.push((start, end)),
        }
    }
    out.shrink_to_fit();
    out
}

fn covered<T: Ord + Copy>(ranges: &[(T, T)], at: T) -> bool {
    let behind = ranges.partition_point(|&(start, _)| start <= at);
    behind.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|&(_, end)| at <= end)
}

fn touches<T: Ord + Copy>(ranges: &[(T, T)], (first, last): (T, T)) -> bool {
    let behind = ranges.partition_point(|&(_, end)| end < first);
    ranges.get(behind).is_some_and(|&(start, _)| start <= last)
}

impl FromIterator<IpNet> for NetSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self::new(nets)
    }
}

impl fmt::Debug for NetSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Ranges shown before the rest is only counted.
        const SHOWN: usize = 16;
        let v4 = self.v4.iter().map(|&(a, b)| show(&Ipv4Addr::from_bits(a), &Ipv4Addr::from_bits(b)));
        let v6 = self.v6.iter().map(|&(a, b)| show(&Ipv6Addr::from_bits(a), &Ipv6Addr::from_bits(b)));
        let left = (self.v4.len() + self.v6.len()).saturating_sub(SHOWN);
        let rest = (left > 0).then(|| format!("and {left} more"));
        f.debug_list().entries(v4.chain(v6).take(SHOWN).chain(rest).map(Bare)).finish()
    }
}

struct Bare(String);

impl fmt::Debug for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn show(first: &impl fmt::Display, last: &impl fmt::Display) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    if first == last { first } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> NetSet {
        entries.iter().map(|entry| Net::parse(entry).unwrap().net).collect()
    }

    fn has(set: &NetSet, ip: &str) -> bool {
        set.contains(ip.parse().unwrap())
    }

    #[test]
    fn entries_are_read_as_people_write_them() {
        for (text, net, host_bits) in [
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.5/8", "10.0.0.0/8", true),
            ("192.0.2.1", "192.0.2.1/32", false),
            ("::1", "::1/128", false),
            ("2001:DB8::/32", "2001:db8::/32", false),
            ("2001:db8::1/32", "2001:db8::/32", true),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", false),
            ("::ffff:192.0.2.1", "192.0.2.1/32", false),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0", false),
            ("::/0", "::/0", false),
        ] {
            let got = Net::parse(text).unwrap();
            assert_eq!((got.net.to_string(), got.host_bits), (net.to_owned(), host_bits), "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_says_what_to_write() {
        for (text, want) in [
            ("10.0.0/8", "expected an address or a network"),
            ("010.0.0.1", "expected an address or a network"),
            ("example.net", "expected an address or a network"),
            ("", "expected an address or a network"),
            ("10.0.0.0/33", "the prefix length of 10.0.0.0 goes from 0 to 32"),
            ("10.0.0.0/", "the prefix length of 10.0.0.0 goes from 0 to 32"),
            ("10.0.0.0/+8", "the prefix length of 10.0.0.0 goes from 0 to 32"),
            ("::1/129", "the prefix length of ::1 goes from 0 to 128"),
            ("10.0.0.1:25", "write \"10.0.0.1\""),
            ("[::1]:25", "write \"::1\""),
            ("[::1]", "write \"::1\""),
            ("10.0.0.0/255.0.0.0", "written with a prefix length: \"10.0.0.0/8\""),
        ] {
            let error = Net::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn look_ups_at_every_edge() {
        let set = set(&["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "10.1.0.0/16", "255.255.255.255"]);
        for (ip, want) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.0.2.0", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("255.255.255.255", true),
            ("0.0.0.0", false),
            ("::ffff:10.0.0.1", true),
            ("2001:db8::", true),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
            ("::", false),
        ] {
            assert_eq!(has(&set, ip), want, "{ip}");
        }
        assert!(!has(&NetSet::default(), "127.0.0.1"));
        assert!(NetSet::default().is_empty());
    }

    #[test]
    fn networks_that_touch_the_set() {
        let set = set(&["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]);
        for (net, want) in [
            ("10.1.0.0/16", true),
            ("0.0.0.0/0", true),
            ("10.255.255.255/32", true),
            ("11.0.0.0/8", false),
            ("192.0.2.0/31", true),
            ("192.0.2.2/31", false),
            ("::/0", true),
            ("2001:db9::/32", false),
        ] {
            assert_eq!(set.overlaps(net.parse().unwrap()), want, "{net}");
        }
        assert!(!NetSet::default().overlaps("0.0.0.0/0".parse().unwrap()));
    }

    #[test]
    fn neighbours_become_one_range() {
        let all = set(&["128.0.0.0/1", "0.0.0.0/1"]);
        assert_eq!(all.v4, [(0, u32::MAX)]);
        assert!(all.covers_everything());
        assert!(set(&["::/0"]).covers_everything());
        assert!(set(&["8000::/1", "::/1", "ffff::/16"]).covers_everything());
        assert!(!set(&["10.0.0.0/8", "2001:db8::/32"]).covers_everything());
        assert_eq!(set(&["10.0.0.0/9", "10.128.0.0/9", "10.3.0.0/16"]), set(&["10.0.0.0/8"]));
    }

    #[test]
    fn the_merged_set_answers_as_the_list_does() {
        let nets: Vec<IpNet> = (0..2000u32)
            .map(|i| {
                let ip = Ipv4Addr::from_bits(i.wrapping_mul(2_654_435_761));
                let length = u8::try_from(4 + i % 29).unwrap();
                IpNet::new(IpAddr::V4(ip), length).unwrap().trunc()
            })
            .filter(|net| net.prefix_len() > 9)
            .collect();
        let set = NetSet::new(nets.iter().copied());
        for i in 0..20_000u32 {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(i.wrapping_mul(40_503_329)));
            assert_eq!(set.contains(ip), nets.iter().any(|net| net.contains(&ip)), "{ip}");
        }
    }

    #[test]
    fn a_debug_form_is_short() {
        assert_eq!(format!("{:?}", set(&["10.0.0.0/8", "::1"])), "[10.0.0.0-10.255.255.255, ::1]");
        let many: Vec<String> = (0..40).map(|i| format!("192.0.2.{}", i * 2)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(format!("{:?}", set(&many)).ends_with("and 24 more]"));
    }
}
