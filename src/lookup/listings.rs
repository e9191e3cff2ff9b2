//! DNS lists of addresses and domains (RFC 5782). State: none of its own.
//!
//! All zones are asked at once under one deadline. Only an answer that a list gives for a listing is one: an error, a
//! timeout, an address outside 127.0.0.0/8 (somebody answers for a list that is no more), 127.255.255.0/24 (the list
//! refuses us) and 127.0.0.1 (likewise, unless `answers` names it) are unknown.

use super::answer::{Answer, Kind};
use super::arpa::backwards;
use super::service::Lookup;
use crate::config::model::{Zone, ZoneOf};
use crate::mail::{Domain, unmapped};
use crate::verdict::{Cause, Listed, Listings};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest name in octets (RFC 1035 section 2.3.4).
const NAME_OCTETS_MAX: usize = 253;

/// What zones are asked about. A zone whose subject is `None` is not asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subjects<'a> {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The domain of the envelope sender.
    pub sender_domain: Option<&'a Domain>,
    /// The HELO name.
    pub hello: Option<&'a Domain>,
    /// The reverse name.
    pub reverse_name: Option<&'a Domain>,
}

impl Subjects<'_> {
    /// The subject as people read it, and as it stands before the zone's name.
    fn of(&self, of: ZoneOf) -> Option<(Box<str>, String)> {
        let domain = match of {
            ZoneOf::Client => {
                let ip = unmapped(self.client?);
                return Some((ip.to_string().into(), backwards(ip)));
            }
            ZoneOf::SenderDomain => self.sender_domain?,
            ZoneOf::Hello => self.hello?,
            ZoneOf::ReverseName => self.reverse_name?,
        };
        Some((domain.as_str().into(), domain.as_str().to_owned()))
    }
}

impl Lookup {
    /// Asks all zones, and waits for them for `limit` at most.
    ///
    /// A zone counts once, whatever the number of its answers. A subject that is too long for the zone cannot be in it.
    pub async fn listings(&self, zones: &[Zone], subjects: &Subjects<'_>, limit: Duration) -> Listings {
        let deadline = Instant::now() + limit;
        let mut asked = Vec::with_capacity(zones.len());
        for zone in zones {
            let Some((subject, label)) = subjects.of(zone.of) else { continue };
            let name = format!("{label}.{}", zone.zone).to_ascii_lowercase();
            if name.len() <= NAME_OCTETS_MAX {
                asked.push((zone, subject, self.start(&name, Kind::A)));
            }
        }
        let mut out = Listings::default();
        for (zone, subject, pending) in asked {
            match judge(zone, &pending.by(deadline).await) {
                Said::Listed(answer) => out.listed.push(Listed {
                    zone: Arc::clone(&zone.zone),
                    answer,
                    subject,
                    weight_milli: zone.weight_milli,
                }),
                Said::NotListed => {}
                Said::Unknown(why) => {
                    self.complain(&zone.zone, why);
                    if !out.unknown.contains(&zone.zone) {
                        out.unknown.push(Arc::clone(&zone.zone));
                    }
                }
            }
        }
        out
    }
}

impl Lookup {
    fn complain(&self, zone: &str, why: Why) {
        if !self.tell(zone) {
            return;
        }
        match why {
            Why::Dns(Cause::Timeout) => {
                tracing::warn!(zone, "DNS list gives no answer in time; it counts as not listed");
            }
            Why::Dns(Cause::Failure | Cause::NotAsked) => {
                tracing::warn!(zone, "DNS list cannot be asked; it counts as not listed");
            }
            Why::Refused(answer) => tracing::warn!(
                zone,
                %answer,
                "DNS list answers with what is no listing: it may refuse this name server, or be no more; \
                 it counts as not listed"
            ),
        }
    }
}

/// What a zone said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Listed(Ipv4Addr),
    NotListed,
    Unknown(Why),
}

/// Why a zone says nothing of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// No answer in time, or an error.
    Dns(Cause),
    /// It answers, but with a code of refusal or with nonsense.
    Refused(IpAddr),
}

fn judge(zone: &Zone, answer: &Answer) -> Said {
    if let Answer::Unknown(cause) = answer {
        return Said::Unknown(Why::Dns(*cause));
    }
    let named = |ip: Ipv4Addr| zone.answers.iter().any(|(first, last)| (*first..=*last).contains(&ip));
    let mut listed = None;
    for address in answer.addresses() {
        let IpAddr::V4(ip) = address else { return Said::Unknown(Why::Refused(address)) };
        match ip.octets() {
            [127, 255, 255, _] => return Said::Unknown(Why::Refused(address)),
            [127, 0, 0, 1] if !named(ip) => return Said::Unknown(Why::Refused(address)),
            [127, ..] if zone.answers.is_empty() || named(ip) => {
                listed = Some(listed.map_or(ip, |least: Ipv4Addr| least.min(ip)));
            }
            [127, ..] => {}
            _ => return Said::Unknown(Why::Refused(address)),
        }
    }
    listed.map_or(Said::NotListed, Said::Listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::answer::Data;

    fn zone(answers: &[(&str, &str)]) -> Zone {
        let ip = |text: &str| text.parse().unwrap();
        let answers = answers.iter().map(|(first, last)| (ip(first), ip(last))).collect();
        Zone { zone: "l.example".into(), of: ZoneOf::Client, weight_milli: 1000, answers, line: 1 }
    }

    fn said(zone: &Zone, answers: &[&str]) -> Said {
        let data = answers.iter().map(|a| Data::Address(a.parse().unwrap()));
        judge(zone, &Answer::Records(data.collect()))
    }

    #[test]
    fn only_a_listing_is_a_listing() {
        let any = zone(&[]);
        let some =
            zone(&[("127.0.0.4", "127.0.0.7"), ("127.0.0.1", "127.0.0.1"), ("127.0.2.0", "127.0.2.255")]);
        let listed = |ip: &str| Said::Listed(ip.parse().unwrap());
        let refused = |ip: &str| Said::Unknown(Why::Refused(ip.parse().unwrap()));
        for (zone, answers, want) in [
            (&any, vec!["127.0.0.2"], listed("127.0.0.2")),
            (&any, vec!["127.9.8.7"], listed("127.9.8.7")),
            (&any, vec!["127.0.0.10", "127.0.0.3"], listed("127.0.0.3")),
            (&any, vec!["127.0.0.1"], refused("127.0.0.1")),
            (&any, vec!["127.255.255.254"], refused("127.255.255.254")),
            (&any, vec!["127.0.0.2", "127.255.255.252"], refused("127.255.255.252")),
            (&any, vec!["192.0.2.1"], refused("192.0.2.1")),
            (&any, vec!["126.255.255.255"], refused("126.255.255.255")),
            (&any, vec!["127.255.254.1"], listed("127.255.254.1")),
            (&some, vec!["127.0.0.2"], Said::NotListed),
            (&some, vec!["127.0.0.8", "127.0.0.7"], listed("127.0.0.7")),
            (&some, vec!["127.0.0.1"], listed("127.0.0.1")),
            (&some, vec!["127.0.1.255"], Said::NotListed),
            (&some, vec!["127.0.2.0"], listed("127.0.2.0")),
            (&some, vec!["127.255.255.255"], refused("127.255.255.255")),
        ] {
            assert_eq!(said(zone, &answers), want, "{answers:?}");
        }
        assert_eq!(judge(&any, &Answer::NoName), Said::NotListed);
        assert_eq!(judge(&any, &Answer::NoRecords), Said::NotListed);
        for cause in [Cause::Timeout, Cause::Failure] {
            assert_eq!(judge(&any, &Answer::Unknown(cause)), Said::Unknown(Why::Dns(cause)));
        }
    }
}
