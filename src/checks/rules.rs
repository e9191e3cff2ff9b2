//! The rules of `protocol.toml`. Each is looked at where it answers, in file order among the rules of that stage; the
//! first that matches wins, and `hide` and `continue` go on.
//!
//! At MAIL the rules of stage Rcpt are looked at ahead: where the outcome cannot depend on the recipient, a refusal is
//! pending from there, and the downstream hears nothing of the message.

use super::check::Check;
use super::exempt::is_exempt;
use super::rule_match::{Match, matches};
use crate::config::model::{Conditions, OnUnknown, Policy, Rule, RuleAction};
use crate::reply::{Entry, Reply, catalogue};
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Needs, Source, Stage, Verdict};
use std::sync::Arc;

/// The check.
pub struct Rules;

impl Check for Rules {
    fn id(&self) -> &'static str {
        "rules"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message]
    }

    fn needs(&self, stage: Stage, policy: &Policy) -> Needs {
        let here = |rule: &&Arc<Rule>| {
            let place = place(rule);
            rule.mode != Mode::Off && (place == stage || (stage == Stage::Mail && place == Stage::Rcpt))
        };
        policy.rules.iter().filter(here).fold(Needs::NONE, |all, rule| all.and(needs_of(&rule.when)))
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let exempt = || facts.recipient.is_some_and(|recipient| is_exempt(recipient, policy));
        let decided = of_stage(stage, policy).any(|rule| {
            let found = matches(rule, facts, false);
            if found == Match::No {
                return false;
            }
            // What could have been pending since MAIL does not hold for an exempt recipient.
            let spared = stage == Stage::Rcpt && rule.when.recipient.is_none();
            if spared && refuses(rule.action) && exempt() {
                return false;
            }
            say(rule, found, stage, findings)
        });
        if stage == Stage::Mail && !decided {
            look_ahead(facts, policy, findings);
        }
    }
}

/// Where a rule is looked at. Keywords are hidden in the answer to EHLO; a rule over a recipient answers at the latest
/// while there is one.
fn place(rule: &Rule) -> Stage {
    let about_recipient = rule.when.recipient.is_some() && rule.when.header_from.is_none();
    match rule.action {
        RuleAction::Hide => rule.answer_at.min(Stage::Helo),
        RuleAction::Accept
        | RuleAction::Reject
        | RuleAction::Tempfail
        | RuleAction::Drop
        | RuleAction::Continue
            if about_recipient =>
        {
            rule.answer_at.min(Stage::Rcpt)
        }
        RuleAction::Accept
        | RuleAction::Reject
        | RuleAction::Tempfail
        | RuleAction::Drop
        | RuleAction::Continue => rule.answer_at,
    }
}

fn of_stage(stage: Stage, policy: &Policy) -> impl Iterator<Item = &Arc<Rule>> {
    policy.rules.iter().filter(move |rule| rule.mode != Mode::Off && place(rule) == stage)
}

/// The refusal that every recipient will hear, if that can be said already. It has no effects: the rule is looked at
/// again, and counted, for each recipient.
fn look_ahead(facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
    for rule in of_stage(Stage::Rcpt, policy).filter(|rule| rule.mode == Mode::On) {
        let found = matches(rule, facts, true);
        let certain = match (found, rule.action, rule.on_unknown) {
            (Match::No, _, _) | (_, RuleAction::Hide | RuleAction::Continue, _) => continue,
            (Match::Unknown, RuleAction::Accept, _) | (Match::Unknown, _, OnUnknown::Pass) => continue,
            (Match::Open, _, _) | (_, RuleAction::Accept, _) => return,
            (Match::Yes | Match::Unknown, _, _) => found,
        };
        say(rule, certain, Stage::Mail, findings);
        if let Some(finding) = findings.last_mut() {
            finding.answer_at = Stage::Rcpt;
            finding.effects.clear();
        }
        return;
    }
}

fn refuses(action: RuleAction) -> bool {
    match action {
        RuleAction::Reject | RuleAction::Tempfail | RuleAction::Drop => true,
        RuleAction::Accept | RuleAction::Hide | RuleAction::Continue => false,
    }
}

/// Adds what a rule says. True when it decides.
fn say(rule: &Rule, found: Match, stage: Stage, findings: &mut Vec<Finding>) -> bool {
    let unknown = match found {
        Match::No | Match::Open => return false,
        Match::Yes => false,
        Match::Unknown => true,
    };
    if unknown && (!refuses(rule.action) || rule.on_unknown == OnUnknown::Pass) {
        return false;
    }
    let source = Source { file: Arc::clone(&rule.file), line: rule.line };
    let finding = if unknown {
        let verdict = Verdict::TempFail(catalogue::LOOKUP_FAILED.reply());
        Finding::new(&rule.id, stage, verdict, source, "a fact that the rule needs could not be found out")
    } else {
        let finding = Finding::new(&rule.id, stage, verdict(rule, stage), source, words(rule.action));
        effects(rule, stage, finding)
    };
    let in_force = rule.mode == Mode::On;
    let decides = in_force && finding.verdict != Verdict::Continue;
    findings.push(if in_force { finding } else { finding.only_told() });
    decides
}

fn verdict(rule: &Rule, stage: Stage) -> Verdict {
    match rule.action {
        RuleAction::Accept => Verdict::Accept,
        RuleAction::Reject if stage == Stage::Connect => {
            Verdict::Reject(reply(rule, catalogue::CLIENT_BLOCKED))
        }
        RuleAction::Reject => Verdict::Reject(reply(rule, catalogue::BLOCKED)),
        RuleAction::Tempfail => Verdict::TempFail(reply(rule, catalogue::BLOCKED_FOR_NOW)),
        RuleAction::Drop if rule.code == Some(catalogue::DROPPED_FOR_NOW.code) => {
            Verdict::Disconnect(reply(rule, catalogue::DROPPED_FOR_NOW))
        }
        RuleAction::Drop => Verdict::Disconnect(reply(rule, catalogue::CLIENT_BLOCKED)),
        RuleAction::Hide | RuleAction::Continue => Verdict::Continue,
    }
}

fn words(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Accept => "the rule accepts",
        RuleAction::Reject => "the rule rejects",
        RuleAction::Tempfail => "the rule puts off",
        RuleAction::Drop => "the rule drops",
        RuleAction::Hide => "the rule hides keywords",
        RuleAction::Continue => "the rule goes on",
    }
}

fn reply(rule: &Rule, entry: Entry) -> Reply {
    let reply = match &rule.text {
        Some(text) => entry.reply().with_text(text),
        None => entry.reply(),
    };
    match rule.code {
        Some(code) => reply.with_code(code),
        None => reply,
    }
}

fn effects(rule: &Rule, stage: Stage, mut finding: Finding) -> Finding {
    let rejects = matches!(rule.action, RuleAction::Reject | RuleAction::Drop);
    if rule.points > 0 {
        finding = finding.with(Effect::BanPoints(rule.points));
    } else if rejects {
        finding = finding.with(Effect::Count(Event::Refused));
    }
    if rule.delay_ms > 0 {
        finding = finding.with(Effect::DelayMs(rule.delay_ms));
    }
    if rule.action == RuleAction::Drop && stage == Stage::Connect {
        finding = finding.with(Effect::Silent);
    }
    finding.effects.extend(rule.hide.iter().cloned().map(Effect::HideKeyword));
    finding
}

fn needs_of(when: &Conditions) -> Needs {
    let reverse = when.reverse_name.is_some() || when.has_reverse_name.is_some();
    [
        (reverse, Needs::REVERSE_NAME),
        (!when.country.is_empty(), Needs::COUNTRY),
        (when.listed_from_milli.is_some(), Needs::LISTINGS),
        (when.header_from.is_some(), Needs::MESSAGE),
    ]
    .into_iter()
    .filter(|(wanted, _)| *wanted)
    .fold(Needs::NONE, |all, (_, need)| all.and(need))
}
