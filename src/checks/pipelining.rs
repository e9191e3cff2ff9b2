//! Commands sent ahead without being offered PIPELINING, or where RFC 2920 section 3.1 forbids it: behind HELO, DATA
//! and whatever else must be waited for.

use super::check::Check;
use super::common::{PROTOCOL, file, in_mode, later};
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Stage, Verdict};

/// The check.
pub struct ImproperPipelining;

impl Check for ImproperPipelining {
    fn id(&self) -> &'static str {
        "improper-pipelining"
    }

    /// Once for what came before MAIL, once for what came before the message.
    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail, Stage::Data]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let mode = policy.protocol.syntax.improper_pipelining;
        if !facts.conduct.improper_pipelining || mode == Mode::Off {
            return;
        }
        let verdict = Verdict::Reject(catalogue::IMPROPER_PIPELINING.reply());
        let finding =
            Finding::new(self.id(), stage, verdict, file(PROTOCOL), "commands sent ahead of a reply")
                .answered_at(later(stage, policy))
                .with(Effect::Count(Event::ProtocolError));
        findings.push(in_mode(finding, mode));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::Conduct;

    #[test]
    fn in_each_mode() {
        let mut policy = policy("");
        let client = stranger();
        for (improper_pipelining, mode, stage, want) in [
            (true, Mode::On, Stage::Mail, "improper-pipelining 554@Rcpt"),
            (true, Mode::On, Stage::Data, "improper-pipelining 554@Data"),
            (true, Mode::Log, Stage::Mail, "(improper-pipelining 554@Rcpt)"),
            (true, Mode::Off, Stage::Mail, ""),
            (false, Mode::On, Stage::Mail, ""),
        ] {
            policy.protocol.syntax.improper_pipelining = mode;
            let conduct = Conduct { improper_pipelining, ..Conduct::default() };
            let facts = Facts { conduct: &conduct, ..facts(&client, None) };
            assert_eq!(shown(&ask_one(&ImproperPipelining, stage, &facts, &policy)), want);
        }
    }
}
