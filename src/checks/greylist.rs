//! Greylisting (RFC 6647): a client, sender and recipient that were never seen together come again a little later.
//! Asked last, so that nobody is remembered who would be refused anyway.

use super::check::Check;
use super::common::{LIMITS, file, in_mode, is_free, may_relay};
use super::exempt::is_exempt;
use crate::config::model::{GreyFor, Policy};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Fact, Facts, Finding, Grey, Needs, Stage, Verdict};

/// The check.
pub struct Greylist;

impl Check for Greylist {
    fn id(&self) -> &'static str {
        "greylist"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Rcpt]
    }

    fn needs(&self, _: Stage, policy: &Policy) -> Needs {
        let rules = &policy.limits.greylist;
        let listings =
            if policy.protocol.reputation.zones.is_empty() { Needs::NONE } else { Needs::LISTINGS };
        match (rules.mode, rules.only) {
            (Mode::Off, _) => Needs::NONE,
            (_, GreyFor::All) => Needs::GREY,
            (_, GreyFor::Suspicious) => Needs::GREY.and(Needs::REVERSE_NAME).and(listings),
        }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.limits.greylist.mode;
        let Fact::Known(Grey::Wait { seconds }) = facts.gathered.grey else { return };
        if mode == Mode::Off || !concerns(facts, policy) {
            return;
        }
        let verdict = Verdict::TempFail(catalogue::COME_AGAIN.reply());
        let reason = format!("not seen before, or too soon: {seconds} s to wait");
        findings.push(in_mode(Finding::new(self.id(), stage, verdict, file(LIMITS), reason), mode));
    }
}

/// Whether greylisting is for this client and recipient at all: where not, nobody need be asked and nothing is
/// remembered. A reverse name or listing that could not be found out makes nobody suspicious.
#[must_use]
pub fn concerns(facts: &Facts<'_>, policy: &Policy) -> bool {
    let known = facts.allowed || facts.authenticated || is_free(facts) || may_relay(facts);
    if known || policy.limits.greylist.mode == Mode::Off {
        return false;
    }
    let suspicious = || {
        let listed = facts.gathered.listings.known().is_some_and(|l| l.score_milli() > 0);
        listed || facts.client.name == Fact::Absent
    };
    let meant = policy.limits.greylist.only == GreyFor::All || suspicious();
    meant && !facts.recipient.is_some_and(|recipient| is_exempt(recipient, policy))
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, path, policy, shown, stranger};
    use super::*;
    use crate::config::model::Greylist as Settings;
    use crate::verdict::{Cause, Client, Gathered, Listed, Listings};
    use std::net::Ipv4Addr;

    fn grey(mode: Mode, only: GreyFor) -> Policy {
        let mut policy = policy("[relay]\ndomains = [\"example.net\"]\n");
        policy.limits.greylist = Settings { mode, only, ..Settings::default() };
        policy
    }

    fn said(client: &Client, policy: &Policy, gathered: &Gathered, recipient: &str) -> String {
        let recipient = path(recipient);
        let facts = Facts { gathered, ..facts(client, Some(&recipient)) };
        shown(&ask_one(&Greylist, Stage::Rcpt, &facts, policy))
    }

    #[test]
    fn the_first_try_waits() {
        let wait = Gathered { grey: Fact::Known(Grey::Wait { seconds: 900 }), ..Gathered::NOTHING };
        let on = grey(Mode::On, GreyFor::All);
        let client = stranger();
        assert_eq!(said(&client, &on, &wait, "<a@example.net>"), "greylist 450@Rcpt");
        assert_eq!(said(&client, &on, &wait, "<postmaster@example.net>"), "");
        assert_eq!(
            said(&client, &grey(Mode::Log, GreyFor::All), &wait, "<a@example.net>"),
            "(greylist 450@Rcpt)"
        );
        assert_eq!(said(&client, &grey(Mode::Off, GreyFor::All), &wait, "<a@example.net>"), "");
        for known in [Fact::Known(Grey::Passed), Fact::Known(Grey::Proven), Fact::Unknown(Cause::Failure)] {
            let gathered = Gathered { grey: known, ..Gathered::NOTHING };
            assert_eq!(said(&client, &on, &gathered, "<a@example.net>"), "");
        }
        for client in [Client { trusted: true, ..stranger() }, Client { may_relay: true, ..stranger() }] {
            assert_eq!(said(&client, &on, &wait, "<a@example.net>"), "");
        }
    }

    #[test]
    fn only_the_suspicious_where_so_configured() {
        let policy = grey(Mode::On, GreyFor::Suspicious);
        let listed = Listed {
            zone: "z.example".into(),
            answer: Ipv4Addr::new(127, 0, 0, 2),
            subject: "192.0.2.7".into(),
            weight_milli: 100,
        };
        let bad = Fact::Known(Listings { listed: vec![listed], unknown: Vec::new() });
        for (name, listings, want) in [
            (Fact::Absent, Fact::Absent, "greylist 450@Rcpt"),
            (Fact::Known("mx.example.com".into()), Fact::Absent, ""),
            (Fact::Known("mx.example.com".into()), bad, "greylist 450@Rcpt"),
            (Fact::Unknown(Cause::Timeout), Fact::Unknown(Cause::Timeout), ""),
        ] {
            let client = Client { name, ..stranger() };
            let grey = Fact::Known(Grey::Wait { seconds: 1 });
            let gathered = Gathered { grey, listings, ..Gathered::NOTHING };
            assert_eq!(said(&client, &policy, &gathered, "<a@example.net>"), want);
        }
        assert!(Greylist.needs(Stage::Rcpt, &policy).has(Needs::GREY.and(Needs::REVERSE_NAME)));
    }
}
