//! What was found in a message comes to, for recipients of one policy: what counts, the score, the threshold that it reaches,
//! and the lane where a scanner gave no answer. Pure: values in, values out. No state; nothing fails.

use crate::config::model::{Lane, MailPolicy, QuarantineFolder};
use crate::reply::catalogue;
use crate::verdict::{Finding, Folder, Source, Stage, Verdict};
use std::sync::Arc;

/// File that thresholds come from.
const FILE: &str = "policies.toml";
/// Id of the finding of a threshold.
const SCORE: &str = "score";

/// What was found of the message itself, by what it is about: policies turn each off.
#[derive(Debug, Default)]
pub struct Contents {
    /// By scanners and signatures.
    pub malware: Vec<Finding>,
    /// Of scanners that gave no answer, with the lane of scanners.toml as verdict; a policy may have another lane.
    pub unanswered: Vec<Finding>,
    /// What engines gave a score.
    pub symbols: Vec<Finding>,
    /// What DMARC asks for.
    pub dmarc: Vec<Finding>,
}

/// What a message comes to under a policy.
#[derive(Debug, Clone)]
pub struct Weighed {
    /// The policy.
    pub policy: Arc<MailPolicy>,
    /// All that counts.
    pub findings: Vec<Finding>,
    /// Thousandths of a point.
    pub score_milli: i32,
    /// It is marked as spam.
    pub spam: bool,
}

/// What was found, and by whom it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    /// Found before the message, or of it as a whole: no policy turns it off.
    pub general: &'f [Finding],
    /// Found in it.
    pub contents: &'f Contents,
    /// What the rules of attachments say, for these recipients.
    pub files: &'f [Finding],
    /// What the rules of scores say, for these recipients.
    pub symbols: &'f [Finding],
    /// An allow entry matched, so that score and DMARC do not count.
    pub allowed: bool,
}

impl Weighed {
    /// By everything that was found. `by`: what was found for these recipients before the message.
    #[must_use]
    pub fn of(policy: &Arc<MailPolicy>, by: Option<&Finding>, found: &Found<'_>) -> Self {
        let Found { general, contents, files, symbols, allowed } = *found;
        let mut findings: Vec<Finding> = by.into_iter().chain(general).cloned().collect();
        let mut take = |on: bool, list: &[Finding]| findings.extend(list.iter().filter(|_| on).cloned());
        take(policy.malware, &contents.malware);
        take(policy.malware, &in_lane(&contents.unanswered, policy.on_error));
        take(policy.attachments, files);
        take(policy.dmarc && !allowed, &contents.dmarc);
        let scored = policy.score && !allowed;
        take(scored, &contents.symbols);
        take(scored, symbols);
        let count = |list: &[Finding]| {
            list.iter().filter(|f| f.enforced).fold(0_i32, |sum, f| sum.saturating_add(f.score_milli))
        };
        let attached = if policy.attachments { count(files) } else { 0 };
        let score_milli = count(&contents.symbols).saturating_add(count(symbols)).saturating_add(attached);
        let spam = scored && score_milli >= policy.tag_milli;
        if scored {
            findings.extend(threshold(policy, score_milli));
        }
        Self { policy: Arc::clone(policy), findings, score_milli, spam }
    }

    /// The finding that decides, where one does.
    #[must_use]
    pub fn decided(&self) -> Option<&Finding> {
        crate::verdict::merge(&self.findings)
    }

    /// Where a message is kept that would be refused by `decided`, had its client not heard 250 already or others of its
    /// recipients not taken it.
    #[must_use]
    pub fn folder_of_refusal(&self, decided: Option<&Finding>) -> Folder {
        match decided {
            Some(finding) if &*finding.id == SCORE => self.policy.folder.clone(),
            Some(_) | None => Folder(QuarantineFolder::POLICY.into()),
        }
    }

    /// The finding of the threshold, where one was reached.
    #[must_use]
    pub fn threshold(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| &*finding.id == SCORE)
    }

    /// Those of scanners that gave no answer, as this policy takes them where it has a lane of its own.
    #[must_use]
    pub fn in_other_lane(&self, contents: &Contents) -> Vec<Finding> {
        let counts = self.policy.malware && self.policy.on_error.is_some();
        if counts { in_lane(&contents.unanswered, self.policy.on_error) } else { Vec::new() }
    }
}

/// The same in the lane of a policy, where it has one. What is only told stays told.
fn in_lane(unanswered: &[Finding], lane: Option<Lane>) -> Vec<Finding> {
    let verdict = |finding: &Finding| lane.map_or_else(|| finding.verdict.clone(), lane_verdict);
    unanswered.iter().map(|finding| Finding { verdict: verdict(finding), ..finding.clone() }).collect()
}

/// What a message gets that a scanner gave no answer to.
#[must_use]
pub fn lane_verdict(lane: Lane) -> Verdict {
    match lane {
        Lane::Tempfail => Verdict::TempFail(catalogue::SCANNER_DOWN.reply()),
        Lane::Hold => Verdict::Hold,
        Lane::PassTagged => Verdict::Continue,
        Lane::Quarantine => Verdict::Quarantine(Folder(Lane::UNSCANNED.into())),
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
    let finding = Finding::new(SCORE, Stage::Message, verdict, source, reason);
    Some(Finding { tags: vec!["spam".into()], ..finding })
}

/// `5.2`, `-0.125`: points of thousandths.
#[must_use]
pub fn points(milli: i32) -> String {
    let text = format!("{:.3}", f64::from(milli) / 1000.0);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(id: &str, score_milli: i32) -> Finding {
        let finding = Finding::new(id, Stage::Message, Verdict::Continue, Source::built_in(), "");
        Finding { score_milli, ..finding }
    }

    fn weighed(policy: MailPolicy, contents: &Contents, files: &[Finding], allowed: bool) -> Weighed {
        Weighed::of(&Arc::new(policy), None, &Found { general: &[], contents, files, symbols: &[], allowed })
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
            let weighed = weighed(MailPolicy::default(), &contents, &[], false);
            let name = weighed.decided().map_or("continue", |f| f.verdict.name());
            assert_eq!((name, weighed.spam, weighed.score_milli), (want, spam, sum));
        }
    }

    #[test]
    fn a_policy_turns_off_what_it_does_not_want() {
        let found = |id: &str| {
            let verdict = Verdict::Quarantine(Folder("virus".into()));
            vec![Finding::new(id, Stage::Message, verdict, Source::built_in(), "")]
        };
        let contents = Contents {
            malware: found("clamd"),
            unanswered: found("late"),
            symbols: vec![symbol("a", 9_000)],
            dmarc: found("dmarc"),
        };
        let all = MailPolicy::default();
        let ids = |weighed: &Weighed| {
            weighed.findings.iter().map(|f| f.id.to_string()).collect::<Vec<_>>().join(" ")
        };
        for (policy, allowed, want) in [
            (all.clone(), false, "clamd late exe dmarc a score"),
            (all.clone(), true, "clamd late exe"),
            (MailPolicy { malware: false, ..all.clone() }, false, "exe dmarc a score"),
            (MailPolicy { attachments: false, ..all.clone() }, false, "clamd late dmarc a score"),
            (MailPolicy { score: false, dmarc: false, ..all }, false, "clamd late exe"),
        ] {
            assert_eq!(ids(&weighed(policy, &contents, &found("exe"), allowed)), want);
        }
    }

    #[test]
    fn the_lane_of_a_policy_beats_that_of_the_scanner() {
        let late =
            Finding::new("clamd", Stage::Message, lane_verdict(Lane::Tempfail), Source::built_in(), "");
        let told = Finding { enforced: false, ..late.clone() };
        for (lane, enforced, malware, want) in [
            (None, true, true, Some("tempfail")),
            (Some(Lane::Tempfail), true, true, Some("tempfail")),
            (Some(Lane::Hold), true, true, Some("hold")),
            (Some(Lane::PassTagged), true, true, None),
            (Some(Lane::Quarantine), true, true, Some("quarantine")),
            (Some(Lane::Hold), false, true, None),
            (Some(Lane::Hold), true, false, None),
        ] {
            let unanswered = vec![if enforced { late.clone() } else { told.clone() }];
            let contents = Contents { unanswered, ..Contents::default() };
            let policy = MailPolicy { on_error: lane, malware, ..MailPolicy::default() };
            let weighed = weighed(policy, &contents, &[], false);
            assert_eq!(weighed.decided().map(|f| f.verdict.name()), want, "{lane:?} {enforced} {malware}");
            assert_eq!(weighed.in_other_lane(&contents).len(), usize::from(lane.is_some() && malware));
        }
    }

    #[test]
    fn points_are_short() {
        for (milli, want) in [(0, "0.0"), (5_000, "5.0"), (-125, "-0.125"), (1_250, "1.25")] {
            assert_eq!(points(milli), want);
        }
    }
}
