//! What a check is.

use crate::config::model::Policy;
use crate::verdict::{Facts, Finding, Needs, Stage};

/// One check.
pub trait Check: Sync {
    /// Stable id, as it stands in logs and rules.
    fn id(&self) -> &'static str;
    /// Where it runs.
    fn stage(&self) -> Stage;
    /// Facts that must be gathered for it.
    fn needs(&self) -> Needs {
        Needs::NONE
    }
    /// Its finding; `None` is nothing to say.
    fn check(&self, facts: &Facts<'_>, policy: &Policy) -> Option<Finding>;
}
