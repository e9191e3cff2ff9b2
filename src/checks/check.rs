//! What a check is.
//!
//! Pure and without state: facts and policy in, findings out. A check that panics is caught by whoever runs it
//! (`table`) and is a temporary refusal, never a pass.

use crate::config::model::Policy;
use crate::verdict::{Facts, Finding, Needs, Stage};

/// One check. It keeps no state, costs no allocation where it has nothing to say, and is asked again and again.
pub trait Check: Sync {
    /// Stable id, as it stands in logs. Its findings may have ids of their own (rules, list entries).
    fn id(&self) -> &'static str;
    /// Where it is asked.
    fn stages(&self) -> &'static [Stage];
    /// Facts that must be gathered for it at a stage: only what its mode and the policy really use.
    fn needs(&self, _stage: Stage, _policy: &Policy) -> Needs {
        Needs::NONE
    }
    /// Whether it is asked of allowed clients, senders and recipients too: what no allow list may open.
    fn guards(&self) -> bool {
        false
    }
    /// Adds what it has to say.
    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>);
}
