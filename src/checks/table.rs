//! The table of checks and the way they are run.
//!
//! Order is what decides among refusals of one stage. No state. Failure: a check that panics becomes a finding that
//! refuses for now; the others still run.

use super::check::Check;
use super::unqualified;
use super::{allow, ban, blocks, bound, early_talk, eight_bit, greylist, hello, hops, limits, null_sender};
use super::{own_domain, pipelining, recipients, relay, reputation, rules, sender_domain, size, throttle};
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Needs, Source, Stage, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// All checks, in the order in which they are asked: allow lists, bans, blocks, limits, what is never open, throttles,
/// protocol, reputation, rules, greylisting. To add one: a file beside this one and a line here.
pub static CHECKS: &[&dyn Check] = &[
    &allow::AllowLists,
    &ban::Bans,
    &blocks::Blocks,
    &limits::Limits,
    &size::DeclaredSize,
    &relay::RelayControl,
    &recipients::KnownRecipients,
    &bound::RecipientBound,
    &hops::LoopGuard,
    &throttle::Throttles,
    &early_talk::EarlyTalk,
    &pipelining::ImproperPipelining,
    &hello::HelloName,
    &unqualified::UnqualifiedSender,
    &own_domain::OwnDomainSender,
    &sender_domain::SenderDomain,
    &null_sender::NullSender,
    &eight_bit::UndeclaredEightBit,
    &reputation::Reputation,
    &rules::Rules,
    &greylist::Greylist,
];

/// The checks of each stage, for every message goes through most stages.
static BY_STAGE: LazyLock<[Vec<&dyn Check>; Stage::EACH.len()]> = LazyLock::new(|| {
    Stage::EACH.map(|stage| CHECKS.iter().copied().filter(|c| c.stages().contains(&stage)).collect())
});

/// Asks the checks of one stage. Before the message the first refusal that is said at this stage ends it; behind one
/// that is said later, and behind an allow entry, only the guards are asked. At the message all are asked.
#[must_use]
pub fn run(stage: Stage, facts: &Facts<'_>, policy: &Policy) -> Vec<Finding> {
    let of_stage = BY_STAGE.get(stage as usize).map_or(&[][..], |table| table);
    run_table(of_stage, stage, facts, policy)
}

/// The facts that the checks of a stage need under this policy. Goes through all rules: ask once a generation.
#[must_use]
pub fn needs(stage: Stage, policy: &Policy) -> Needs {
    let of_stage = CHECKS.iter().filter(|c| c.stages().contains(&stage));
    of_stage.fold(Needs::NONE, |all, check| all.and(check.needs(stage, policy)))
}

fn run_table(table: &[&dyn Check], stage: Stage, facts: &Facts<'_>, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut only_guards = facts.allowed;
    for check in table {
        if only_guards && !check.guards() {
            continue;
        }
        let from = findings.len();
        ask(*check, stage, facts, policy, &mut findings);
        let new = findings.get(from..).unwrap_or_default();
        let allowed = new.iter().any(|f| f.enforced && f.verdict == Verdict::Accept);
        let refused = stage != Stage::Message && new.iter().any(Finding::refuses);
        if refused && new.iter().any(|f| f.refuses() && f.answer_at <= stage) {
            break;
        }
        only_guards |= allowed || refused;
    }
    findings
}

fn ask(check: &dyn Check, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
    let from = findings.len();
    let asked = catch_unwind(AssertUnwindSafe(|| check.check(stage, facts, policy, findings)));
    if asked.is_err() {
        findings.truncate(from);
        let verdict = Verdict::TempFail(catalogue::INTERNAL.reply());
        findings.push(Finding::new(check.id(), stage, verdict, Source::built_in(), "the check panicked"));
    }
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

    /// A path as it stands in MAIL or RCPT.
    pub(in crate::checks) fn path(text: &str) -> Path {
        Path::parse(text.as_bytes()).unwrap().0
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

    /// A policy from `protocol.toml` and lists, beside a plain `gateway.toml`.
    pub(in crate::checks) fn policy_of(files: &[(&str, &str)]) -> Policy {
        let gateway = "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
             listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" },\n\
                { name = \"out\", address = \"127.0.0.1:587\", direction = \"outbound\", downstream = \"mx\" }]\n\
             downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n\
             [relay]\ndomains = [\"example.net\"]\nfrom = [\"10.0.0.0/8\"]\n";
        let mut sources = crate::config::Sources::of(&[("gateway.toml", gateway)]);
        files.iter().for_each(|(name, text)| sources.add(name, (*text).to_owned()));
        let moment = crate::config::Moment::at(1_800_000_000);
        let (policy, problems) = crate::config::parse_files(&sources, std::path::Path::new("rules"), moment);
        policy.unwrap_or_else(|| panic!("{problems:?}"))
    }

    /// What one check says.
    pub(in crate::checks) fn ask_one(
        check: &dyn Check,
        stage: Stage,
        facts: &Facts<'_>,
        policy: &Policy,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        check.check(stage, facts, policy, &mut findings);
        findings
    }

    /// `id code@answer_at` of each finding, in parentheses where it is only told; `id verdict` of what is no refusal.
    pub(in crate::checks) fn shown(findings: &[Finding]) -> String {
        let one = |f: &Finding| {
            let text = match f.verdict.refusal() {
                Some(reply) => format!("{} {}@{:?}", f.id, reply.code(), f.answer_at),
                None => format!("{} {}", f.id, f.verdict.name()),
            };
            if f.enforced { text } else { format!("({text})") }
        };
        findings.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    struct Fixed {
        id: &'static str,
        guards: bool,
        says: fn() -> Verdict,
        at: Stage,
        told: bool,
    }
    impl Check for Fixed {
        fn id(&self) -> &'static str {
            self.id
        }
        fn stages(&self) -> &'static [Stage] {
            &[Stage::Mail, Stage::Message]
        }
        fn guards(&self) -> bool {
            self.guards
        }
        fn check(&self, stage: Stage, _: &Facts<'_>, _: &Policy, findings: &mut Vec<Finding>) {
            let verdict = (self.says)();
            let finding = Finding::new(self.id, stage, verdict, Source::built_in(), "").answered_at(self.at);
            findings.push(if self.told { finding.only_told() } else { finding });
        }
    }
    fn accept() -> Verdict {
        Verdict::Accept
    }
    fn reject() -> Verdict {
        Verdict::Reject(catalogue::REJECTED.reply())
    }
    fn panics() -> Verdict {
        panic!("on purpose")
    }
    const fn fixed(id: &'static str, says: fn() -> Verdict) -> Fixed {
        Fixed { id, guards: false, says, at: Stage::Mail, told: false }
    }

    #[test]
    fn a_check_that_panics_is_a_temporary_failure() {
        let client = stranger();
        let table: &[&dyn Check] = &[&fixed("panics", panics)];
        let findings = run_table(table, Stage::Mail, &facts(&client, None), &policy(""));
        assert_eq!(shown(&findings), "panics 451@Mail");
    }

    #[test]
    fn order_allow_and_guards() {
        let (client, policy) = (stranger(), policy(""));
        let allow = fixed("allow", accept);
        let told = Fixed { told: true, ..fixed("told", accept) };
        let now = fixed("now", reject);
        let later = Fixed { at: Stage::Rcpt, ..fixed("later", reject) };
        let guard = Fixed { guards: true, ..fixed("guard", reject) };
        let run = |table: &[&dyn Check], stage, allowed| {
            let facts = Facts { allowed, ..facts(&client, None) };
            shown(&run_table(table, stage, &facts, &policy))
        };
        let mail = Stage::Mail;
        assert_eq!(run(&[&allow, &now, &guard, &now], mail, false), "allow accept, guard 550@Mail");
        assert_eq!(run(&[&told, &now, &guard], mail, false), "(told accept), now 550@Mail");
        assert_eq!(run(&[&later, &now, &guard], mail, false), "later 550@Rcpt, guard 550@Mail");
        assert_eq!(run(&[&now, &later, &guard], mail, true), "guard 550@Mail");
        assert_eq!(run(&[&now, &allow, &now], Stage::Message, false), "now 550@Message, allow accept");
    }

    #[test]
    fn every_check_has_an_id_of_its_own() {
        for (at, check) in CHECKS.iter().enumerate() {
            assert!(!CHECKS.iter().take(at).any(|c| c.id() == check.id()), "{}", check.id());
        }
        let guards: Vec<_> = CHECKS.iter().filter(|c| c.guards()).map(|c| c.id()).collect();
        assert_eq!(
            guards,
            ["declared-size", "relay-control", "known-recipients", "recipient-bound", "loop-guard"]
        );
    }
}
