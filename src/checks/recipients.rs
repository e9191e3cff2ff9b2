//! `relay.recipients`: for a domain with a list, only the listed recipients exist. For downstreams that
//! accept every recipient and refuse the message later (an Exchange mailbox role).

use super::check::Check;
use crate::config::model::Policy;
use crate::mail::Path;
use crate::reply::catalogue;
use crate::verdict::{Facts, Finding, Source, Stage, Verdict};

/// The check.
pub struct KnownRecipients;

impl Check for KnownRecipients {
    fn id(&self) -> &'static str {
        "known-recipients"
    }

    fn stage(&self) -> Stage {
        Stage::Rcpt
    }

    fn check(&self, facts: &Facts<'_>, policy: &Policy) -> Option<Finding> {
        let mailbox = facts.recipient.and_then(Path::mailbox)?;
        let table = &policy.relay.recipients;
        let domain = mailbox.domain().filter(|d| table.answers(d))?;
        if table.has(mailbox) || mailbox.local().eq_ignore_ascii_case(b"postmaster") {
            return None;
        }
        let reason = format!("not in the recipients of {domain}");
        let verdict = Verdict::Reject(catalogue::UNKNOWN_RECIPIENT.reply());
        Some(Finding::new(self.id(), self.stage(), verdict, Source::built_in(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{facts, policy, stranger};
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
            let found = KnownRecipients.check(&facts(&client, Some(&parsed)), &policy);
            assert_eq!(found.is_some(), refused, "{path}");
        }
    }
}
