//! 8-bit message data without BODY=8BITMIME (RFC 6152 section 3).

use super::check::Check;
use super::common::switch;
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Facts, Finding, Needs, Stage};

/// The check.
pub struct UndeclaredEightBit;

impl Check for UndeclaredEightBit {
    fn id(&self) -> &'static str {
        "undeclared-8bit"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Message]
    }

    fn needs(&self, _: Stage, policy: &Policy) -> Needs {
        if policy.protocol.syntax.undeclared_8bit == Mode::Off { Needs::NONE } else { Needs::MESSAGE }
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.protocol.syntax.undeclared_8bit;
        if mode != Mode::Off && facts.message.is_some_and(|m| m.undeclared_8bit) {
            let reason = "8-bit data without BODY=8BITMIME";
            findings.push(switch(self.id(), stage, policy, mode, catalogue::UNDECLARED_8BIT, reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::MessageFacts;

    #[test]
    fn in_each_mode() {
        let mut policy = policy("");
        let client = stranger();
        for (undeclared_8bit, mode, want) in [
            (true, Mode::On, "undeclared-8bit 554@Message"),
            (true, Mode::Log, "(undeclared-8bit 554@Message)"),
            (true, Mode::Off, ""),
            (false, Mode::On, ""),
        ] {
            policy.protocol.syntax.undeclared_8bit = mode;
            let message = MessageFacts { undeclared_8bit, ..MessageFacts::default() };
            let facts = Facts { message: Some(&message), ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&UndeclaredEightBit, Stage::Message, &facts, &policy)), want);
        }
    }
}
