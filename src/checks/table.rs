//! The table of checks and the way they are run.

use super::check::Check;
use super::{hops, recipients, relay, size};
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Source, Stage, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// All checks, in the order in which they are asked. To add one: a file beside this one and a line here.
pub static CHECKS: &[&dyn Check] =
    &[&size::DeclaredSize, &relay::RelayControl, &recipients::KnownRecipients, &hops::LoopGuard];

/// Asks the checks of one stage. Before the message the first decisive finding ends it; at the message all
/// are asked.
#[must_use]
pub fn run(stage: Stage, facts: &Facts<'_>, policy: &Policy) -> Vec<Finding> {
    run_table(CHECKS, stage, facts, policy)
}

fn run_table(table: &[&dyn Check], stage: Stage, facts: &Facts<'_>, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in table.iter().filter(|c| c.stage() == stage) {
        let Some(finding) = ask(*check, facts, policy) else { continue };
        let decisive = finding.verdict != Verdict::Continue;
        findings.push(finding);
        if decisive && stage != Stage::Message {
            break;
        }
    }
    findings
}

fn ask(check: &dyn Check, facts: &Facts<'_>, policy: &Policy) -> Option<Finding> {
    catch_unwind(AssertUnwindSafe(|| check.check(facts, policy))).unwrap_or_else(|_| {
        let verdict = Verdict::TempFail(catalogue::INTERNAL.reply());
        Some(Finding::new(check.id(), check.stage(), verdict, Source::built_in(), "the check panicked"))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mail::Path;
    use crate::verdict::{Client, Direction, Fact};

    /// A client that may nothing.
    pub(in crate::checks) fn stranger() -> Client {
        Client {
            ip: "192.0.2.7".parse().unwrap(),
            port: 4711,
            name: Fact::Absent,
            trusted: false,
            may_relay: false,
            balancer: false,
        }
    }

    /// Facts of a session of `client`.
    pub(in crate::checks) fn facts<'a>(client: &'a Client, recipient: Option<&'a Path>) -> Facts<'a> {
        Facts { hello: Some(b"mx.example.com"), recipient, ..Facts::of(client, "in", Direction::Inbound) }
    }

    /// A policy from the keys that a test is about.
    pub(in crate::checks) fn policy(more: &str) -> Policy {
        let text = format!(
            "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
             [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:25\"\ndirection = \"inbound\"\ndownstream = \"mx\"\n\
             [[downstream]]\nname = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n{more}"
        );
        let (policy, problems) = crate::config::parse(&text, std::path::Path::new("rules"), &|_| {
            Err(std::io::Error::from(std::io::ErrorKind::NotFound))
        });
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    struct Panics;
    impl Check for Panics {
        fn id(&self) -> &'static str {
            "panics"
        }
        fn stage(&self) -> Stage {
            Stage::Mail
        }
        fn check(&self, _: &Facts<'_>, _: &Policy) -> Option<Finding> {
            panic!("on purpose")
        }
    }

    #[test]
    fn a_check_that_panics_is_a_temporary_failure() {
        let client = stranger();
        let findings = run_table(&[&Panics], Stage::Mail, &facts(&client, None), &policy(""));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(finding.verdict.name(), "tempfail");
        assert_eq!(&*finding.id, "panics");
    }

    #[test]
    fn every_check_has_an_id_of_its_own() {
        for (at, check) in CHECKS.iter().enumerate() {
            assert!(!CHECKS.iter().take(at).any(|c| c.id() == check.id()), "{}", check.id());
        }
    }
}
