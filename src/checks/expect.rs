//! `[[expect]]`: the tests that stand beside the rules. `check` runs them, and rules that fail one are not taken.

use super::scene::Scene;
use super::walk::{Judgement, judge};
use crate::config::model::{Expect, Outcome, Policy};
use crate::rules::{Position, Problem};
use crate::verdict::{Fact, Finding, Stage};

/// Runs the tests of a policy; each that fails is an error at its line. `now`: seconds since 1970.
#[must_use]
pub fn run_all(policy: &Policy, now: i64) -> Vec<Problem> {
    policy.expects.iter().filter_map(|expect| run(expect, policy, now)).collect()
}

fn run(expect: &Expect, policy: &Policy, now: i64) -> Option<Problem> {
    let judged = judge(&scene(expect, now), policy);
    let by = judged.decided_by.as_ref().map(|f| &*f.id);
    let right_rule = expect.rule.is_none() || expect.rule.as_deref() == by;
    if judged.outcome == expect.result && right_rule {
        return None;
    }
    let wanted = match &expect.rule {
        Some(rule) => format!("{} by {rule}", word(expect.result)),
        None => word(expect.result).to_owned(),
    };
    let message = format!("this [[expect]] fails: expected {wanted}, the outcome is {}", came_out(&judged));
    Some(Problem::error(&expect.file, Position { line: expect.line, column: 1 }, message))
}

/// The session that a test describes. What it does not say is harmless: see [`Scene::of`].
fn scene(expect: &Expect, now: i64) -> Scene {
    let mut scene = Scene::of(expect.client, &expect.listener, now);
    if let Some(country) = &expect.country {
        scene = scene.in_country(country);
    }
    if let Some(listed) = expect.listed_milli {
        scene = scene.listed(listed);
    }
    Scene {
        reverse_name: expect.reverse_name.clone().map_or(Fact::Absent, Fact::Known),
        hello: expect.hello.clone(),
        tls: expect.tls,
        authenticated: expect.user.is_some(),
        user: expect.user.clone(),
        sender: expect.sender.clone(),
        recipients: expect.recipient.iter().cloned().collect(),
        declared_octets: expect.size,
        header_from: expect.header_from.iter().cloned().collect(),
        ..scene
    }
}

/// `reject by x17 (protocol.toml:31) at RCPT: 550 5.7.1 no`.
fn came_out(judged: &Judgement) -> String {
    let Some(finding) = &judged.decided_by else { return word(judged.outcome).to_owned() };
    let place = place(finding).map(|place| format!(" ({place})")).unwrap_or_default();
    let reply = finding.verdict.refusal().map(|r| format!(": {}", r.to_log())).unwrap_or_default();
    let stage = stage_word(finding.answer_at);
    format!("{} by {}{place} at {stage}{reply}", word(judged.outcome), finding.id)
}

/// `protocol.toml:31`, `limits.toml`; nothing of what is built in.
#[must_use]
pub fn place(finding: &Finding) -> Option<String> {
    let source = &finding.source;
    match (&*source.file, source.line) {
        ("", _) => None,
        (file, 0) => Some(file.to_owned()),
        (file, line) => Some(format!("{file}:{line}")),
    }
}

/// The word for an outcome, as it stands in `result`.
#[must_use]
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Reject => "reject",
        Outcome::Tempfail => "tempfail",
        Outcome::Drop => "drop",
        Outcome::Quarantine => "quarantine",
        Outcome::Discard => "discard",
    }
}

/// The word for a stage: the command that it judges.
#[must_use]
pub fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connect",
        Stage::Helo => "HELO",
        Stage::Auth => "AUTH",
        Stage::Mail => "MAIL",
        Stage::Rcpt => "RCPT",
        Stage::Data => "DATA",
        Stage::Message => "the message",
    }
}
