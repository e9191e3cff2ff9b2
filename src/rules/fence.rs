//! What lets a look-up be left out: a few bits that a condition must share with a subject, and the range in which all
//! its addresses lie. With a thousand rules nearly all are settled by that.
//!
//! A fence may let pass what does not match, and never keeps out what does.

use super::canon::Canon;
use super::kind::{Kind, Subject};
use std::net::IpAddr;

/// Bit of a fence without a condition: everything has it.
const ANYTHING: u128 = 1 << 127;
/// Bit of a condition that cannot be told by keys (patterns, lists, exceptions): every subject that is there has it.
const ANY_SUBJECT: u128 = 1 << 126;
/// Bits for keys.
const KEYS: u64 = 126;

/// The bits of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence(u128);

/// The bits of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail(u128);

impl Fence {
    /// No condition.
    pub const NONE: Self = Self(ANYTHING);
    /// Some condition, to be asked itself.
    pub(super) const ASK: Self = Self(ANY_SUBJECT);
    /// A condition that nothing matches.
    pub(super) const NOTHING: Self = Self(0);

    /// The same for one more key.
    pub(super) fn key(self, key: &str) -> Self {
        Self(self.0 | bit(key))
    }

    /// Whether the condition could match.
    #[must_use]
    pub fn lets(self, trail: Trail) -> bool {
        self.0 & trail.0 != 0
    }
}

impl Trail {
    /// No subject: no condition matches.
    pub const ABSENT: Self = Self(ANYTHING);
    /// A subject that is not known yet: any condition could match.
    pub const OPEN: Self = Self(u128::MAX);
}

/// FNV-1a over the octets of a key.
fn bit(key: &str) -> u128 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The high half is the better mixed one.
    1 << ((hash >> 32) % KEYS)
}

/// A subject made ready once, to be looked for in many conditions of one kind.
#[derive(Debug)]
pub struct Prepared<'s> {
    pub(super) kind: Kind,
    pub(super) subject: Subject<'s>,
    pub(super) canon: Option<Canon>,
}

impl<'s> Prepared<'s> {
    /// Makes a subject ready for conditions of this kind.
    #[must_use]
    pub fn new(kind: Kind, subject: Subject<'s>) -> Self {
        Self { kind, subject, canon: Canon::of(kind, subject) }
    }

    /// Its bits.
    #[must_use]
    pub fn trail(&self) -> Trail {
        let keys = self.canon.iter().flat_map(|canon| canon.keys());
        Trail(keys.fold(ANYTHING | ANY_SUBJECT, |bits, key| bits | bit(key)))
    }
}

/// The first and the last address of a condition, of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hull {
    v4: Option<(u32, u32)>,
    v6: Option<(u128, u128)>,
}

impl Hull {
    /// All addresses.
    pub const ALL: Self = Self { v4: Some((0, u32::MAX)), v6: Some((0, u128::MAX)) };

    pub(super) fn new(v4: Option<(u32, u32)>, v6: Option<(u128, u128)>) -> Self {
        Self { v4, v6 }
    }

    /// Whether the address lies between them. It is unmapped.
    #[must_use]
    pub fn lets(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.is_some_and(|(first, last)| (first..=last).contains(&ip.to_bits())),
            IpAddr::V6(ip) => self.v6.is_some_and(|(first, last)| (first..=last).contains(&ip.to_bits())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Lists, Matcher};
    use super::*;
    use crate::mail::Mailbox;
    use crate::verdict::Direction;

    fn matcher(kind: Kind, items: &[&str]) -> Matcher {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        Matcher::parse(kind, &items, &Lists::new(), &mut |_, _| {}).unwrap()
    }

    #[test]
    fn what_matches_is_never_kept_out() {
        let names = ["a.example", "x.a.example", "b.example", "c.x.b.example", "other.test"];
        for items in [
            &["a.example"][..],
            &[".a.example", "b.example"],
            &["bob@a.example"],
            &["*@b.example"],
            &["b*@*.example"],
            &["/^bob@/"],
            &["!a.example"],
            &["*"],
            &["bob@a.example", "!x.a.example", "/other/"],
        ] {
            let matcher = matcher(Kind::Sender, items);
            for name in names {
                let mailbox = Mailbox::parse(format!("Bob@{name}").as_bytes()).unwrap();
                let subject = Subject::Mailbox(&mailbox);
                let prepared = Prepared::new(Kind::Sender, subject);
                let matched = matcher.matches(subject, Direction::Inbound, 0);
                assert_eq!(matcher.matches_prepared(&prepared, Direction::Inbound, 0), matched);
                assert!(!matched || matcher.fence().lets(prepared.trail()), "{items:?} {name}");
            }
        }
    }

    #[test]
    fn most_of_what_does_not_match_is() {
        let mailbox = Mailbox::parse(b"anna@mail.example.com").unwrap();
        let trail = Prepared::new(Kind::Sender, Subject::Mailbox(&mailbox)).trail();
        let passed = (0..1000).filter(|n| {
            matcher(Kind::Sender, &[&format!("spam{n}.example"), &format!("x{n}@y{n}.example")])
                .fence()
                .lets(trail)
        });
        assert!(passed.count() < 150);
        let fence = matcher(Kind::Sender, &["a.example"]).fence();
        assert!(!fence.lets(Trail::ABSENT) && fence.lets(Trail::OPEN));
        assert!(Fence::NONE.lets(Trail::ABSENT) && Fence::NONE.lets(trail));
        assert!(!Matcher::default().fence().lets(trail));
        assert!(matcher(Kind::Sender, &["/x/"]).fence().lets(trail));
    }

    #[test]
    fn addresses_lie_in_their_hull() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let hull = matcher(Kind::Address, &["10.1.0.0/16", "10.3.0.0/16", "2001:db8::/32"]).hull();
        for (text, want) in [
            ("10.0.255.255", false),
            ("10.1.0.0", true),
            ("10.2.0.0", true),
            ("10.3.255.255", true),
            ("10.4.0.0", false),
            ("2001:db8::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(hull.lets(ip(text)), want, "{text}");
        }
        assert!(!matcher(Kind::Address, &["255.0.0.0/8"]).hull().lets(ip("::1")));
        assert!(matcher(Kind::Address, &["255.0.0.0/8"]).hull().lets(ip("255.255.255.255")));
        assert_eq!(matcher(Kind::Address, &["!10.0.0.0/8"]).hull(), Hull::ALL);
    }
}
