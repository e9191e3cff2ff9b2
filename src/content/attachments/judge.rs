//! What the rules say to the files of a message.

use super::carried::{Carried, Item};
use crate::config::model::QuarantineFolder;
use crate::config::model::{
    AttachmentAction, AttachmentRule, Attachments, FileConditions, MessageConditions,
};
use crate::content::circles::subject;
use crate::mail::escape_at_most;
use crate::message::files::{Mark, extension};
use crate::reply::catalogue;
use crate::rules::{Matcher, Mode, Subject};
use crate::verdict::{Effect, Envelope, Event, Finding, Folder, Source, Stage, Verdict};
use std::collections::HashMap;
use std::sync::Arc;

/// Longest name in a reason, in characters.
const NAME_CHARS: usize = 60;
/// Longest reason, in characters.
const REASON_CHARS: usize = 200;

/// What the rules came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One for each rule that matched, in file order.
    pub findings: Vec<Finding>,
    /// Parts to be replaced by a note, each once, in the order of the message.
    pub strips: Vec<Strip>,
}

/// A part that a rule takes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    /// Number of the part.
    pub part: u32,
    /// The rule.
    pub rule: Arc<str>,
    /// Its name, or that of the member because of which it goes; as it was given.
    pub name: Option<Box<str>>,
    /// The admin's words for the note.
    pub text: Option<Box<str>>,
}

/// Judges the files for one envelope. Where its recipients are of several circles (see [`crate::content::Circles`]), rules
/// that name some count as they do no harm: one that accepts has to mean all of them, any other one of them. `odd`: what is wrong with the structure, by name. `now`: seconds since 1970.
///
/// A rule matches a message once, with the first file that it matches.
#[must_use]
pub fn judge(
    carried: &Carried,
    odd: &[&str],
    policy: &Attachments,
    envelope: &Envelope,
    now: i64,
) -> Outcome {
    let rules: Vec<&AttachmentRule> = policy
        .rules
        .iter()
        .map(|rule| &**rule)
        .filter(|rule| rule.mode != Mode::Off && is_sent_so(rule, envelope, now) && is_odd(rule, odd))
        .collect();
    let mut judge = Judge { hits: vec![Hit::default(); rules.len()], strips: HashMap::new() };
    for (at, rule) in rules.iter().enumerate() {
        // About the message as a whole.
        if rule.file_is.is_empty() && !rule.odd.is_empty() {
            judge.hit(at, rule, None);
        }
    }
    for item in &carried.items {
        judge.file(item, &rules);
    }
    let findings = rules.iter().zip(&judge.hits).filter(|(_, hit)| hit.count > 0);
    let findings = findings.map(|(rule, hit)| finding(rule, hit, odd)).collect();
    let mut strips: Vec<Strip> = judge.strips.into_values().collect();
    strips.sort_unstable_by_key(|strip| strip.part);
    Outcome { findings, strips }
}

/// What one rule matched.
#[derive(Debug, Clone, Default)]
struct Hit<'c> {
    first: Option<&'c Item>,
    count: usize,
}

struct Judge<'c> {
    hits: Vec<Hit<'c>>,
    strips: HashMap<u32, Strip>,
}

impl<'c> Judge<'c> {
    fn file(&mut self, item: &'c Item, rules: &[&AttachmentRule]) {
        for (at, rule) in rules.iter().enumerate() {
            let about_files = !rule.file_is.is_empty() || rule.odd.is_empty();
            if !about_files || !matches(&rule.file_is, item) {
                continue;
            }
            self.hit(at, rule, Some(item));
            if rule.mode == Mode::On && rule.action.ends() {
                return;
            }
        }
    }

    fn hit(&mut self, at: usize, rule: &AttachmentRule, item: Option<&'c Item>) {
        let Some(hit) = self.hits.get_mut(at) else { return };
        hit.count += 1;
        hit.first = hit.first.or(item);
        if let Some(item) = item.filter(|_| rule.action == AttachmentAction::Strip && rule.mode == Mode::On) {
            self.strips.entry(item.part).or_insert_with(|| Strip {
                part: item.part,
                rule: Arc::clone(&rule.id),
                name: item.names.first().or(item.within.as_ref()).cloned(),
                text: rule.text.clone(),
            });
        }
    }
}

fn is_odd(rule: &AttachmentRule, odd: &[&str]) -> bool {
    rule.odd.is_empty() || rule.odd.iter().any(|wanted| odd.contains(&&**wanted))
}

/// Whether the conditions over the file hold.
fn matches(when: &FileConditions, item: &Item) -> bool {
    when.attachment.is_none_or(|wanted| wanted == item.attachment)
        && when.member.is_none_or(|wanted| wanted == (item.depth > 0))
        && when.depth_over.is_none_or(|most| item.depth > most)
        && when.size_over.is_none_or(|most| item.octets > most)
        && (when.marks.is_empty() || when.marks.meets(item.marks))
        && !when.without.meets(item.marks)
        && (when.types.is_empty() || when.types.iter().any(|word| item.kind.is(word)))
        && (when.extensions.is_empty() || has_extension(&when.extensions, item))
        && when.name.as_ref().is_none_or(|name| item.readings.iter().any(|reading| name.matches(reading)))
        && when
            .declared
            .as_ref()
            .is_none_or(|kind| item.declared.iter().any(|declared| kind.matches(declared)))
}

fn has_extension(wanted: &[Box<str>], item: &Item) -> bool {
    let own = || item.readings.iter().filter_map(|reading| extension(reading));
    own().any(|own| wanted.iter().any(|wanted| **wanted == *own))
}

/// Whether the conditions over the envelope hold.
fn is_sent_so(rule: &AttachmentRule, envelope: &Envelope, now: i64) -> bool {
    let when: &MessageConditions = &rule.when;
    let holds = |matcher: &Option<Matcher>, subject: Option<Subject<'_>>| {
        let matched =
            |m: &Matcher| subject.is_some_and(|subject| m.matches(subject, envelope.direction, now));
        matcher.as_ref().is_none_or(matched)
    };
    when.direction.is_none_or(|direction| direction == envelope.direction)
        && when.authenticated.is_none_or(|wanted| wanted == envelope.authenticated)
        && (when.listener.is_empty() || when.listener.contains(&envelope.listener))
        && holds(&when.client, Some(Subject::Address(envelope.client)))
        && holds(&when.sender, Some(subject(&envelope.sender)))
        && holds(&when.user, envelope.user.as_deref().map(|user| Subject::Name(user.as_bytes())))
        && (when.recipient.is_none() || {
            let mut meant = envelope.recipients.iter().map(|to| holds(&when.recipient, Some(subject(to))));
            match rule.action {
                AttachmentAction::Accept => !envelope.recipients.is_empty() && meant.all(|meant| meant),
                _ => meant.any(|meant| meant),
            }
        })
}

fn finding(rule: &AttachmentRule, hit: &Hit<'_>, odd: &[&str]) -> Finding {
    let source = Source { file: Arc::clone(&rule.file), line: rule.line };
    let mut finding = Finding::new(&rule.id, Stage::Message, verdict(rule), source, reason(rule, hit, odd));
    finding.score_milli = rule.score_milli;
    finding.tags.clone_from(&rule.tags);
    if rule.action == AttachmentAction::Reject {
        finding = finding.with(Effect::Count(Event::Refused));
    }
    if rule.action == AttachmentAction::Strip && rule.mode == Mode::On {
        // What is taken out is not lost.
        finding.copy = Some(Folder(QuarantineFolder::POLICY.into()));
    }
    if rule.mode == Mode::On { finding } else { finding.only_told() }
}

fn verdict(rule: &AttachmentRule) -> Verdict {
    match rule.action {
        AttachmentAction::Reject => {
            let reply = catalogue::BLOCKED.reply();
            Verdict::Reject(rule.text.as_ref().map_or(reply.clone(), |text| reply.with_text(text)))
        }
        AttachmentAction::Quarantine => {
            let policy = || Folder(QuarantineFolder::POLICY.into());
            Verdict::Quarantine(rule.folder.clone().unwrap_or_else(policy))
        }
        AttachmentAction::Strip
        | AttachmentAction::Score
        | AttachmentAction::Log
        | AttachmentAction::Accept => Verdict::Continue,
    }
}

/// `"bill.pdf.exe" in "bill.zip" (exe, double-extension, wrong-type), and 2 more`.
fn reason(rule: &AttachmentRule, hit: &Hit<'_>, odd: &[&str]) -> String {
    let mut words = Vec::new();
    let named = |name: &str| format!("\"{}\"", escape_at_most(name.as_bytes(), NAME_CHARS));
    let mut text = match hit.first {
        None => {
            let found = rule.odd.iter().filter(|wanted| odd.contains(&&***wanted));
            let found: Vec<&str> = found.map(|word| &**word).collect();
            format!("the structure of the message: {}", found.join(", "))
        }
        Some(item) => {
            let own = item.names.first().map_or_else(|| format!("part {}", item.part), |name| named(name));
            words.push(item.kind.name());
            words.extend(item.marks.iter().map(Mark::name));
            match &item.within {
                Some(within) => format!("{own} in {}", named(within)),
                None if item.depth > 0 => format!("{own} in part {}", item.part),
                None => own,
            }
        }
    };
    if !words.is_empty() {
        text.push_str(&format!(" ({})", words.join(", ")));
    }
    if hit.count > 1 {
        text.push_str(&format!(", and {} more", hit.count - 1));
    }
    if text.chars().count() > REASON_CHARS { text.chars().take(REASON_CHARS).collect() } else { text }
}
