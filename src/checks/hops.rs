//! Loop guard: a message with more than 100 `Received:` headers (RFC 5321 section 6.3), or one that passed
//! here more than 5 times by our own keyed mark, goes no further. Mail legitimately passes twice.

use super::check::Check;
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Needs, Source, Stage, Verdict};

/// Most `Received:` headers (RFC 5321 section 6.3: at least 100).
const RECEIVED_MAX: u32 = 100;
/// Most passages through this very gateway.
const OWN_MARKS_MAX: u32 = 5;

/// The check.
pub struct LoopGuard;

impl Check for LoopGuard {
    fn id(&self) -> &'static str {
        "loop-guard"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Message]
    }

    fn needs(&self, _: Stage, _: &Policy) -> Needs {
        Needs::MESSAGE
    }

    fn guards(&self) -> bool {
        true
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, _: &Policy, findings: &mut Vec<Finding>) {
        let Some(message) = facts.message else { return };
        if message.received <= RECEIVED_MAX && message.own_marks <= OWN_MARKS_MAX {
            return;
        }
        let reason = format!("{} Received headers, {} of them ours", message.received, message.own_marks);
        let verdict = Verdict::Reject(catalogue::LOOP.reply());
        findings.push(Finding::new(self.id(), stage, verdict, Source::built_in(), reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, stranger};
    use super::*;
    use crate::verdict::MessageFacts;

    #[test]
    fn loops_end_and_second_passages_do_not() {
        let policy = policy("");
        let client = stranger();
        for (received, own_marks, refused) in [(0, 0, false), (100, 5, false), (101, 0, true), (6, 6, true)] {
            let message = MessageFacts { received, own_marks, ..MessageFacts::default() };
            let facts = Facts { message: Some(&message), ..facts(&client, None) };
            let found = ask_one(&LoopGuard, Stage::Message, &facts, &policy);
            assert_eq!(!found.is_empty(), refused, "{received} {own_marks}");
        }
    }
}
