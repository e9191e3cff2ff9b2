//! The forward-confirmed reverse name of an address (RFC 8601 section 3, "iprev"). State: none of its own.
//!
//! Whoever owns an address writes any name for it; whoever owns the name writes its addresses. A name is confirmed
//! where both agree.

use super::answer::{Answer, Kind};
use super::arpa::arpa;
use super::service::Lookup;
use crate::mail::unmapped;
use crate::verdict::{Cause, Fact};
use std::net::IpAddr;

/// Most names of an address that are confirmed (RFC 8601 section 3 asks for a bound).
const NAMES_MAX: usize = 5;

/// What an address is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// What its PTR record says, confirmed or not: the confirmed name if there is one, else the first in alphabetical
    /// order. A record that is no host name is none.
    pub pointer: Fact<Box<str>>,
    /// The name that has this address among its own; of several the first in alphabetical order. Unknown where a
    /// name's addresses could not be had and no other name is confirmed.
    pub confirmed: Fact<Box<str>>,
}

impl Reverse {
    fn unknown(cause: Cause) -> Self {
        Self { pointer: Fact::Unknown(cause), confirmed: Fact::Unknown(cause) }
    }
}

impl Lookup {
    /// The reverse name of an address, loopback and private ones too. Takes at most twice the timeout of `[dns]`.
    pub async fn reverse(&self, ip: IpAddr) -> Reverse {
        let ip = unmapped(ip);
        let pointer = self.ask(&arpa(ip), Kind::Ptr).await;
        if let Answer::Unknown(cause) = pointer {
            return Reverse::unknown(cause);
        }
        let mut names: Vec<&str> = pointer.names().collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMES_MAX);
        let Some(first) = names.first() else {
            return Reverse { pointer: Fact::Absent, confirmed: Fact::Absent };
        };
        let kind = if ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        let deadline = self.deadline();
        // All at once; then one after the other, so that which one is taken does not depend on who is fast.
        let asked: Vec<_> = names.iter().map(|name| (*name, self.start(name, kind))).collect();
        let mut confirmed = Fact::Absent;
        for (name, pending) in asked {
            let answer = pending.by(deadline).await;
            if answer.addresses().any(|address| unmapped(address) == ip) {
                let name: Box<str> = name.into();
                return Reverse { pointer: Fact::Known(name.clone()), confirmed: Fact::Known(name) };
            }
            if let (Answer::Unknown(cause), Fact::Absent) = (answer, &confirmed) {
                confirmed = Fact::Unknown(cause);
            }
        }
        Reverse { pointer: Fact::Known((*first).into()), confirmed }
    }
}
