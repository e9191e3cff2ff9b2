//! How findings become one verdict.
//!
//! Before the message the first decisive finding in table order ends its stage. At the message all
//! findings are in and the strongest wins: a definite finding beats an error (a temporary failure), and an
//! error beats everything that would let the message pass.

use super::finding::{Finding, Verdict};

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

/// The first finding that ends a stage before the message.
#[must_use]
pub fn decisive(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|f| f.enforced && strength(&f.verdict) > 0)
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

    #[test]
    fn before_the_message_the_first_decides() {
        let all = [finding(Verdict::Continue), finding(Verdict::Accept), finding(Verdict::Hold)];
        assert_eq!(decisive(&all).unwrap().verdict, Verdict::Accept);
    }
}
