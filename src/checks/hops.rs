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

    fn stage(&self) -> Stage {
        Stage::Message
    }

    fn needs(&self) -> Needs {
        Needs::MESSAGE
    }

    fn check(&self, facts: &Facts<'_>, _: &Policy) -> Option<Finding> {
        let message = facts.message?;
        if message.received <= RECEIVED_MAX && message.own_marks <= OWN_MARKS_MAX {
            return None;
        }
        let reason = format!("{} Received headers, {} of them ours", message.received, message.own_marks);
        let verdict = Verdict::Reject(catalogue::LOOP.reply());
        Some(Finding::new(self.id(), self.stage(), verdict, Source::built_in(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{facts, policy, stranger};
    use super::*;
    use crate::verdict::MessageFacts;

    #[test]
    fn loops_end_and_second_passages_do_not() {
        let policy = policy("");
        let client = stranger();
        for (received, own_marks, refused) in [(0, 0, false), (100, 5, false), (101, 0, true), (6, 6, true)] {
            let message = MessageFacts { received, own_marks, ..MessageFacts::default() };
            let facts = Facts { message: Some(&message), ..facts(&client, None) };
            assert_eq!(LoopGuard.check(&facts, &policy).is_some(), refused, "{received} {own_marks}");
        }
    }
}
