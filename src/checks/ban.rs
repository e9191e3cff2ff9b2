//! Banned clients hear 421 and are gone: at connect, and from the next MAIL in sessions that are open.
//!
//! For now, not for good: a ban ends by itself, and a good server that hears 5yz gives its mail back.

use super::check::Check;
use super::common::{LIMITS, file, in_mode, is_free};
use crate::config::model::Policy;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Facts, Finding, Stage, Verdict};

/// The check.
pub struct Bans;

impl Check for Bans {
    fn id(&self) -> &'static str {
        "ban"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Mail]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(ban) = &facts.conduct.ban else { return };
        let mode = policy.limits.bans.mode;
        if mode == Mode::Off || is_free(facts) || ban.until <= facts.now {
            return;
        }
        let reason = format!("banned for {} s more: {}", ban.until.saturating_sub(facts.now), ban.why);
        let verdict = Verdict::Disconnect(catalogue::BANNED.reply());
        findings.push(in_mode(Finding::new(self.id(), stage, verdict, file(LIMITS), reason), mode));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::{Ban, Conduct};

    #[test]
    fn a_ban_ends_the_session_while_it_lasts() {
        let mut policy = policy("");
        let mut client = stranger();
        let conduct =
            Conduct { ban: Some(Ban { until: 100, why: "early-talk 40".into() }), ..Conduct::default() };
        let mut said = |mode, trusted, now| {
            policy.limits.bans.mode = mode;
            client.trusted = trusted;
            let facts = Facts { conduct: &conduct, now, ..facts(&client, None) };
            shown(&ask_one(&Bans, Stage::Connect, &facts, &policy))
        };
        assert_eq!(said(Mode::On, false, 99), "ban 421@Connect");
        assert_eq!(said(Mode::On, false, 100), "");
        assert_eq!(said(Mode::On, true, 99), "");
        assert_eq!(said(Mode::Log, false, 99), "(ban 421@Connect)");
        assert_eq!(said(Mode::Off, false, 99), "");
    }
}
