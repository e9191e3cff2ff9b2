//! Which policy of `policies.toml` a recipient's mail is judged by.

use super::lists::subject;
use crate::config::model::{MailPolicy, Policies, PolicyRow};
use crate::mail::Path as MailPath;
use crate::rules::{Matcher, Subject};
use crate::verdict::{Client, Envelope, Fact, Facts};
use std::sync::Arc;

/// The first row whose conditions all hold for the client, the sender and the recipient of `facts`, else the default. A
/// condition over what is not there does not hold.
#[must_use]
pub fn mail_policy<'p>(policies: &'p Policies, facts: &Facts<'_>) -> &'p Arc<MailPolicy> {
    let row = policies.table.iter().find(|row| holds(row, facts));
    row.map_or(&policies.default, |row| &row.policy)
}

/// The same for a recipient of an envelope; without one no condition over recipients holds.
#[must_use]
pub fn mail_policy_for<'p>(
    policies: &'p Policies,
    envelope: &Envelope,
    recipient: Option<&MailPath>,
    now: i64,
) -> &'p Arc<MailPolicy> {
    let client = Client {
        ip: envelope.client,
        port: 0,
        name: Fact::Absent,
        trusted: envelope.trusted,
        may_relay: envelope.may_relay,
        balancer: false,
    };
    let facts = Facts {
        sender: Some(&envelope.sender),
        recipient,
        user: envelope.user.as_deref(),
        authenticated: envelope.authenticated,
        now,
        ..Facts::of(&client, &envelope.listener, envelope.direction)
    };
    mail_policy(policies, &facts)
}

fn holds(row: &PolicyRow, facts: &Facts<'_>) -> bool {
    let (dir, now) = (facts.direction, facts.now);
    let asks = |matcher: &Option<Arc<Matcher>>, about: Option<Subject<'_>>| {
        matcher.as_ref().is_none_or(|m| about.is_some_and(|about| m.matches(about, dir, now)))
    };
    row.direction.is_none_or(|wanted| wanted == dir)
        && row.authenticated.is_none_or(|wanted| wanted == facts.authenticated)
        && (row.listener.is_empty() || row.listener.iter().any(|name| **name == *facts.listener))
        && asks(&row.client, Some(Subject::Address(facts.client.ip)))
        && asks(&row.sender, facts.sender.map(subject))
        && asks(&row.recipient, facts.recipient.map(subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Moment, Sources, parse_files};
    use crate::verdict::Direction;
    use std::path::Path;

    const GATEWAY: &str = "hostname = \"mx.example.net\"\nstate_dir = \"/s\"\n\
        listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" }]\n\
        downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n[relay]\ndomains = [\"example.net\"]\n";

    #[test]
    fn the_first_row_that_holds() {
        let rules = "[default]\ntag = 4.5\n\
            [[policy]]\nname = \"abuse\"\nrecipient = \"abuse@example.net\"\nscore = false\n\
            [[policy]]\nname = \"bulk\"\nsender = \"*@news.example\"\nclient = \"192.0.2.0/24\"\nquarantine = 3\n\
            [[policy]]\nname = \"users\"\nauthenticated = true\ndirection = \"inbound\"\nlistener = [\"in\"]\n";
        let sources = Sources::of(&[("gateway.toml", GATEWAY), ("policies.toml", rules)]);
        let (policy, problems) = parse_files(&sources, Path::new("/rules"), Moment::at(0));
        let policy = policy.unwrap_or_else(|| panic!("{problems:?}"));
        let of = |ip: &str, sender: &str, recipient: &str, user: Option<&str>| {
            let path = |text: &str| MailPath::parse(text.as_bytes()).unwrap().0;
            let client = Client {
                ip: ip.parse().unwrap(),
                port: 0,
                name: Fact::Absent,
                trusted: false,
                may_relay: false,
                balancer: false,
            };
            let (sender, recipient) = (path(sender), path(recipient));
            let facts = Facts {
                sender: Some(&sender),
                recipient: Some(&recipient),
                user,
                authenticated: user.is_some(),
                ..Facts::of(&client, "in", Direction::Inbound)
            };
            Arc::clone(mail_policy(&policy.policies, &facts))
        };
        for (client, sender, recipient, user, want) in [
            ("192.0.2.1", "<a@news.example>", "<abuse@example.net>", None, "abuse"),
            ("192.0.2.1", "<a@news.example>", "<b@example.net>", None, "bulk"),
            ("198.51.100.1", "<a@news.example>", "<b@example.net>", None, "default"),
            ("198.51.100.1", "<a@news.example>", "<b@example.net>", Some("anna"), "users"),
            ("192.0.2.1", "<>", "<b@example.net>", None, "default"),
        ] {
            assert_eq!(&*of(client, sender, recipient, user).name, want, "{client} {sender} {recipient}");
        }
        let bulk = &policy.policies.table[1].policy;
        assert_eq!((bulk.tag_milli, bulk.quarantine_milli, bulk.reject_milli), (4_500, 3_000, 15_000));
        assert!(!policy.policies.table[0].policy.score && bulk.score);
    }
}
