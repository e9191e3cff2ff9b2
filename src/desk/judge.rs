//! What a message that we own comes to when it is looked at again, by the rules of now. Pure.
//!
//! What is held is judged as a new message would be: scanners, attachments, signatures, score, DMARC, for the policies of its
//! recipients. Of several policies the strongest end holds for the item; the gateway holds one item for each, so there is
//! one, unless the rules changed. What goes on goes to each recipient as his policy dresses it, and what a rule would have
//! discarded before the message goes to `discarded`. What is not held stays where it is unless there is malware in it: rules and scores put it
//! there, or an admin did.

use super::envelope::envelope;
use super::views::finding_view;
use crate::checks::mail_policy_for;
use crate::config::model::{Lane, MailPolicy, Policy, QuarantineFolder};
use crate::content::{Circles, Dress, Found, Known, Weighed, dress};
use crate::inspect::Inspected;
use crate::mail::{Path, escape_at_most};
use crate::message::edit::Replace;
use crate::reply::Class;
use crate::rules::Mode;
use crate::scan::{Results, ScanVerdict};
use crate::vault::{FindingView, Item};
use crate::verdict::{Disposition, Envelope, Finding};
use std::sync::Arc;

/// Characters of the words that are kept.
const SAID_CHARS: usize = 300;
/// Findings that are kept of one look.
const FINDINGS_MAX: usize = 200;

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scanned {
    /// Nothing that keeps it.
    Clean,
    /// Malware, and what.
    Infected(String),
    /// No malware, and the rules of now keep it.
    Objected(Objection),
    /// Something gave no answer, and nothing worse was found.
    Unknown(String),
}

/// What rules have against a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objection {
    /// Where it is kept.
    pub(super) folder: String,
    /// What decided.
    pub(super) finding: FindingView,
}

/// What a look came to, and what was seen.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) scanned: Scanned,
    /// Everything that was found.
    pub(super) findings: Vec<FindingView>,
    /// Thousandths of a point.
    pub(super) score_milli: i32,
    pub(super) tags: Vec<String>,
    /// How it goes out.
    pub(super) dresses: Vec<(Vec<Path>, Dress)>,
    /// Where a copy is kept of what goes out.
    pub(super) copy: Option<String>,
}

/// What a look came to for those of its recipients who have one policy.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) weighed: Weighed,
    /// The envelope with these recipients.
    pub(super) envelope: Envelope,
    /// How it goes out to them.
    pub(super) dress: Dress,
}

impl Judgement {
    /// It could not be looked at.
    pub(super) fn unknown(why: String) -> Self {
        Self {
            scanned: Scanned::Unknown(why),
            findings: Vec::new(),
            score_milli: 0,
            tags: Vec::new(),
            dresses: Vec::new(),
            copy: None,
        }
    }

    /// Of what was found in an item. The strongest end holds for all of it; where that is none, each of its recipients gets
    /// it as his policy dresses it.
    pub(super) fn of(item: &Item, found: &Inspected, parts: Vec<Part>) -> Self {
        let ends = parts.iter().map(|part| (end(&part.weighed), &part.weighed));
        let strongest = ends.reduce(|first, next| if rank(&next.0) > rank(&first.0) { next } else { first });
        let Some((scanned, weighed)) = strongest else {
            return Self::unknown("it has no recipient".to_owned());
        };
        let mut tags: Vec<String> =
            enforced(weighed).flat_map(|f| &f.tags).map(ToString::to_string).collect();
        tags.sort_unstable();
        tags.dedup();
        let copy = parts.iter().find_map(|part| enforced(&part.weighed).find_map(|f| f.copy.as_ref()));
        let mut judged = Self {
            scanned,
            findings: weighed.findings.iter().take(FINDINGS_MAX).map(finding_view).collect(),
            score_milli: weighed.score_milli,
            tags,
            copy: copy.map(|folder| folder.0.to_string()),
            dresses: dresses(parts),
        };
        match &item.hold {
            None => judged.scanned = strictly(found).unwrap_or(judged.scanned),
            // A rule of then discards what nobody else minds.
            Some(hold) if judged.scanned == Scanned::Clean => {
                let discard = hold.discard.clone();
                let folder = QuarantineFolder::DISCARDED.to_owned();
                let objected = discard.map(|finding| Scanned::Objected(Objection { folder, finding }));
                judged.scanned = objected.unwrap_or(judged.scanned);
            }
            Some(_) => {}
        }
        judged
    }
}

/// What was found comes to for each policy of the recipients.
pub(super) fn parts(item: &Item, found: &Inspected, policy: &Policy, now: i64) -> Vec<Part> {
    let envelope = envelope(item, policy);
    let allowed = item.findings.iter().any(|f| f.verdict == "accept" && !f.told_only);
    let alike = Circles::default();
    let circles = found.analysis.as_ref().map_or(&alike, |analysis| &analysis.circles);
    let part = |Group { mail, circle, recipients }| {
        let envelope = Envelope { recipients, ..envelope.clone() };
        let (files, replace) = found.analysis.as_ref().map(|a| a.attached(circle)).unwrap_or_default();
        let symbols = found.analysis.as_ref().map_or(&[][..], |a| a.symbols(circle));
        let all = Found { general: &found.unseen, contents: &found.contents, files, symbols, allowed };
        let mut part = Part { weighed: Weighed::of(&mail, None, &all), envelope, dress: Dress::default() };
        part.put_on(found, policy, replace.to_vec());
        part
    };
    groups(policy, &envelope, circles, now).into_iter().map(part).collect()
}

impl Part {
    /// Whether nothing keeps it from going out.
    pub(super) fn is_clean(&self) -> bool {
        end(&self.weighed) == Scanned::Clean
    }

    /// Dresses it, by what was found.
    pub(super) fn put_on(&mut self, found: &Inspected, policy: &Policy, replace: Vec<Replace>) {
        let known = Known {
            policy,
            envelope: &self.envelope,
            authentication: found.authentication.as_ref(),
            contents: &found.contents,
            walked: found.analysis.is_some(),
        };
        self.dress = dress(&self.weighed, &known, replace);
    }
}

/// Those who get it in the same dress are one.
fn dresses(parts: Vec<Part>) -> Vec<(Vec<Path>, Dress)> {
    let mut dresses: Vec<(Vec<Path>, Dress)> = Vec::with_capacity(parts.len());
    for Part { envelope, dress, .. } in parts {
        match dresses.iter_mut().find(|(_, known)| *known == dress) {
            Some((members, _)) => members.extend(envelope.recipients),
            None => dresses.push((envelope.recipients, dress)),
        }
    }
    dresses
}

fn enforced(weighed: &Weighed) -> impl Iterator<Item = &Finding> {
    weighed.findings.iter().filter(|f| f.enforced)
}

fn rank(scanned: &Scanned) -> u8 {
    match scanned {
        Scanned::Clean => 0,
        Scanned::Unknown(_) => 1,
        Scanned::Objected(_) => 2,
        Scanned::Infected(_) => 3,
    }
}

/// Recipients who share a policy, and whom rules treat alike.
struct Group {
    mail: Arc<MailPolicy>,
    circle: usize,
    recipients: Vec<Path>,
}

/// The recipients by policy and circle; one group without any where there are none.
fn groups(policy: &Policy, envelope: &Envelope, circles: &Circles, now: i64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, recipient) in envelope.recipients.iter().enumerate() {
        let mail = mail_policy_for(&policy.policies, envelope, Some(recipient), now);
        let circle = circles.of(place);
        match groups.iter_mut().find(|group| group.circle == circle && Arc::ptr_eq(&group.mail, mail)) {
            Some(group) => group.recipients.push(recipient.clone()),
            None => {
                groups.push(Group { mail: Arc::clone(mail), circle, recipients: vec![recipient.clone()] })
            }
        }
    }
    if groups.is_empty() {
        let mail = Arc::clone(mail_policy_for(&policy.policies, envelope, None, now));
        groups.push(Group { mail, circle: 0, recipients: Vec::new() });
    }
    groups
}

/// Where it ends.
fn end(weighed: &Weighed) -> Scanned {
    let Some(decided) = weighed.decided() else { return Scanned::Clean };
    let folder = match Disposition::of(Some(decided)) {
        Disposition::Deliver => return Scanned::Clean,
        Disposition::Hold => return Scanned::Unknown(said(decided)),
        Disposition::Refuse(reply) if reply.class() == Class::Temporary => {
            return Scanned::Unknown(said(decided));
        }
        Disposition::Quarantine(folder) => folder.0.to_string(),
        Disposition::Discard => QuarantineFolder::DISCARDED.to_owned(),
        Disposition::Refuse(_) | Disposition::Disconnect(_) => {
            weighed.folder_of_refusal(Some(decided)).0.to_string()
        }
    };
    if is_malware(decided) {
        return Scanned::Infected(said(decided));
    }
    Scanned::Objected(Objection { folder, finding: finding_view(decided) })
}

/// Of scanners and of signatures of our own.
fn is_malware(finding: &Finding) -> bool {
    finding.enforced && finding.tags.iter().any(|tag| matches!(&**tag, "infected" | "virus"))
}

fn said(finding: &Finding) -> String {
    escape_at_most(format!("{}: {}", finding.id, finding.reason).as_bytes(), SAID_CHARS)
}

/// Of mail that an admin lets go or asks about: malware is malware whatever a policy says, and all that look for it have to
/// have looked, whatever the lane of new mail is.
fn strictly(found: &Inspected) -> Option<Scanned> {
    let malware = found.contents.malware.iter().find(|f| is_malware(f));
    let infected = malware.map(|finding| Scanned::Infected(said(finding)));
    let unknown = || unanswered(&found.results).or_else(|| found.unseen.first().map(said));
    infected.or_else(|| unknown().map(Scanned::Unknown))
}

/// The first scanner that was needed and did not look. One that is only told of, or that was switched off, is not waited
/// for.
fn unanswered(results: &Results) -> Option<String> {
    results.iter().filter(|r| r.rules.mode == Mode::On && !r.is_answered()).find_map(|result| {
        let verdict = result.verdict.as_ref()?;
        let too_large = *verdict == ScanVerdict::TooLarge;
        let lane = if too_large { result.rules.on_too_large } else { result.rules.on_error };
        let needed = lane != Lane::PassTagged || result.rules.finds_malware();
        let said = format!("{}: {}", result.rules.name, verdict.words());
        needed.then(|| escape_at_most(said.as_bytes(), SAID_CHARS))
    })
}
