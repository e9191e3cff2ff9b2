//! `SIZE=` over the limit is refused at MAIL, before a downstream hears of it (RFC 1870 section 6.1).

use super::check::Check;
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Source, Stage, Verdict};

/// The check.
pub struct DeclaredSize;

impl Check for DeclaredSize {
    fn id(&self) -> &'static str {
        "declared-size"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail]
    }

    fn guards(&self) -> bool {
        true
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(declared) = facts.declared_octets.filter(|&n| n > policy.max_message_octets) else { return };
        let reason = format!("declared {declared} octets, max_message_size is {}", policy.max_message_octets);
        let verdict = Verdict::Reject(catalogue::TOO_BIG.reply());
        findings.push(Finding::new(self.id(), stage, verdict, Source::built_in(), reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, stranger};
    use super::*;

    #[test]
    fn only_more_than_the_limit_is_refused() {
        let policy = policy("");
        let client = stranger();
        for (declared, refused) in [(None, false), (Some(50 << 20), false), (Some((50 << 20) + 1), true)] {
            let facts = Facts { declared_octets: declared, ..facts(&client, None) };
            let found = ask_one(&DeclaredSize, Stage::Mail, &facts, &policy);
            assert_eq!(!found.is_empty(), refused, "{declared:?}");
        }
    }
}
