//! Whether strangers could send mail to strangers through this gateway: the real checks are asked, with every
//! form of address that some mailer reads as a further hop.

use super::report::Report;
use crate::checks;
use crate::config::model::{Listener, Policy};
use crate::mail::Path;
use crate::verdict::{Client, Fact, Facts, Finding, Stage};
use std::net::{IpAddr, Ipv4Addr};

/// Addresses that nobody has (RFC 5737, RFC 3849): no honest `relay.from` lists them.
const NOBODY: [&str; 4] = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"];
/// One stranger in so many parts of the Internet, out of some 200, is more than networks of one's own.
const PARTS_MAX: usize = 16;

/// Names that are nobody's relay domain. The last ones are there for entries like ".com".
const FOREIGN: [&str; 5] = [
    "open-relay-check.invalid",
    "open-relay-check.example",
    "open-relay-check-q7.com",
    "open-relay-check-q7.net",
    "open-relay-check-q7.org",
];

/// Judges the policy.
pub(super) fn check(report: &mut Report, policy: &Policy) {
    report.section("open relay");
    let recipients = recipients(policy);
    let judge = Judge { policy, recipients: &recipients };
    let found = [judge.domains(), judge.nobody().or_else(|| judge.parts())];
    let loopback = judge.loopback();
    if found.iter().all(Option::is_none) && loopback.is_none() {
        report.ok(format!(
            "no: strangers reach only relay.domains ({} clients and {} forms of address tried)",
            NOBODY.len() + parts().count(),
            recipients.len()
        ));
    }
    found.into_iter().flatten().for_each(|words| report.error(words));
    loopback.into_iter().for_each(|words| report.warning(words));
}

struct Judge<'a> {
    policy: &'a Policy,
    recipients: &'a [String],
}

impl Judge<'_> {
    /// What a client gets that no setting favours.
    fn domains(&self) -> Option<String> {
        let (listener, recipient) = self.accepted(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), false)?;
        Some(format!(
            "this is an open relay: on listener \"{listener}\" anybody may send to {recipient}; because of relay.domains: list only your own domains there"
        ))
    }

    fn nobody(&self) -> Option<String> {
        let listed = |ip: &IpAddr| self.policy.relay.from.contains(*ip);
        let ip = NOBODY.iter().filter_map(|ip| ip.parse().ok()).find(listed)?;
        let (listener, recipient) = self.accepted(ip, true)?;
        Some(format!(
            "this is an open relay: on listener \"{listener}\" a stranger at {ip} may send to {recipient}; because of relay.from: list only your own networks there"
        ))
    }

    fn parts(&self) -> Option<String> {
        let listed = parts().filter(|ip| self.policy.relay.from.contains(*ip));
        let open: Vec<_> = listed.filter_map(|ip| self.accepted(ip, true)).collect();
        let (listener, _) = open.first().filter(|_| open.len() > PARTS_MAX)?;
        Some(format!(
            "this is an open relay: on listener \"{listener}\" clients in {} of {} parts of the Internet may send anywhere; because of relay.from: list only your own networks there",
            open.len(),
            parts().count()
        ))
    }

    /// Loopback is whoever comes through a forwarding on this machine: a TCP proxy, a tunnel, a container.
    fn loopback(&self) -> Option<String> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if !self.policy.relay.from.contains(loopback) {
            return None;
        }
        let (listener, _) = self.accepted(loopback, true)?;
        Some(format!(
            "listener \"{listener}\": loopback is in relay.from, so all that comes through a proxy, tunnel or container port on this machine may send anywhere; take it out if there is such a thing"
        ))
    }

    /// The first listener and foreign recipient that a client at `ip` gets accepted.
    fn accepted(&self, ip: IpAddr, may_relay: bool) -> Option<(&str, &str)> {
        let trusted = self.policy.trusted.contains(ip);
        let client = Client { ip, port: 4711, name: Fact::Absent, trusted, may_relay, balancer: false };
        self.policy.listeners.iter().find_map(|listener| {
            let takes = |text: &&String| self.takes(listener, &client, text);
            self.recipients.iter().find(takes).map(|text| (&*listener.name, text.as_str()))
        })
    }

    fn takes(&self, listener: &Listener, client: &Client, recipient: &str) -> bool {
        let Ok((path, _)) = Path::parse(recipient.as_bytes()) else { return false };
        let facts = Facts {
            hello: Some(b"stranger.example"),
            recipient: Some(&path),
            // Only the guards are asked: what a block list or a limit refuses today, it may take tomorrow.
            allowed: true,
            ..Facts::of(client, &listener.name, listener.direction)
        };
        let findings = checks::run(Stage::Rcpt, &facts, self.policy);
        !findings.iter().any(Finding::refuses)
    }
}

/// Every form that could lead elsewhere, over a domain of ours.
fn recipients(policy: &Policy) -> Vec<String> {
    let ours = policy.relay.domains.exact().next().unwrap_or("example.net");
    let mut all: Vec<String> = FOREIGN.iter().map(|domain| format!("<a@{domain}>")).collect();
    let [far, ..] = FOREIGN;
    all.extend([
        format!("<@{ours}:a@{far}>"),
        format!("<@{far}:a@{ours}>"),
        format!("<a%{far}@{ours}>"),
        format!("<{far}!a@{ours}>"),
        format!("<\"a@{far}\"@{ours}>"),
        format!("<\"a\\@{far}\"@{ours}>"),
        format!("<\"{far}!a\"@{ours}>"),
        "<a@[192.0.2.9]>".to_owned(),
        "<a@[IPv6:2001:db8::9]>".to_owned(),
        "<abuse>".to_owned(),
    ]);
    all
}

/// A stranger in each /8 of the public Internet, and in each large part of IPv6.
fn parts() -> impl Iterator<Item = IpAddr> {
    let v4 = (1..=223).filter(|first| !matches!(first, 10 | 100 | 127 | 169 | 172 | 192));
    let v4 = v4.map(|first| IpAddr::V4(Ipv4Addr::new(first, 20, 30, 40)));
    let v6 = (0x20..=0x2d_u16).map(|first| IpAddr::from([first << 8, 0xb07, 0, 0, 0, 0, 0, 1]));
    v4.chain(v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(relay: &str) -> Policy {
        let text = format!(
            "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
             [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:25\"\ndirection = \"inbound\"\ndownstream = \"mx\"\n\
             [[downstream]]\nname = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n[relay]\n{relay}\n"
        );
        let none = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let (policy, problems) = crate::config::parse(&text, std::path::Path::new("rules"), &none);
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    #[test]
    fn the_settings_that_open_the_relay_are_found() {
        for (relay, want) in [
            ("", [false; 4]),
            ("from = [\"10.0.0.0/8\", \"8.0.0.0/7\"]", [false; 4]),
            ("from = [\"127.0.0.1\"]", [false, false, false, true]),
            ("from = [\"0.0.0.0/1\"]", [false, false, true, true]),
            ("from = [\"128.0.0.0/1\"]", [false, true, true, false]),
            ("from = [\"2000::/3\"]", [false, true, false, false]),
            (
                "domains = [\"example.net\", \".com\"]\nfrom = [\"198.51.100.0/24\"]",
                [true, true, false, false],
            ),
        ] {
            let domains = if relay.contains("domains") { "" } else { "domains = [\"example.net\"]\n" };
            let policy = policy(&format!("{domains}{relay}"));
            let recipients = recipients(&policy);
            let judge = Judge { policy: &policy, recipients: &recipients };
            let got = [judge.domains(), judge.nobody(), judge.parts(), judge.loopback()];
            assert_eq!(got.map(|words| words.is_some()), want, "{relay}");
        }
    }

    #[test]
    fn every_form_is_an_address() {
        for text in recipients(&policy("domains = [\"example.net\"]")) {
            assert!(Path::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
