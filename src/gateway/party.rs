//! The recipients of one message, by how it is judged for them; and what it comes to for each group.
//!
//! Pure: values in, values out. Failure: a transaction without an accepted recipient has no party, and its message goes
//! nowhere.

use super::keep::Decision;
use super::transaction::Transaction;
use crate::config::model::MailPolicy;
use crate::message::edit::Replace;
use crate::reply::catalogue;
use crate::verdict::{Disposition, Finding, Source, Stage, Verdict};
use std::sync::Arc;

/// File that thresholds come from.
const FILE: &str = "policies.toml";

/// Recipients who share a policy and what the stages before the message found.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) policy: Arc<MailPolicy>,
    /// What takes their mail elsewhere than downstream.
    pub(super) by: Option<Finding>,
    /// Their places among the recipients of the transaction, in order.
    pub(super) members: Vec<usize>,
}

/// What was found of the message itself, by what it is about: policies turn each off.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// By scanners and signatures.
    pub(super) malware: Vec<Finding>,
    /// What has a score.
    pub(super) symbols: Vec<Finding>,
    /// What DMARC asks for.
    pub(super) dmarc: Vec<Finding>,
}

/// How the message is dressed when it goes out to a party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dress {
    /// Fields on top, below our `Received`.
    pub(super) fields: String,
    /// In front of the subject.
    pub(super) subject_tag: Option<Box<str>>,
    /// Parts to be replaced.
    pub(super) replace: Vec<Replace>,
}

/// What a message comes to for a party.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) party: Party,
    /// All that counts for it.
    pub(super) findings: Vec<Finding>,
    /// Thousandths of a point.
    pub(super) score_milli: i32,
    /// It is marked as spam.
    pub(super) spam: bool,
    /// As it goes out.
    pub(super) dress: Dress,
}

impl Judged {
    /// By everything that was found; `files` is what the rules of attachments say. `allowed`: an allow entry matched, so
    /// that score and DMARC do not count.
    pub(super) fn of(
        party: Party,
        general: &[Finding],
        contents: &Contents,
        files: &[Finding],
        allowed: bool,
    ) -> Self {
        let policy = Arc::clone(&party.policy);
        let mut findings: Vec<Finding> = party.by.iter().cloned().collect();
        findings.extend_from_slice(general);
        let mut take = |on: bool, list: &[Finding]| findings.extend(list.iter().filter(|_| on).cloned());
        take(policy.malware, &contents.malware);
        take(policy.attachments, files);
        take(policy.dmarc && !allowed, &contents.dmarc);
        let scored = policy.score && !allowed;
        take(scored, &contents.symbols);
        let count = |list: &[Finding]| {
            list.iter().filter(|f| f.enforced).fold(0_i32, |sum, f| sum.saturating_add(f.score_milli))
        };
        let attached = if policy.attachments { count(files) } else { 0 };
        let score_milli = count(&contents.symbols).saturating_add(attached);
        let spam = scored && score_milli >= policy.tag_milli;
        if scored {
            findings.extend(threshold(&policy, score_milli));
        }
        Self { party, findings, score_milli, spam, dress: Dress::default() }
    }

    /// What follows.
    pub(super) fn decision(&self) -> Decision<'_> {
        Decision::of(&self.findings)
    }

    /// Whether the message ends for both alike.
    pub(super) fn ends_like(&self, other: &Self) -> bool {
        let (own, others) = (self.decision(), other.decision());
        own.disposition == others.disposition && own.copy == others.copy && self.dress == other.dress
    }

    /// The finding of the threshold, where one was reached.
    pub(super) fn threshold(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| &*finding.id == "score")
    }
}

/// What a score means.
fn threshold(policy: &MailPolicy, score_milli: i32) -> Option<Finding> {
    let (verdict, limit) = if score_milli >= policy.reject_milli {
        (Verdict::Reject(catalogue::REJECTED.reply()), policy.reject_milli)
    } else if score_milli >= policy.quarantine_milli {
        (Verdict::Quarantine(policy.folder.clone()), policy.quarantine_milli)
    } else if score_milli >= policy.tag_milli {
        (Verdict::Continue, policy.tag_milli)
    } else {
        return None;
    };
    let reason =
        format!("score {} is at least {} (policy {})", points(score_milli), points(limit), policy.name);
    let source = Source { file: FILE.into(), line: policy.line };
    let finding = Finding::new("score", Stage::Message, verdict, source, reason);
    Some(Finding { tags: vec!["spam".into()], ..finding })
}

/// `5.2`, `-0.125`: points of thousandths.
pub(super) fn points(milli: i32) -> String {
    let text = format!("{:.3}", f64::from(milli) / 1000.0);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

impl Transaction {
    /// The accepted recipients by policy and by what was found for them, in the order of the first of each.
    pub(super) fn parties(&self) -> Vec<Party> {
        let mut parties: Vec<Party> = Vec::new();
        for (at, recipient) in self.recipients.iter().enumerate() {
            let Some(group) = recipient.group.as_deref().filter(|_| recipient.reply.is_success()) else {
                continue;
            };
            let same = |party: &&mut Party| {
                Arc::ptr_eq(&party.policy, &group.policy) && Disposition::of(party.by.as_ref()) == group.goes
            };
            match parties.iter_mut().find(same) {
                Some(party) => party.members.push(at),
                None => parties.push(Party {
                    policy: Arc::clone(&group.policy),
                    by: group.by.as_deref().cloned(),
                    members: vec![at],
                }),
            }
        }
        parties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Folder;

    fn symbol(id: &str, score_milli: i32) -> Finding {
        let finding = Finding::new(id, Stage::Message, Verdict::Continue, Source::built_in(), "");
        Finding { score_milli, ..finding }
    }

    fn judged(policy: MailPolicy, contents: &Contents, files: &[Finding], allowed: bool) -> Judged {
        let party = Party { policy: Arc::new(policy), by: None, members: vec![0] };
        Judged::of(party, &[], contents, files, allowed)
    }

    #[test]
    fn thresholds() {
        for (sum, want, spam) in [
            (4_999, "continue", false),
            (5_000, "continue", true),
            (8_000, "quarantine", true),
            (15_000, "reject", true),
            (i32::MAX, "reject", true),
            (-3_000, "continue", false),
        ] {
            let told = symbol("told", 20_000).only_told();
            let contents = Contents { symbols: vec![symbol("a", sum), told], ..Contents::default() };
            let judged = judged(MailPolicy::default(), &contents, &[], false);
            let name = judged.decision().decided.map_or("continue", |f| f.verdict.name());
            assert_eq!((name, judged.spam, judged.score_milli), (want, spam, sum));
        }
    }

    #[test]
    fn a_policy_turns_off_what_it_does_not_want() {
        let found = |id: &str| {
            let verdict = Verdict::Quarantine(Folder("virus".into()));
            vec![Finding::new(id, Stage::Message, verdict, Source::built_in(), "")]
        };
        let contents =
            Contents { malware: found("clamd"), symbols: vec![symbol("a", 9_000)], dmarc: found("dmarc") };
        let all = MailPolicy::default();
        let ids =
            |judged: &Judged| judged.findings.iter().map(|f| f.id.to_string()).collect::<Vec<_>>().join(" ");
        for (policy, allowed, want) in [
            (all.clone(), false, "clamd exe dmarc a score"),
            (all.clone(), true, "clamd exe"),
            (MailPolicy { malware: false, ..all.clone() }, false, "exe dmarc a score"),
            (MailPolicy { attachments: false, ..all.clone() }, false, "clamd dmarc a score"),
            (MailPolicy { score: false, dmarc: false, ..all }, false, "clamd exe"),
        ] {
            assert_eq!(ids(&judged(policy, &contents, &found("exe"), allowed)), want);
        }
    }

    #[test]
    fn points_are_short() {
        for (milli, want) in [(0, "0.0"), (5_000, "5.0"), (-125, "-0.125"), (1_250, "1.25")] {
            assert_eq!(points(milli), want);
        }
    }
}
