//! How findings become one verdict.
//!
//! Before the message the first refusal in table order ends its stage, or is pending until a later one. At the message all
//! findings are in and the strongest wins: a definite finding beats an error (a temporary failure), and an
//! error beats everything that would let the message pass.

use super::finding::{Finding, Stage, Verdict};
use crate::reply::Class;

/// Strength at the message stage: Disconnect > Reject > Quarantine > Hold > TempFail > Discard > Accept >
/// Continue.
fn strength(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Continue => 0,
        Verdict::Accept => 1,
        Verdict::Discard => 2,
        Verdict::TempFail(_) => 3,
        Verdict::Hold => 4,
        Verdict::Quarantine(_) => 5,
        Verdict::Reject(_) => 6,
        Verdict::Disconnect(_) => 7,
    }
}

/// The strongest finding; of equals the first. `None` where nothing but `Continue` was found.
#[must_use]
pub fn merge(findings: &[Finding]) -> Option<&Finding> {
    let mut best: Option<&Finding> = None;
    for finding in findings.iter().filter(|f| f.enforced) {
        if strength(&finding.verdict) > best.map_or(0, |b| strength(&b.verdict)) {
            best = Some(finding);
        }
    }
    best
}

/// The strongest finding that takes the message elsewhere than downstream; of equals the first. Refusals are not among
/// them: those of the stages before the message are said there.
#[must_use]
pub fn kept<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Option<&'f Finding> {
    let mut best: Option<&Finding> = None;
    for finding in findings.into_iter().filter(|f| f.keeps()) {
        if best.is_none_or(|b| strength(&finding.verdict) > strength(&b.verdict)) {
            best = Some(finding);
        }
    }
    best
}

/// What the findings of one stage before the message come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settled<'f> {
    /// Refused at this stage, with this.
    pub refuse: Option<&'f Finding>,
    /// Refused later, with this: the recipients hear it, unless something lets them pass.
    pub pending: Option<&'f Finding>,
    /// The message, if it comes, goes elsewhere than downstream.
    pub keep: Option<&'f Finding>,
    /// An allow entry or an accepting rule: no further policy checks, and no refusal that was pending.
    pub allow: bool,
}

/// Settles a stage before the message: in table order the first refusal that is said now, and the first that is said
/// later. What is only told counts for nothing.
#[must_use]
pub fn settle(findings: &[Finding], stage: Stage) -> Settled<'_> {
    let refusing = || findings.iter().filter(|f| f.refuses());
    Settled {
        refuse: refusing().find(|f| f.answer_at <= stage),
        pending: refusing().find(|f| f.answer_at > stage),
        keep: kept(findings),
        allow: findings.iter().any(|f| f.enforced && f.verdict == Verdict::Accept),
    }
}

/// Which of two refusals is said, one that was pending and one of this stage: a permanent one before one for now
/// (nothing that is refused for good is told to come again), the end of the session before both, else the one that was
/// there first.
#[must_use]
pub fn said<'f>(pending: Option<&'f Finding>, own: Option<&'f Finding>) -> Option<&'f Finding> {
    let (Some(first), Some(second)) = (pending, own) else { return pending.or(own) };
    let for_now = |f: &Finding| f.verdict.refusal().is_some_and(|r| r.class() == Class::Temporary);
    let ends = matches!(second.verdict, Verdict::Disconnect(_));
    if ends || (for_now(first) && !for_now(second)) { own } else { pending }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Folder, Source, Stage};
    use super::*;
    use crate::reply::catalogue;

    fn finding(verdict: Verdict) -> Finding {
        Finding::new("t", Stage::Message, verdict, Source::built_in(), "")
    }

    #[test]
    fn every_pair_merges_to_the_stronger() {
        let ranked = [
            Verdict::Continue,
            Verdict::Accept,
            Verdict::Discard,
            Verdict::TempFail(catalogue::INTERNAL.reply()),
            Verdict::Hold,
            Verdict::Quarantine(Folder("spam".into())),
            Verdict::Reject(catalogue::REJECTED.reply()),
            Verdict::Disconnect(catalogue::SHUTTING_DOWN.reply()),
        ];
        for (i, a) in ranked.iter().enumerate() {
            for (j, b) in ranked.iter().enumerate() {
                let both = [finding(a.clone()), finding(b.clone())];
                let got = merge(&both).map_or("continue", |f| f.verdict.name());
                assert_eq!(got, ranked[i.max(j)].name(), "{} and {}", a.name(), b.name());
            }
        }
        assert!(merge(&[]).is_none());
    }

    fn names(settled: Settled<'_>) -> (Option<&str>, Option<&str>, bool) {
        (settled.refuse.map(|f| &*f.id), settled.pending.map(|f| &*f.id), settled.allow)
    }

    #[test]
    fn a_refusal_is_said_at_its_time() {
        let reject = |id: &str, answer_at| {
            let verdict = Verdict::Reject(catalogue::REJECTED.reply());
            Finding::new(id, Stage::Helo, verdict, Source::built_in(), "").answered_at(answer_at)
        };
        let (now, later) = (reject("now", Stage::Connect), reject("later", Stage::Rcpt));
        assert_eq!(now.answer_at, Stage::Helo, "never before its own stage");
        let all = [later.clone(), reject("second", Stage::Helo), now.clone()];
        assert_eq!(names(settle(&all, Stage::Helo)), (Some("second"), Some("later"), false));
        assert_eq!(names(settle(&all, Stage::Rcpt)), (Some("later"), None, false));
        assert_eq!(names(settle(&[now.only_told()], Stage::Rcpt)), (None, None, false));
        assert_eq!(
            names(settle(&[finding(Verdict::Accept), later], Stage::Mail)),
            (None, Some("later"), true)
        );
        let (told, hold) = (finding(Verdict::Accept).only_told(), finding(Verdict::Hold));
        assert_eq!(
            names(settle(&[told, hold, finding(Verdict::Continue)], Stage::Rcpt)),
            (None, None, false)
        );
    }

    #[test]
    fn nothing_that_is_refused_for_good_is_told_to_come_again() {
        let tempfail = finding(Verdict::TempFail(catalogue::INTERNAL.reply()));
        let reject = finding(Verdict::Reject(catalogue::REJECTED.reply()));
        let gone = finding(Verdict::Disconnect(catalogue::SHUTTING_DOWN.reply()));
        for (pending, own, want) in [
            (None, None, None),
            (Some(&reject), None, Some("reject")),
            (None, Some(&tempfail), Some("tempfail")),
            (Some(&reject), Some(&tempfail), Some("reject")),
            (Some(&tempfail), Some(&reject), Some("reject")),
            (Some(&reject), Some(&gone), Some("disconnect")),
        ] {
            assert_eq!(said(pending, own).map(|f| f.verdict.name()), want);
        }
    }
}
