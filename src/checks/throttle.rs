//! Throttles: whoever sends more than a `[[throttle]]` lets it hears 450 4.7.1 and comes again later. Asked again when
//! the message is here: what was let through at RCPT in many sessions at once must not all be handed over.

use super::check::Check;
use super::common::{LIMITS, in_mode, later};
use crate::config::model::{Policy, ThrottleBy};
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Source, Stage, Verdict};
use std::sync::Arc;

/// The check.
pub struct Throttles;

impl Check for Throttles {
    fn id(&self) -> &'static str {
        "throttle"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Mail, Stage::Rcpt, Stage::Message]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(throttled) = &facts.conduct.throttled else { return };
        // One that is no longer in the rules holds nobody.
        let Some(throttle) = policy.limits.throttles.iter().find(|t| t.name == throttled.throttle) else {
            return;
        };
        let of_recipient = matches!(throttle.by, ThrottleBy::Recipient | ThrottleBy::RecipientDomain);
        if throttle.mode == Mode::Off || (stage == Stage::Mail && of_recipient) {
            return;
        }
        let reason = format!(
            "{}: {} over {}, for {} s more",
            throttle.name,
            throttled.subject,
            throttled.why,
            throttled.until.saturating_sub(facts.now).max(0)
        );
        let source = Source { file: Arc::from(LIMITS), line: throttle.line };
        let verdict = Verdict::TempFail(catalogue::THROTTLED.reply());
        let finding = Finding::new(self.id(), stage, verdict, source, reason)
            .answered_at(later(stage, policy))
            .with(Effect::Count(Event::OverLimit));
        findings.push(in_mode(finding, throttle.mode));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::config::model::Throttle;
    use crate::verdict::{Conduct, Throttled};

    fn throttle(by: ThrottleBy, mode: Mode) -> Throttle {
        Throttle {
            name: "t".into(),
            mode,
            by,
            direction: None,
            null_sender: false,
            messages: None,
            recipients: None,
            octets: None,
            bounces: None,
            except: None,
            line: 7,
        }
    }

    #[test]
    fn whoever_is_throttled_comes_again() {
        let mut policy = policy("");
        let client = stranger();
        let throttled = |name: &str| Conduct {
            throttled: Some(Throttled {
                throttle: name.into(),
                subject: "user a".into(),
                why: "messages 5/1h".into(),
                until: 9,
            }),
            ..Conduct::default()
        };
        let (on, log, off) = (Mode::On, Mode::Log, Mode::Off);
        for (by, mode, name, stage, want) in [
            (ThrottleBy::User, on, "t", Stage::Mail, "throttle 450@Rcpt"),
            (ThrottleBy::User, on, "t", Stage::Rcpt, "throttle 450@Rcpt"),
            (ThrottleBy::Recipient, on, "t", Stage::Mail, ""),
            (ThrottleBy::RecipientDomain, on, "t", Stage::Rcpt, "throttle 450@Rcpt"),
            (ThrottleBy::User, log, "t", Stage::Mail, "(throttle 450@Rcpt)"),
            (ThrottleBy::User, off, "t", Stage::Mail, ""),
            (ThrottleBy::User, on, "gone", Stage::Mail, ""),
        ] {
            policy.limits.throttles = vec![Arc::new(throttle(by, mode))];
            let facts = Facts { conduct: &throttled(name), ..facts(&client, None) };
            let found = ask_one(&Throttles, stage, &facts, &policy);
            assert_eq!(shown(&found), want, "{by:?} {mode:?} {name} {stage:?}");
            assert!(found.iter().all(|f| f.source.line == 7));
        }
    }
}
