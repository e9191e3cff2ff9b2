//! Reads the rules as `run`, `check` and a reload do: the files, then the tests that stand in them. Owner of
//! nothing. Failure: rules with an error or a failing test are no policy.

use super::clock::unix_ms;
use crate::checks;
use crate::config::{self, Moment, model::Policy};
use crate::content::{attachments, score};
use crate::rules::Problem;
use std::path::Path;

/// Loads the policy of a rules directory. `before` is the policy in force: its lists are taken over where
/// their texts are the same. There is a policy exactly if no problem is an error.
#[must_use]
pub fn load_rules(rules_dir: &Path, before: Option<&Policy>) -> (Option<Policy>, Vec<Problem>) {
    load_rules_with(rules_dir, before, &[])
}

/// As [`load_rules`], as if these files (`lists/blocks.list`) had these texts: what would become of a change.
#[must_use]
pub fn load_rules_with(
    rules_dir: &Path,
    before: Option<&Policy>,
    changed: &[(&str, &str)],
) -> (Option<Policy>, Vec<Problem>) {
    let now = unix_ms() / 1000;
    let moment = Moment {
        now,
        before: before.map(|policy| &policy.loaded),
        signatures: before.map(|policy| &policy.signatures),
    };
    let (policy, mut problems) = config::load_with(rules_dir, moment, changed);
    let mut failed = policy.as_ref().map(|policy| checks::run_expects(policy, now)).unwrap_or_default();
    failed.extend(policy.iter().flat_map(|policy| attachments::run_expects(&policy.attachments, now)));
    failed.extend(policy.iter().flat_map(|policy| score::run_expects(policy, now)));
    let policy = policy.filter(|_| failed.is_empty());
    problems.extend(failed);
    (policy, problems)
}
