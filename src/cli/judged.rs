//! A judged session as commands show it: stage by stage what was found, with the place of each rule, and what the
//! client hears. As text for people and as JSON.

use super::out::{Ink, Paint};
use crate::checks::{Judgement, Step, outcome_word, place, stage_word};
use crate::config::model::Outcome;
use crate::verdict::{Disposition, Effect, Finding, Stage, Verdict};
use serde::Serialize;
use std::fmt::Write as _;

/// A judgement to be printed as JSON.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    outcome: &'static str,
    decided_by: Option<FindingView<'a>>,
    steps: Vec<StepView<'a>>,
}

#[derive(Debug, Serialize)]
struct StepView<'a> {
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    findings: Vec<FindingView<'a>>,
    /// What the client hears from us; none where the downstream answers.
    reply: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingView<'a> {
    id: &'a str,
    file: &'a str,
    line: u32,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<&'a str>,
    mode: &'static str,
    answer_at: Stage,
    reason: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    effects: Vec<String>,
}

impl<'a> View<'a> {
    /// The view of a judgement.
    pub(super) fn of(judged: &'a Judgement) -> Self {
        Self {
            outcome: outcome_word(judged.outcome),
            decided_by: judged.decided_by.as_ref().map(finding_view),
            steps: judged.steps.iter().map(step_view).collect(),
        }
    }
}

fn step_view(step: &Step) -> StepView<'_> {
    StepView {
        stage: step.stage,
        recipient: step.recipient.as_deref(),
        findings: step.findings.iter().map(finding_view).collect(),
        reply: step.reply.as_ref().map(|reply| reply.to_log()),
    }
}

fn finding_view(finding: &Finding) -> FindingView<'_> {
    FindingView {
        id: &finding.id,
        file: &finding.source.file,
        line: finding.source.line,
        verdict: finding.verdict.name(),
        folder: folder(finding),
        copy: finding.copy.as_ref().map(|folder| &*folder.0),
        mode: mode(finding),
        answer_at: finding.answer_at,
        reason: &finding.reason,
        effects: finding.effects.iter().map(effect).collect(),
    }
}

/// Where it puts the message.
fn folder(finding: &Finding) -> Option<&str> {
    match &finding.verdict {
        Verdict::Quarantine(folder) => Some(&folder.0),
        Verdict::Continue
        | Verdict::Accept
        | Verdict::TempFail(_)
        | Verdict::Hold
        | Verdict::Discard
        | Verdict::Reject(_)
        | Verdict::Disconnect(_) => None,
    }
}

fn mode(finding: &Finding) -> &'static str {
    if finding.enforced { "on" } else { "log" }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::BanPoints(points) => format!("{points} ban points"),
        Effect::Count(event) => {
            // The names are those of the keys in `limits.toml`.
            let name = serde_json::to_value(event).ok();
            let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or("event");
            format!("ban points of {name}")
        }
        Effect::DelayMs(delay) => format!("{delay} ms delay"),
        Effect::Silent => "closed without a word".to_owned(),
        Effect::HideKeyword(keyword) => format!("hides {keyword}"),
    }
}

/// The judgement for people.
pub(super) fn text(judged: &Judgement, hello: Option<&str>, sender: Option<&str>, paint: Paint) -> String {
    let mut out = String::new();
    for step in &judged.steps {
        let about = match step.stage {
            Stage::Helo => hello,
            Stage::Mail => sender,
            Stage::Rcpt => step.recipient.as_deref(),
            Stage::Connect | Stage::Auth | Stage::Data | Stage::Message => None,
        };
        let said = about.map(|about| format!(" {about}")).unwrap_or_default();
        let given = about.is_some() || !matches!(step.stage, Stage::Mail | Stage::Rcpt);
        if !given && step.findings.is_empty() && step.reply.is_none() {
            continue;
        }
        let _ = writeln!(out, "{}", paint.ink(Ink::Title, &format!("{}{said}", stage_word(step.stage))));
        step.findings.iter().for_each(|finding| line(&mut out, finding, paint));
        let reply = outcome_of(step);
        let ink = match &step.reply {
            Some(reply) if reply.is_refusal() => Ink::Bad,
            Some(_) | None => Ink::Good,
        };
        let _ = writeln!(out, "  -> {}", paint.ink(ink, &reply));
    }
    let by = judged.decided_by.as_ref().map(|f| format!(" by {}{}", f.id, in_place(f))).unwrap_or_default();
    let ink = if judged.outcome == Outcome::Pass { Ink::Good } else { Ink::Bad };
    let _ = writeln!(out, "outcome: {}{by}", paint.ink(ink, outcome_word(judged.outcome)));
    out
}

/// What the client hears, and where a message goes that is taken and not delivered.
fn outcome_of(step: &Step) -> String {
    let goes = match &step.goes {
        Disposition::Quarantine(folder) => Some(format!("into the folder {folder}")),
        Disposition::Discard => Some("and discarded".to_owned()),
        Disposition::Hold => Some("and held".to_owned()),
        Disposition::Deliver | Disposition::Refuse(_) | Disposition::Disconnect(_) => None,
    };
    match (&step.reply, goes) {
        (Some(_), _) if step.findings.iter().any(Finding::is_silent) => "closed without a word".to_owned(),
        (Some(reply), _) if reply.is_refusal() => reply.to_log(),
        (Some(reply), Some(goes)) if step.stage == Stage::Message => {
            format!("{}, taken {goes}", reply.to_log())
        }
        (Some(reply), None) => reply.to_log(),
        (Some(reply), Some(goes)) => format!("{}; the message is taken {goes} at its end", reply.to_log()),
        (None, Some(goes)) => format!("passes; the message is taken {goes} at its end"),
        (None, None) => "passes".to_owned(),
    }
}

fn line(out: &mut String, finding: &Finding, paint: Paint) {
    let name = match folder(finding) {
        Some(folder) => format!("{} {folder}", finding.verdict.name()),
        None => finding.verdict.name().to_owned(),
    };
    let copy = finding.copy.as_ref().map(|folder| format!(", copy in {folder}")).unwrap_or_default();
    let told = if finding.enforced { "" } else { " (mode log)" };
    let later = if finding.refuses() && finding.answer_at > finding.stage {
        format!(", said at {}", stage_word(finding.answer_at))
    } else {
        String::new()
    };
    let effects: Vec<String> = finding.effects.iter().map(effect).collect();
    let effects = if effects.is_empty() { String::new() } else { format!(" [{}]", effects.join(", ")) };
    let ink = if finding.refuses() || finding.keeps() { Ink::Warn } else { Ink::Faint };
    let place = in_place(finding);
    let reason = &finding.reason;
    let words = paint.ink(ink, &name);
    let _ = writeln!(out, "  {words}{told} {}{place}{later}{copy}: {reason}{effects}", finding.id);
}

/// ` (protocol.toml:31)`.
fn in_place(finding: &Finding) -> String {
    place(finding).map(|place| format!(" ({place})")).unwrap_or_default()
}
