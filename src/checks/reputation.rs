//! DNS lists: the sum of the weights of all zones where a client, its names or its sender's domain are listed. A zone
//! that gave no answer counts as no listing.
//!
//! Looked at where MAIL is, so that a client may log in first: lists of dial-up networks are not for people who
//! authenticate. With `answer_at = "connect"` also before the greeting.

use super::check::Check;
use super::common::{PROTOCOL, in_mode, is_free, later, verdict_of};
use crate::config::model::{Policy, ZoneOf};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Fact, Facts, Finding, Listings, Needs, Source, Stage, Verdict};
use std::fmt::Write as _;
use std::sync::Arc;

/// Listings that are named in a finding.
const NAMED_MAX: usize = 8;

/// The check.
pub struct Reputation;

impl Check for Reputation {
    fn id(&self) -> &'static str {
        "reputation"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Mail]
    }

    fn needs(&self, stage: Stage, policy: &Policy) -> Needs {
        let rules = &policy.protocol.reputation;
        let unused = rules.mode == Mode::Off || rules.zones.is_empty() || is_early(stage, policy);
        let of_name = rules.zones.iter().any(|zone| zone.of == ZoneOf::ReverseName);
        match (unused, of_name) {
            (true, _) => Needs::NONE,
            (false, false) => Needs::LISTINGS,
            (false, true) => Needs::LISTINGS.and(Needs::REVERSE_NAME),
        }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let rules = &policy.protocol.reputation;
        let Fact::Known(listings) = &facts.gathered.listings else { return };
        let asked = rules.mode != Mode::Off && !is_early(stage, policy);
        if !asked || listings.listed.is_empty() || facts.authenticated || is_free(facts) {
            return;
        }
        let score = listings.score_milli();
        let verdict = if score >= rules.reject_milli {
            verdict_of(catalogue::REPUTATION)
        } else if rules.tempfail_milli.is_some_and(|least| score >= least) {
            verdict_of(catalogue::COME_AGAIN)
        } else {
            Verdict::Continue
        };
        let first = listings.listed.iter().find_map(|l| rules.zones.iter().find(|z| z.zone == l.zone));
        let source = Source { file: Arc::from(PROTOCOL), line: first.map_or(0, |zone| zone.line) };
        let rejects = matches!(verdict, Verdict::Reject(_));
        let mut finding = Finding::new(self.id(), stage, verdict, source, words(listings, score))
            .answered_at(later(stage, policy));
        finding.score_milli = score;
        let finding = if rejects { finding.with(Effect::Count(Event::Refused)) } else { finding };
        findings.push(in_mode(finding, rules.mode));
    }
}

fn is_early(stage: Stage, policy: &Policy) -> bool {
    stage == Stage::Connect && policy.protocol.answer_at != stage
}

/// `score 1.5: 192.0.2.7 in zen.example (127.0.0.4), …`.
fn words(listings: &Listings, score: i32) -> String {
    let mut words = format!("score {}:", decimal(score));
    for listed in listings.listed.iter().take(NAMED_MAX) {
        let _ = write!(words, " {} in {} ({}),", listed.subject, listed.zone, listed.answer);
    }
    words.pop();
    words
}

/// Thousandths as a decimal number.
fn decimal(milli: i32) -> String {
    let (whole, rest) = (milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000);
    let sign = if milli < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{rest:03}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::{Cause, Gathered, Listed};
    use std::net::Ipv4Addr;

    fn listed(weights: &[i32]) -> Fact<Listings> {
        let one = |&weight_milli: &i32| Listed {
            zone: "zen.example".into(),
            answer: Ipv4Addr::new(127, 0, 0, 4),
            subject: "192.0.2.7".into(),
            weight_milli,
        };
        Fact::Known(Listings { listed: weights.iter().map(one).collect(), unknown: Vec::new() })
    }

    #[test]
    fn the_sum_of_weights_decides() {
        let mut policy = policy("");
        policy.protocol.reputation.tempfail_milli = Some(500);
        let mut client = stranger();
        let mut said = |listings: Fact<Listings>, mode, trusted, authenticated, stage| {
            policy.protocol.reputation.mode = mode;
            client.trusted = trusted;
            let gathered = Gathered { listings, ..Gathered::NOTHING };
            let facts = Facts { gathered: &gathered, authenticated, ..facts(&client, None) };
            shown(&ask_one(&Reputation, stage, &facts, &policy))
        };
        let (on, mail) = (Mode::On, Stage::Mail);
        assert_eq!(said(listed(&[600, 400]), on, false, false, mail), "reputation 550@Rcpt");
        assert_eq!(said(listed(&[600, 400, -100]), on, false, false, mail), "reputation 450@Rcpt");
        assert_eq!(said(listed(&[499]), on, false, false, mail), "reputation continue");
        assert_eq!(said(listed(&[]), on, false, false, mail), "");
        assert_eq!(said(Fact::Unknown(Cause::Timeout), on, false, false, mail), "");
        assert_eq!(said(listed(&[1000]), on, true, false, mail), "");
        assert_eq!(said(listed(&[1000]), on, false, true, mail), "");
        assert_eq!(said(listed(&[1000]), Mode::Log, false, false, mail), "(reputation 550@Rcpt)");
        assert_eq!(said(listed(&[1000]), Mode::Off, false, false, mail), "");
        assert_eq!(said(listed(&[1000]), on, false, false, Stage::Connect), "");
        policy.protocol.answer_at = Stage::Connect;
        let gathered = Gathered { listings: listed(&[1000]), ..Gathered::NOTHING };
        let facts = Facts { gathered: &gathered, ..facts(&client, None) };
        policy.protocol.reputation.mode = on;
        assert_eq!(shown(&ask_one(&Reputation, Stage::Connect, &facts, &policy)), "reputation 550@Connect");
    }

    #[test]
    fn the_reason_names_where() {
        let Fact::Known(listings) = listed(&[1500]) else { panic!() };
        assert_eq!(words(&listings, 1500), "score 1.5: 192.0.2.7 in zen.example (127.0.0.4)");
        let texts = [(0, "0.0"), (-250, "-0.25"), (2000, "2.0"), (1, "0.001")];
        assert!(texts.iter().all(|(milli, text)| decimal(*milli) == *text));
    }
}
