//! What sources are told apart by: addresses and prefixes as they are, everything else by its name.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name of a source in octets.
const NAME_OCTETS_MAX: usize = 200;

/// What a source is told apart by.
pub(super) trait Key: Ord {
    /// What it is asked by.
    type Asked: Hash + ?Sized;
    /// From it.
    fn new(asked: &Self::Asked) -> Self;
    /// Whether it is the same.
    fn is(&self, asked: &Self::Asked) -> bool;
    /// As it is shown.
    fn name(&self) -> String;
    /// Octets on the heap.
    fn heap(&self) -> usize;
}

impl Key for Box<str> {
    type Asked = str;
    fn new(asked: &str) -> Self {
        asked.into()
    }
    fn is(&self, asked: &str) -> bool {
        **self == *asked
    }
    fn name(&self) -> String {
        self.to_string()
    }
    fn heap(&self) -> usize {
        self.len()
    }
}

impl Key for IpAddr {
    type Asked = Self;
    fn new(asked: &Self) -> Self {
        *asked
    }
    fn is(&self, asked: &Self) -> bool {
        self == asked
    }
    fn name(&self) -> String {
        self.to_string()
    }
    fn heap(&self) -> usize {
        0
    }
}

/// A /24, or a /64 of IPv6, by its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Prefix(IpAddr);

impl Prefix {
    /// That of an address.
    pub(super) fn of(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

impl Key for Prefix {
    type Asked = Self;
    fn new(asked: &Self) -> Self {
        *asked
    }
    fn is(&self, asked: &Self) -> bool {
        self == asked
    }
    fn name(&self) -> String {
        let length = if self.0.is_ipv4() { 24 } else { 64 };
        format!("{}/{length}", self.0)
    }
    fn heap(&self) -> usize {
        0
    }
}

/// A name, bounded.
pub(super) fn cut(key: &str) -> &str {
    key.get(..key.floor_char_boundary(NAME_OCTETS_MAX)).unwrap_or(key)
}
