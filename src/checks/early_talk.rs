//! Who speaks before our greeting is a program that does not listen (RFC 5321 section 4.3.1). Known at connect,
//! said with the envelope.

use super::check::Check;
use super::common::{LIMITS, file, in_mode, is_free, later};
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Stage, Verdict};

/// The check.
pub struct EarlyTalk;

impl Check for EarlyTalk {
    fn id(&self) -> &'static str {
        "early-talk"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.limits.greeting.early_talk;
        if !facts.conduct.early_talk || mode == Mode::Off || is_free(facts) {
            return;
        }
        let verdict = Verdict::Reject(catalogue::EARLY_TALK.reply());
        let finding = Finding::new(self.id(), stage, verdict, file(LIMITS), "spoke before the greeting")
            .answered_at(later(stage, policy))
            .with(Effect::Count(Event::EarlyTalk));
        findings.push(in_mode(finding, mode));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::Conduct;

    #[test]
    fn early_talkers_hear_it_with_the_envelope() {
        let mut policy = policy("");
        let mut client = stranger();
        for (early_talk, mode, trusted, want) in [
            (true, Mode::On, false, "early-talk 554@Rcpt"),
            (true, Mode::On, true, ""),
            (true, Mode::Log, false, "(early-talk 554@Rcpt)"),
            (true, Mode::Off, false, ""),
            (false, Mode::On, false, ""),
        ] {
            policy.limits.greeting.early_talk = mode;
            client.trusted = trusted;
            let conduct = Conduct { early_talk, ..Conduct::default() };
            let facts = Facts { conduct: &conduct, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&EarlyTalk, Stage::Connect, &facts, &policy)), want);
        }
    }
}
