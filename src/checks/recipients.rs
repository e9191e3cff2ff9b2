//! `relay.recipients`: for a domain with a list, only the listed recipients exist. For downstreams that
//! accept every recipient and refuse the message later (an Exchange mailbox role).

use super::check::Check;
use crate::config::model::Policy;
use crate::mail::Path;
use crate::reply::catalogue;
use crate::verdict::{Effect, Event, Facts, Finding, Source, Stage, Verdict};

/// The check.
pub struct KnownRecipients;

impl Check for KnownRecipients {
    fn id(&self) -> &'static str {
        "known-recipients"
    }

    fn stages(&self) -> &'static [Stage] {
        &[Stage::Rcpt]
    }

    fn guards(&self) -> bool {
        true
    }

    fn check(&self, stage: Stage, facts: &Facts<'_>, policy: &Policy, findings: &mut Vec<Finding>) {
        let Some(mailbox) = facts.recipient.and_then(Path::mailbox) else { return };
        let table = &policy.relay.recipients;
        let Some(domain) = mailbox.domain().filter(|d| table.answers(d)) else { return };
        if table.has(mailbox) || mailbox.local().eq_ignore_ascii_case(b"postmaster") {
            return;
        }
        let reason = format!("not in the recipients of {domain}");
        let verdict = Verdict::Reject(catalogue::UNKNOWN_RECIPIENT.reply());
        let finding = Finding::new(self.id(), stage, verdict, Source::built_in(), reason);
        findings.push(finding.with(Effect::Count(Event::UnknownRecipient)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{ask_one, facts, policy, stranger};
    use super::*;

    #[test]
    fn a_domain_with_a_list_has_only_these() {
        let policy = policy(
            "[relay]\ndomains = [\"example.net\"]\nrecipients = { \"example.net\" = [\"a\", \"b@example.net\"] }\n",
        );
        let client = stranger();
        for (path, refused) in [
            ("<a@example.net>", false),
            ("<B@example.net>", false),
            ("<c@example.net>", true),
            ("<postmaster@example.net>", false),
            ("<c@other.example>", false),
        ] {
            let (parsed, _) = Path::parse(path.as_bytes()).unwrap();
            let facts = facts(&client, Some(&parsed));
            let found = ask_one(&KnownRecipients, Stage::Rcpt, &facts, &policy);
            assert_eq!(!found.is_empty(), refused, "{path}");
        }
    }
}
