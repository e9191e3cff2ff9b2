//! Findings as items keep them. Pure.

use crate::vault::FindingView;
use crate::verdict::Finding;

/// Longest reason that is kept, in characters; the log has it whole.
const REASON_CHARS_MAX: usize = 400;

/// A finding as it is kept.
#[must_use]
pub fn finding_view(finding: &Finding) -> FindingView {
    FindingView {
        id: finding.id.to_string(),
        verdict: finding.verdict.name().to_owned(),
        file: finding.source.file.to_string(),
        line: finding.source.line,
        text: finding.reason.chars().take(REASON_CHARS_MAX).collect(),
        told_only: !finding.enforced,
    }
}
