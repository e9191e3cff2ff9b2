//! The rules of `protocol.toml`. Each is looked at where it answers, in file order among the rules of that stage; the
//! first that matches wins, and `hide` and `continue` go on.
//!
//! At MAIL the rules of stage Rcpt are looked at ahead: where the outcome cannot depend on the recipient, a refusal is
//! pending from there, and the downstream hears nothing of the message.

use super::check::Check;
use super::exempt::is_exempt;
use super::rule_match::{Match, Seen, matches};
use crate::config::model::{Conditions, OnUnknown, Policy, QuarantineFolder, Rule, RuleAction};
use crate::reply::{Entry, Reply, catalogue};
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Folder, Needs, Source, Stage, Verdict};
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
            let place = rule.place();
            rule.mode != Mode::Off && (place == stage || (stage == Stage::Mail && place == Stage::Rcpt))
        };
        policy.rules.iter().filter(here).fold(Needs::NONE, |all, rule| all.and(needs_of(&rule.when)))
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let table = &policy.rules;
        let ahead = stage == Stage::Mail && !table.is_idle(Stage::Rcpt);
        if table.is_idle(stage) && !ahead {
            return;
        }
        let exempt = || facts.recipient.is_some_and(|recipient| is_exempt(recipient, policy));
        let seen = Seen::of(facts);
        let decided = table.candidates(stage, seen.trails(false)).any(|rule| {
            let found = matches(rule, &seen, false);
            if found == Match::No {
                return false;
            }
            // What could have been pending since MAIL does not hold for an exempt recipient.
            let spared = stage == Stage::Rcpt && rule.when.recipient.is_none();
            if spared && rule.action.refuses() && exempt() {
                return false;
            }
            say(rule, found, stage, findings)
        });
        if ahead && !decided {
            look_ahead(&seen, policy, findings);
        }
    }
}

/// The refusal that every recipient will hear, if that can be said already. It has no effects: the rule is looked at
/// again, and counted, for each recipient.
fn look_ahead(seen: &Seen<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
    let candidates = policy.rules.candidates(Stage::Rcpt, seen.trails(true));
    for rule in candidates.filter(|rule| rule.mode == Mode::On) {
        let found = matches(rule, seen, true);
        let certain = match (found, rule.action, rule.on_unknown) {
            (Match::No, _, _) | (_, RuleAction::Hide | RuleAction::Continue, _) => continue,
            (Match::Unknown, RuleAction::Accept, _) | (Match::Unknown, _, OnUnknown::Pass) => continue,
            (Match::Open, _, _) | (_, RuleAction::Accept, _) => return,
            // What is kept is found with its recipient, and the rules behind it are not asked.
            (Match::Yes, RuleAction::Quarantine | RuleAction::Discard, _) => return,
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

/// Adds what a rule says. True when it decides.
fn say(rule: &Rule, found: Match, stage: Stage, findings: &mut Vec<Finding>) -> bool {
    let unknown = match found {
        Match::No | Match::Open => return false,
        Match::Yes => false,
        Match::Unknown => true,
    };
    let matters = rule.action.refuses() || rule.action.keeps();
    if unknown && (!matters || rule.on_unknown == OnUnknown::Pass) {
        return false;
    }
    let source = Source { file: Arc::clone(&rule.file), line: rule.line };
    let finding = if unknown {
        let verdict = Verdict::TempFail(catalogue::LOOKUP_FAILED.reply());
        Finding::new(&rule.id, stage, verdict, source, "a fact that the rule needs could not be found out")
    } else {
        let finding = Finding::new(&rule.id, stage, verdict(rule, stage), source, words(rule.action));
        let copy = rule.copy.clone().filter(|_| stage == Stage::Message);
        Finding { copy, ..effects(rule, stage, finding) }
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
        RuleAction::Quarantine => {
            let policy = || Folder(QuarantineFolder::POLICY.into());
            Verdict::Quarantine(rule.folder.clone().unwrap_or_else(policy))
        }
        RuleAction::Discard => Verdict::Discard,
        RuleAction::Hide | RuleAction::Continue => Verdict::Continue,
    }
}

fn words(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Accept => "the rule accepts",
        RuleAction::Reject => "the rule rejects",
        RuleAction::Tempfail => "the rule puts off",
        RuleAction::Drop => "the rule drops",
        RuleAction::Quarantine => "the rule quarantines",
        RuleAction::Discard => "the rule discards",
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
