//! Limits of connections and rates. What is counted is known to the gateway; here is what a limit that is exceeded
//! leads to: 421 at connect, 451 and 452 later, and an end of the session for errors and failed logins.

use super::check::Check;
use super::common::{LIMITS, file, in_mode, is_free};
use crate::config::model::Policy;
use crate::reply::{Entry, catalogue};
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Stage, Verdict};

/// The check.
pub struct Limits;

impl Check for Limits {
    fn id(&self) -> &'static str {
        "limit"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Connect, Stage::Helo, Stage::Auth, Stage::Mail, Stage::Rcpt, Stage::Data]
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(over) = &facts.conduct.over else { return };
        let Some(Answer { entry, ends, mode, of_peer }) = answer(&over.limit, stage, policy) else { return };
        if mode == Mode::Off || (of_peer && is_free(facts)) {
            return;
        }
        let verdict =
            if ends { Verdict::Disconnect(entry.reply()) } else { Verdict::TempFail(entry.reply()) };
        let reason = format!("{} of {} is over {}", over.limit, over.subject, over.value);
        let mut finding = Finding::new(self.id(), stage, verdict, file(LIMITS), reason);
        if of_peer {
            finding = finding.with(Effect::Count(Event::OverLimit));
        }
        findings.push(in_mode(finding, mode));
    }
}

/// What a limit leads to.
struct Answer {
    entry: Entry,
    ends: bool,
    mode: Mode,
    /// One of a peer's own limits, which trusted peers do not have.
    of_peer: bool,
}

/// The answer at a stage; `None` where the limit is not asked about. A limit of an unknown name is one of places: of a
/// listener, of the gateway.
fn answer(limit: &str, stage: Stage, policy: &Policy) -> Option<Answer> {
    let limits = &policy.limits;
    let ends = |entry, mode| Answer { entry, ends: true, mode, of_peer: true };
    let refuses = |entry, mode| Answer { entry, ends: false, mode, of_peer: true };
    let answer = match (limit, stage) {
        ("per_ip" | "per_prefix", Stage::Connect) => {
            ends(catalogue::TOO_MANY_OF_YOURS, limits.connections.mode)
        }
        ("connections", Stage::Connect) => ends(catalogue::TOO_MANY_OF_YOURS, limits.rates.mode),
        ("messages", Stage::Mail) => refuses(catalogue::TOO_MANY_MESSAGES, limits.rates.mode),
        ("recipients", Stage::Rcpt) => refuses(catalogue::RECIPIENT_RATE, limits.rates.mode),
        ("errors", _) => ends(catalogue::TOO_MANY_ERRORS, limits.rates.mode),
        ("auth_failures", _) => ends(catalogue::TOO_MANY_FAILURES, limits.rates.mode),
        ("per_ip" | "per_prefix" | "connections" | "messages" | "recipients", _) => return None,
        (_, Stage::Connect) => {
            Answer { entry: catalogue::TOO_MANY_CONNECTIONS, ends: true, mode: Mode::On, of_peer: false }
        }
        _ => return None,
    };
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, shown, stranger};
    use super::*;
    use crate::verdict::{Conduct, Direction, Over};

    fn over(limit: &str) -> Conduct {
        let over = Over { limit: limit.into(), subject: "192.0.2.7".into(), value: "20".into() };
        Conduct { over: Some(over), ..Conduct::default() }
    }

    #[test]
    fn each_limit_has_its_answer_where_it_is_asked() {
        let policy = policy("");
        let client = stranger();
        for (limit, stage, want) in [
            ("per_ip", Stage::Connect, "limit 421@Connect"),
            ("per_prefix", Stage::Connect, "limit 421@Connect"),
            ("per_ip", Stage::Rcpt, ""),
            ("connections", Stage::Connect, "limit 421@Connect"),
            ("messages", Stage::Connect, ""),
            ("messages", Stage::Mail, "limit 451@Mail"),
            ("recipients", Stage::Mail, ""),
            ("recipients", Stage::Rcpt, "limit 452@Rcpt"),
            ("errors", Stage::Rcpt, "limit 421@Rcpt"),
            ("auth_failures", Stage::Auth, "limit 421@Auth"),
            ("max_connections", Stage::Connect, "limit 421@Connect"),
            ("max_connections", Stage::Mail, ""),
        ] {
            let facts = Facts { conduct: &over(limit), ..facts(&client, None) };
            let found = ask_one(&Limits, stage, &facts, &policy);
            assert_eq!(shown(&found), want, "{limit} {stage:?}");
            let ends = found.iter().any(|f| matches!(f.verdict, Verdict::Disconnect(_)));
            assert_eq!(ends, want.contains("421"));
        }
    }

    #[test]
    fn modes_and_who_is_free() {
        let mut policy = policy("");
        policy.limits.connections.mode = Mode::Log;
        policy.limits.rates.mode = Mode::Off;
        let mut client = stranger();
        client.may_relay = true;
        let said = |limit, direction, policy: &Policy| {
            let facts = Facts { conduct: &over(limit), direction, ..facts(&client, None) };
            shown(&ask_one(&Limits, Stage::Connect, &facts, policy))
        };
        assert_eq!(said("per_ip", Direction::Inbound, &policy), "(limit 421@Connect)");
        assert_eq!(said("per_ip", Direction::Outbound, &policy), "");
        assert_eq!(said("connections", Direction::Inbound, &policy), "");
        assert_eq!(said("max_connections", Direction::Outbound, &policy), "limit 421@Connect");
    }
}
