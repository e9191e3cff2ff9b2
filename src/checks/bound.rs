//! `max_recipients` and `one_recipient_per_transaction`: 452 4.5.3, and the rest comes in another transaction
//! (RFC 5321 section 4.5.3.1.10).

use super::check::Check;
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Source, Stage, Verdict};

/// The check.
pub struct RecipientBound;

impl Check for RecipientBound {
    fn id(&self) -> &'static str {
        "recipient-bound"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Rcpt]
    }

    fn guards(&self) -> bool {
        true
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(listener) = policy.listeners.iter().find(|l| *l.name == *facts.listener) else { return };
        let most = if listener.one_recipient_per_transaction { 1 } else { listener.max_recipients };
        if facts.accepted_recipients < most {
            return;
        }
        let verdict = Verdict::TempFail(catalogue::TOO_MANY_RECIPIENTS.reply());
        let reason = format!("listener {} takes {most} in one transaction", listener.name);
        findings.push(Finding::new(self.id(), stage, verdict, Source::built_in(), reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;

    #[test]
    fn beyond_the_bound_the_rest_comes_again() {
        let policy = policy("");
        let most = policy.listeners[0].max_recipients;
        let client = stranger();
        for (accepted, want) in [(0, ""), (most - 1, ""), (most, "recipient-bound 452@Rcpt")] {
            let facts = Facts { accepted_recipients: accepted, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&RecipientBound, Stage::Rcpt, &facts, &policy)), want);
        }
    }
}
