//! What a message that we own comes to when it is looked at again, by the rules of now. Pure.
//!
//! What is held is judged as a new message would be: scanners, attachments, signatures, score, DMARC, for the policies of its
//! recipients. Of several policies the strongest end holds for the item; the gateway holds one item for each, so there is
//! one, unless the rules changed. What is not held stays where it is unless there is malware in it: rules and scores put it
//! there, or an admin did.

use super::envelope::envelope;
use super::views::finding_view;
use crate::checks::mail_policy_for;
use crate::config::model::{Lane, MailPolicy, Policy, QuarantineFolder};
use crate::content::{Circles, Dress, Found, Known, Weighed, dress};
use crate::inspect::Inspected;
use crate::mail::{Path, escape_at_most};
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
    pub(super) dress: Dress,
    /// Where a copy is kept of what goes out.
    pub(super) copy: Option<String>,
}

impl Judgement {
    /// It could not be looked at.
    pub(super) fn unknown(why: String) -> Self {
        Self {
            scanned: Scanned::Unknown(why),
            findings: Vec::new(),
            score_milli: 0,
            tags: Vec::new(),
            dress: Dress::default(),
            copy: None,
        }
    }

    /// Of what was found in an item.
    pub(super) fn of(item: &Item, found: &Inspected, policy: &Policy, now: i64) -> Self {
        let envelope = envelope(item, policy);
        let allowed = item.findings.iter().any(|f| f.verdict == "accept" && !f.told_only);
        let mut worst: Option<Self> = None;
        let alike = Circles::default();
        let circles = found.analysis.as_ref().map_or(&alike, |analysis| &analysis.circles);
        for Group { mail, circle, recipients } in groups(policy, &envelope, circles, now) {
            let envelope = Envelope { recipients, ..envelope.clone() };
            let judged = for_one(found, policy, (&mail, circle), &envelope, allowed, now);
            if worst.as_ref().is_none_or(|worst| rank(&judged.scanned) > rank(&worst.scanned)) {
                worst = Some(judged);
            }
        }
        let mut judged = worst.unwrap_or_else(|| Self::unknown("it has no recipient".to_owned()));
        if item.hold.is_none() {
            judged.scanned = strictly(found).unwrap_or(judged.scanned);
        }
        judged
    }
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
pub(super) struct Group {
    pub(super) mail: Arc<MailPolicy>,
    pub(super) circle: usize,
    pub(super) recipients: Vec<Path>,
}

/// The recipients by policy and circle; one group without any where there are none.
pub(super) fn groups(policy: &Policy, envelope: &Envelope, circles: &Circles, now: i64) -> Vec<Group> {
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

fn for_one(
    found: &Inspected,
    policy: &Policy,
    (mail, circle): (&Arc<MailPolicy>, usize),
    envelope: &Envelope,
    allowed: bool,
    now: i64,
) -> Judgement {
    let (files, replace) =
        found.analysis.as_ref().map(|a| a.attachments(policy, envelope, now)).unwrap_or_default();
    let symbols = found.analysis.as_ref().map_or(&[][..], |a| a.symbols(circle));
    let all = Found { general: &found.unseen, contents: &found.contents, files: &files, symbols, allowed };
    let weighed = Weighed::of(mail, None, &all);
    let known = Known {
        policy,
        envelope,
        authentication: found.authentication.as_ref(),
        contents: &found.contents,
        walked: found.analysis.is_some(),
    };
    let enforced = || weighed.findings.iter().filter(|f| f.enforced);
    let mut tags: Vec<String> = enforced().flat_map(|f| &f.tags).map(ToString::to_string).collect();
    tags.sort_unstable();
    tags.dedup();
    Judgement {
        scanned: end(&weighed),
        findings: weighed.findings.iter().take(FINDINGS_MAX).map(finding_view).collect(),
        score_milli: weighed.score_milli,
        tags,
        dress: dress(&weighed, &known, replace),
        copy: enforced().find_map(|f| f.copy.as_ref()).map(|folder| folder.0.to_string()),
    }
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
