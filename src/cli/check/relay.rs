//! Whether strangers could send mail to strangers through this gateway: the real checks are asked, with every
//! form of address that some mailer reads as a further hop.

use super::report::Report;
use crate::checks;
use crate::config::model::{Listener, Policy};
use crate::mail::Path;
use crate::verdict::{Client, Fact, Facts, Stage, Verdict};
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
    let mut bad = false;
    for listener in &policy.listeners {
        let tell = Judged { policy, listener, recipients: &recipients };
        bad |= tell.nobody(report) | tell.parts(report) | tell.loopback(report);
    }
    if !bad {
        report.ok(format!(
            "no: strangers reach only relay.domains ({} clients and {} forms of address tried)",
            NOBODY.len() + parts().count(),
            recipients.len()
        ));
    }
}

struct Judged<'a> {
    policy: &'a Policy,
    listener: &'a Listener,
    recipients: &'a [String],
}

impl Judged<'_> {
    fn nobody(&self, report: &mut Report) -> bool {
        let Some((ip, recipient)) =
            NOBODY.iter().filter_map(|ip| ip.parse().ok()).find_map(|ip| Some((ip, self.accepted(ip)?)))
        else {
            return false;
        };
        let setting = if self.policy.relay.from.contains(ip) {
            "relay.from: list only your own networks there"
        } else {
            "relay.domains: list only your own domains there"
        };
        report.error(format!(
            "this is an open relay: on listener \"{}\" a stranger at {ip} may send to {recipient}; because of {setting}",
            self.listener.name
        ));
        true
    }

    fn parts(&self, report: &mut Report) -> bool {
        let all = parts().count();
        let listed = parts().filter(|ip| self.policy.relay.from.contains(*ip));
        let open = listed.filter(|ip| self.accepted(*ip).is_some()).count();
        if open <= PARTS_MAX {
            return false;
        }
        report.error(format!(
            "this is an open relay: on listener \"{}\" clients in {open} of {all} parts of the Internet may send anywhere; because of relay.from: list only your own networks there",
            self.listener.name
        ));
        true
    }

    /// Loopback is whoever comes through a forwarding on this machine: a TCP proxy, a tunnel, a container.
    fn loopback(&self, report: &mut Report) -> bool {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if !self.policy.relay.from.contains(loopback) || self.accepted(loopback).is_none() {
            return false;
        }
        report.warning(format!(
            "listener \"{}\": loopback is in relay.from, so all that comes through a proxy, tunnel or container port on this machine may send anywhere; take it out if there is such a thing",
            self.listener.name
        ));
        true
    }

    /// The first foreign recipient that a stranger at `ip` gets accepted.
    fn accepted(&self, ip: IpAddr) -> Option<&str> {
        let client = Client {
            ip,
            port: 4711,
            name: Fact::Absent,
            trusted: self.policy.trusted.contains(ip),
            may_relay: self.policy.relay.from.contains(ip),
            balancer: false,
        };
        let refused = |text: &&String| {
            let Ok((path, _)) = Path::parse(text.as_bytes()) else { return true };
            let facts = Facts {
                client: &client,
                listener: &self.listener.name,
                direction: self.listener.direction,
                hello: Some(b"stranger.example"),
                tls: None,
                user: None,
                authenticated: false,
                sender: None,
                recipient: Some(&path),
                accepted_recipients: 0,
                declared_octets: None,
                message: None,
            };
            let findings = checks::run(Stage::Rcpt, &facts, self.policy);
            findings.iter().any(|f| {
                matches!(f.verdict, Verdict::Reject(_) | Verdict::Disconnect(_) | Verdict::TempFail(_))
            })
        };
        self.recipients.iter().find(|r| !refused(r)).map(String::as_str)
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
        for (relay, errors, nobody, parts, loopback) in [
            ("domains = [\"example.net\"]", "none", false, false, false),
            (
                "domains = [\"example.net\"]\nfrom = [\"10.0.0.0/8\", \"8.0.0.0/7\"]",
                "own",
                false,
                false,
                false,
            ),
            ("domains = [\"example.net\"]\nfrom = [\"127.0.0.1\"]", "loopback", false, false, true),
            ("domains = [\"example.net\"]\nfrom = [\"0.0.0.0/1\"]", "half", false, true, true),
            ("domains = [\"example.net\"]\nfrom = [\"128.0.0.0/1\"]", "upper", true, true, false),
            ("domains = [\"example.net\"]\nfrom = [\"2000::/3\"]", "v6", true, false, false),
            ("domains = [\"example.net\", \".com\"]", "com", true, false, false),
        ] {
            let policy = policy(relay);
            let recipients = recipients(&policy);
            let judged = Judged { policy: &policy, listener: &policy.listeners[0], recipients: &recipients };
            let mut report = Report::new(false, None);
            let got = (judged.nobody(&mut report), judged.parts(&mut report), judged.loopback(&mut report));
            assert_eq!(got, (nobody, parts, loopback), "{errors}");
        }
    }

    #[test]
    fn every_form_is_an_address() {
        for text in recipients(&policy("domains = [\"example.net\"]")) {
            assert!(Path::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
