//! What counts as one client, and how it and its limits are written. Pure.

use crate::config::model::ConnectionLimits;
use crate::mail::unmapped;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// What counts as one address of IPv6: whoever has one has all of its /64.
const ADDRESS_V6: u8 = 64;

/// One address: of IPv4 itself, of IPv6 its /64, or the prefix of the policy where that is shorter.
pub(super) fn address(ip: IpAddr, limits: &ConnectionLimits) -> IpNet {
    net(ip, 32, limits.prefix_v6.min(ADDRESS_V6))
}

/// The prefix of the policy.
pub(super) fn prefix(ip: IpAddr, limits: &ConnectionLimits) -> IpNet {
    net(ip, limits.prefix_v4, limits.prefix_v6)
}

/// The network of that length around an address; a length that is none leaves it alone.
pub(super) fn net(ip: IpAddr, v4: u8, v6: u8) -> IpNet {
    let ip = unmapped(ip);
    let length = if ip.is_ipv4() { v4 } else { v6 };
    IpNet::new(ip, length).map_or_else(|_| IpNet::from(ip), |net| net.trunc())
}

/// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/64`.
pub(super) fn words(net: IpNet) -> Box<str> {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string().into()
    } else {
        net.to_string().into()
    }
}

/// A duration as rule files write it: `5m`, `90s`, `36d`.
pub(super) fn period_words(period: Duration) -> String {
    let seconds = period.as_secs();
    for (unit, name) in [(86_400, 'd'), (3600, 'h'), (60, 'm')] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// Whole seconds for sums with times.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_an_address_or_its_network() {
        let limits = ConnectionLimits { prefix_v6: 48, ..ConnectionLimits::default() };
        let wide = ConnectionLimits { prefix_v6: 128, ..ConnectionLimits::default() };
        for (ip, one, whole) in [
            ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48", "2001:db8:1::/48"),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!((&*words(address(ip, &limits)), &*words(prefix(ip, &limits))), (one, whole));
        }
        let ip = "2001:db8:1:2:3::4".parse().unwrap();
        assert_eq!(&*words(address(ip, &wide)), "2001:db8:1:2::/64");
        assert_eq!(&*words(prefix(ip, &wide)), "2001:db8:1:2:3::4");
    }

    #[test]
    fn periods_read_as_they_are_written() {
        for (seconds, want) in [(1, "1s"), (60, "1m"), (90, "90s"), (7200, "2h"), (86_400 * 36, "36d")] {
            assert_eq!(period_words(Duration::from_secs(seconds)), want);
        }
    }
}
