//! Clients that delivered a message here before: they need not wait for their greeting, and are not the first
//! to be sent away when there is no room.
//!
//! Owner of a table of addresses in memory only: after a restart everybody is a stranger once. Bounded; beyond
//! it nobody new is remembered until the next sweep made room.

use super::subject::address;
use crate::config::model::Limits as Policy;
use dashmap::DashMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// Most clients, 60 octets each.
const CLIENTS_MAX: usize = 100_000;
/// A client is remembered for so long after its last message, in seconds.
const REMEMBERED: i64 = 36 * 86_400;

/// The clients, and when they delivered last.
#[derive(Debug, Default)]
pub struct Known {
    clients: DashMap<IpNet, i64>,
}

impl Known {
    /// A message of this client was delivered. `now`: seconds since 1970.
    pub fn delivered(&self, ip: IpAddr, policy: &Policy, now: i64) {
        let client = address(ip, &policy.connections);
        if self.clients.contains_key(&client) || self.clients.len() < CLIENTS_MAX {
            self.clients.insert(client, now);
        }
    }

    /// Whether the client delivered a message here in the last 36 days.
    #[must_use]
    pub fn has(&self, ip: IpAddr, policy: &Policy) -> bool {
        self.clients.contains_key(&address(ip, &policy.connections))
    }

    /// Forgets who has not been here for long; where the table is full, the half that was quiet longest.
    pub(super) fn sweep(&self, now: i64) {
        self.clients.retain(|_, last| now - *last < REMEMBERED);
        if self.clients.len() < CLIENTS_MAX {
            return;
        }
        let mut times: Vec<i64> = self.clients.iter().map(|entry| *entry).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.clients.retain(|_, last| *last > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn who_delivered_is_known_and_the_table_is_bounded() {
        let (known, policy) = (Known::default(), Policy::default());
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        known.delivered(ip(1), &policy, 0);
        assert!(known.has(ip(1), &policy) && !known.has(ip(2), &policy));
        let near: IpAddr = "2001:db8::1".parse().unwrap();
        known.delivered(near, &policy, 0);
        assert!(known.has("2001:db8::ffff".parse().unwrap(), &policy), "a /64 is one client");
        known.sweep(REMEMBERED);
        assert!(!known.has(ip(1), &policy));
        for n in 0..150_000 {
            known.delivered(ip(n), &policy, i64::from(n));
        }
        assert_eq!(known.clients.len(), CLIENTS_MAX);
        known.sweep(150_000);
        assert!(known.clients.len() <= CLIENTS_MAX / 2);
        assert!(known.has(ip(99_999), &policy) && !known.has(ip(0), &policy));
    }
}
