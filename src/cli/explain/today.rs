//! What today's rules would say of a session, judged from its record: without a network, by the facts that were found
//! out then.

use super::find::Story;
use crate::checks::{Judgement, Scene, judge, outcome_word};
use crate::config::model::Policy;
use crate::mail::Mailbox;
use crate::records::{Kind, Record};
use crate::verdict::{Direction, Fact, Finding, Gathered};

/// The word for what nothing objects to.
pub(super) const PASS: &str = "pass";
/// The record has no message in it.
pub(super) const UNREAD: &str = "what a message says is not judged again";

/// What they would say of one record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Today {
    /// The message, else the session.
    pub(super) reference: String,
    /// `pass`, `reject`, `tempfail` or `drop`.
    pub(super) outcome: &'static str,
    /// Check or rule that would decide.
    pub(super) rule: Option<String>,
    /// Its file and line; none for what is built in.
    pub(super) place: Option<String>,
    /// Why.
    pub(super) reason: Option<String>,
    /// What the outcome does not say; only of one that passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caveat: Option<&'static str>,
    /// Facts that nobody had asked for then: they are taken to be harmless.
    pub(super) assumed: Vec<&'static str>,
}

/// Judges every message of a story, or the session where it had none. `now`: seconds since 1970.
pub(super) fn today(story: &Story, policy: &Policy, now: i64) -> Vec<Today> {
    let records: Vec<Record<'_>> = story.lines.iter().filter_map(|l| Record::parse(l)).collect();
    let messages: Vec<&Record<'_>> = records.iter().filter(|r| r.kind == Kind::Message).collect();
    if messages.is_empty() {
        return records.iter().map(|r| of(r, policy, now)).collect();
    }
    messages.into_iter().map(|r| of(r, policy, now)).collect()
}

fn of(record: &Record<'_>, policy: &Policy, now: i64) -> Today {
    let (scene, assumed) = scene(record, now);
    let Judgement { outcome, decided_by, .. } = judge(&scene, policy);
    let place = |f: &Finding| (f.source.line > 0).then(|| format!("{}:{}", f.source.file, f.source.line));
    Today {
        reference: record.message.said().unwrap_or(&record.session).to_owned(),
        caveat: (outcome_word(outcome) == PASS && record.kind == Kind::Message).then_some(UNREAD),
        outcome: outcome_word(outcome),
        rule: decided_by.as_ref().map(|f| f.id.to_string()),
        place: decided_by.as_ref().and_then(place),
        reason: decided_by.map(|f| f.reason.into_string()),
        assumed,
    }
}

/// The session as one value, and the facts that the record does not have.
fn scene(record: &Record<'_>, now: i64) -> (Scene, Vec<&'static str>) {
    let text = |text: &str| Some(text).filter(|t| !t.is_empty()).map(Box::from);
    let ip = record.client.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let unasked = Scene::of(ip, &record.listener, now);
    let (gathered, assumed) = fill(record.gathered(), unasked.gathered.clone());
    let scene = Scene {
        reverse_name: text(&record.name).map_or(Fact::Absent, Fact::Known),
        direction: record.direction.unwrap_or(Direction::Inbound),
        hello: text(&record.helo),
        tls: !record.tls.is_empty(),
        user: text(&record.user),
        authenticated: record.authenticated,
        sender: record.sender().map(Into::into),
        recipients: record.to.iter().map(|to| to.path().into()).collect(),
        octets: Some(record.size).filter(|octets| *octets > 0),
        header_from: header_mailboxes(&record.header.from),
        gathered,
        conduct: record.conduct(),
        ..unasked
    };
    (scene, assumed)
}

/// Mailboxes of a `From:` field as the record has it.
fn header_mailboxes(from: &str) -> Vec<Box<str>> {
    let inner =
        from.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(from, |(m, _)| m).trim();
    Mailbox::parse(inner.as_bytes()).map_or_else(|_| Vec::new(), |_| vec![inner.into()])
}

/// Facts that nobody asked for then, taken from `harmless`, and their names.
fn fill(found: Gathered, harmless: Gathered) -> (Gathered, Vec<&'static str>) {
    fn one<T>(
        name: &'static str,
        found: Fact<T>,
        harmless: Fact<T>,
        assumed: &mut Vec<&'static str>,
    ) -> Fact<T> {
        if found.is_not_asked() {
            assumed.push(name);
            return harmless;
        }
        found
    }
    let mut assumed = Vec::new();
    let gathered = Gathered {
        pointer: one("reverse name", found.pointer, harmless.pointer, &mut assumed),
        country: one("country", found.country, harmless.country, &mut assumed),
        hello_resolves: one("helo name", found.hello_resolves, harmless.hello_resolves, &mut assumed),
        sender_domain: one("sender domain", found.sender_domain, harmless.sender_domain, &mut assumed),
        listings: one("DNS lists", found.listings, harmless.listings, &mut assumed),
        grey: one("greylisting", found.grey, harmless.grey, &mut assumed),
    };
    (gathered, assumed)
}

#[cfg(test)]
mod tests {
    use super::super::find::tests::{MESSAGE, SESSION};
    use super::*;

    const GATEWAY: &str = "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n\
        [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:25\"\ndirection = \"inbound\"\ndownstream = \"mx\"\n\
        [[downstream]]\nname = \"mx\"\naddresses = [\"127.0.0.1:2525\"]\n\
        [relay]\ndomains = [\"example.net\"]\n";

    fn rules(rule: &str) -> (tempfile::TempDir, Policy) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("gateway.toml"), GATEWAY).unwrap();
        std::fs::write(dir.path().join("protocol.toml"), rule).unwrap();
        let (policy, problems) = crate::gateway::load_rules(dir.path(), None);
        (dir, policy.unwrap_or_else(|| panic!("{problems:?}")))
    }

    fn story(line: &str) -> Story {
        Story { lines: vec![line.into()], ..Story::default() }
    }

    #[test]
    fn the_same_session_meets_other_rules_today() {
        let (_dir, lax) = rules("");
        let [today] = &today(&story(MESSAGE), &lax, 1_900_000_000)[..] else { panic!() };
        assert_eq!((today.outcome, today.reference.as_str()), ("pass", "7F3K0000"));
        assert_eq!(today.caveat, Some(UNREAD), "only the envelope is judged");
        assert!(today.assumed.contains(&"DNS lists") && !today.assumed.contains(&"country"), "{today:?}");
        let rule = "[[rule]]\nid = \"no-a\"\nsender = \"a@example.com\"\naction = \"reject\"\n";
        let (_dir, strict) = rules(rule);
        let [today] = &super::today(&story(MESSAGE), &strict, 1_900_000_000)[..] else { panic!() };
        assert_eq!((today.outcome, today.rule.as_deref(), today.caveat), ("reject", Some("no-a"), None));
        assert_eq!(today.place.as_deref(), Some("protocol.toml:1"));
    }

    #[test]
    fn facts_of_then_are_judged_today() {
        let rule = "[[rule]]\nid = \"not-de\"\ncountry = \"DE\"\naction = \"tempfail\"\n\
            [country]\ndatabase = \"none.mmdb\"\n";
        let (_dir, policy) = rules(rule);
        assert_eq!(today(&story(MESSAGE), &policy, 1_900_000_000)[0].outcome, "tempfail");
        // A session without a message, and without any facts.
        let session = &today(&story(SESSION), &policy, 1_900_000_000)[0];
        assert_eq!((session.reference.as_str(), session.assumed.len()), ("7F3K9QAB", 6));
    }

    #[test]
    fn mailboxes_of_a_field_are_found() {
        for (from, want) in
            [("Eve <eve@x.example>", Some("eve@x.example")), ("a@b.example", Some("a@b.example")), ("", None)]
        {
            assert_eq!(header_mailboxes(from).first().map(|m| &**m), want, "{from}");
        }
    }
}
