//! Relay control (promise P9): the downstream trusts our address, so whoever may send where is decided here.
//!
//! A peer that is neither in `relay.from` nor authenticated may send only to `relay.domains`, and only in
//! plain address forms: whatever some mailer could read as a further hop is refused, for the downstream
//! would follow it on our behalf.

use super::check::Check;
use super::common::may_relay;
use crate::config::model::Policy;
use crate::mail::{Host, Path};
use crate::reply::{Entry, catalogue};
use crate::verdict::{Effect, Event, Facts, Finding, Source, Stage, Verdict};

/// The check.
pub struct RelayControl;

impl Check for RelayControl {
    fn id(&self) -> &'static str {
        "relay-control"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Rcpt]
    }

    fn guards(&self) -> bool {
        true
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        if may_relay(facts) || facts.authenticated {
            return;
        }
        let Some((entry, reason)) = facts.recipient.and_then(|r| refusal(r, policy)) else { return };
        let verdict = Verdict::Reject(entry.reply());
        let finding = Finding::new(self.id(), stage, verdict, Source::built_in(), reason);
        let forgot = entry == catalogue::UNQUALIFIED;
        let event = if forgot { Event::ProtocolError } else { Event::RelayDenied };
        findings.push(finding.with(Effect::Count(event)));
    }
}

fn refusal(path: &Path, policy: &Policy) -> Option<(Entry, &'static str)> {
    let Path::Mailbox { mailbox, routed } = path else {
        return Some((catalogue::RELAY_DENIED, "null recipient"));
    };
    if *routed {
        return Some((catalogue::ROUTED_ADDRESS, "source route"));
    }
    if mailbox.has_routing_characters() {
        return Some((catalogue::ROUTED_ADDRESS, "routing character in the local part"));
    }
    match mailbox.host() {
        Host::Name(domain) if policy.relay.domains.contains(domain) => None,
        Host::Name(_) => Some((catalogue::RELAY_DENIED, "domain is not in relay.domains")),
        Host::Literal(_) => Some((catalogue::RELAY_DENIED, "address literal")),
        Host::Unqualified if mailbox.is_bare_postmaster() => None,
        Host::Unqualified => Some((catalogue::UNQUALIFIED, "no domain")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, stranger};
    use super::*;

    const TABLE: &[(&str, Option<u16>)] = &[
        ("<a@example.net>", None),
        ("<A@EXAMPLE.NET>", None),
        ("<\"a b\"@example.net>", None),
        ("<postmaster>", None),
        ("<PostMaster>", None),
        ("<a@sub.example.net>", Some(550)),
        ("<a@sub.example.org>", None),
        ("<a@example.org>", Some(550)),
        ("<a@example.com>", Some(550)),
        ("<a@badexample.net>", Some(550)),
        ("<@example.net:a@example.com>", Some(550)),
        ("<@example.com:a@example.net>", Some(550)),
        ("<a%example.com@example.net>", Some(550)),
        ("<example.com!a@example.net>", Some(550)),
        ("<\"a@example.com\"@example.net>", Some(550)),
        ("<\"a\\@example.com\"@example.net>", Some(550)),
        ("<\"example.com!a\"@example.net>", Some(550)),
        ("<IMCEASMTP-a+40example+2Ecom@example.net>", Some(550)),
        ("<a@[192.0.2.1]>", Some(550)),
        ("<a@[IPv6:2001:db8::1]>", Some(550)),
        ("<a>", Some(550)),
        ("<abuse>", Some(550)),
    ];

    fn code(path: &str, facts: &mut Facts<'_>, policy: &Policy) -> Option<u16> {
        let (path, _) = Path::parse(path.as_bytes()).unwrap();
        let facts = Facts { recipient: Some(&path), ..facts.clone() };
        ask_one(&RelayControl, Stage::Rcpt, &facts, policy).first().map(|f| match &f.verdict {
            Verdict::Reject(reply) => reply.code(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn strangers_reach_only_our_domains_and_only_plainly() {
        let policy = policy("[relay]\ndomains = [\"example.net\", \".example.org\"]\n");
        let client = stranger();
        for (path, want) in TABLE {
            assert_eq!(code(path, &mut facts(&client, None), &policy), *want, "{path}");
        }
    }

    #[test]
    fn the_trusted_to_relay_and_the_authenticated_reach_everything() {
        let policy = policy("");
        let mut client = stranger();
        client.may_relay = true;
        for (path, _) in TABLE {
            assert_eq!(code(path, &mut facts(&client, None), &policy), None, "{path}");
        }
        client.balancer = true;
        assert_eq!(code("<a@example.com>", &mut facts(&client, None), &policy), Some(550));
        let client = stranger();
        let mut known = facts(&client, None);
        known.authenticated = true;
        assert_eq!(code("<a@example.com>", &mut known, &policy), None);
    }

    #[test]
    fn being_trusted_is_no_right_to_relay() {
        let policy = policy("");
        let mut client = stranger();
        client.trusted = true;
        assert_eq!(code("<a@example.com>", &mut facts(&client, None), &policy), Some(550));
    }
}
