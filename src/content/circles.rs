//! Recipients of one message that rules of attachments and scores treat alike.
//!
//! A rule may name recipients. What it says then counts for those alone: were it to count for all recipients of a message,
//! a sender could add one for whom a file is accepted to those for whom it is not. So recipients for whom each matcher says
//! the same are a circle, and each circle is judged by itself. There are at most as many as recipients, and one where no rule
//! names any, which costs nothing. Pure; nothing fails.

use crate::config::model::{Asked, Policy};
use crate::mail::Path;
use crate::rules::{Matcher, Mode, Subject};
use crate::verdict::Envelope;
use std::collections::HashMap;

/// The circles of the recipients of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circles {
    /// That of each recipient, in their order; empty where all are in one.
    of: Vec<usize>,
    /// How many there are, where there are several.
    count: usize,
}

impl Circles {
    /// Of the recipients of an envelope. `now`: seconds since 1970, for entries of lists end.
    #[must_use]
    pub fn new(policy: &Policy, envelope: &Envelope, now: i64) -> Self {
        let matchers = matchers(policy);
        if matchers.is_empty() || envelope.recipients.len() < 2 {
            return Self::default();
        }
        let met = |path: &Path| {
            let ask = |m: &&Matcher| m.matches(subject(path), envelope.direction, now);
            matchers.iter().map(ask).collect::<Vec<bool>>()
        };
        let mut known: HashMap<Vec<bool>, usize> = HashMap::new();
        let mut of = Vec::with_capacity(envelope.recipients.len());
        for path in &envelope.recipients {
            let next = known.len();
            of.push(*known.entry(met(path)).or_insert(next));
        }
        if known.len() < 2 { Self::default() } else { Self { of, count: known.len() } }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.max(1)
    }

    /// That of a recipient, by its place among those of the envelope.
    #[must_use]
    pub fn of(&self, place: usize) -> usize {
        self.of.get(place).copied().unwrap_or_default()
    }

    /// The recipients of a circle.
    pub fn members<'e>(&self, circle: usize, recipients: &'e [Path]) -> impl Iterator<Item = &'e Path> {
        recipients
            .iter()
            .enumerate()
            .filter(move |(place, _)| self.of(*place) == circle)
            .map(|(_, path)| path)
    }
}

/// What matchers are asked about.
pub(super) fn subject(path: &Path) -> Subject<'_> {
    path.mailbox().map_or(Subject::Null, Subject::Mailbox)
}

/// Those that ask about recipients.
fn matchers(policy: &Policy) -> Vec<&Matcher> {
    let attachments = policy.attachments.rules.iter().filter(|rule| rule.mode != Mode::Off);
    let attachments = attachments.filter_map(|rule| rule.when.recipient.as_ref());
    let scores = policy.content.score.rules.iter().filter(|rule| rule.mode != Mode::Off);
    let scores = scores.flat_map(|rule| &rule.matchers).filter(|(asked, _)| *asked == Asked::Recipient);
    attachments.chain(scores.map(|(_, matcher)| matcher)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Moment, Sources, parse_files};
    use crate::content::analyse::{Analysis, Ask, analyse};
    use crate::verdict::Authentication;
    use std::time::Duration;

    const GATEWAY: &str = "hostname = \"mx.example.net\"\nstate_dir = \"/var/lib/portcullis\"\n[[listener]]\nname = \"in\"\n\
        address = \"127.0.0.1:2525\"\ndirection = \"inbound\"\ndownstream = \"mail\"\n[[downstream]]\nname = \"mail\"\n\
        addresses = [\"127.0.0.1:2526\"]\n[relay]\ndomains = [\"example.net\"]\n";
    const MESSAGE: &[u8] = b"Subject: tool\r\nContent-Type: application/octet-stream; name=\"tool.exe\"\r\n\
        Content-Disposition: attachment\r\n\r\nMZ hello\r\n";

    fn policy(attachments: &str, scores: &str) -> Policy {
        let texts = [("gateway.toml", GATEWAY), ("attachments.toml", attachments), ("content.toml", scores)];
        let (policy, problems) =
            parse_files(&Sources::of(&texts), std::path::Path::new("/rules"), Moment::at(0));
        assert!(problems.is_empty(), "{problems:?}");
        policy.unwrap()
    }

    fn envelope(recipients: &[&str]) -> Envelope {
        Envelope::test("<>", recipients.iter().map(|name| format!("<{name}@example.net>")))
    }

    fn looked(policy: &Policy, envelope: &Envelope) -> Analysis {
        let ask = Ask {
            policy,
            envelope,
            authentication: &Authentication::default(),
            findings: &[],
            now: 0,
            elapsed: &|| Duration::ZERO,
        };
        analyse(MESSAGE, &ask)
    }

    #[test]
    fn recipients_whom_no_rule_tells_apart_are_one_circle() {
        let plain = policy("[[rule]]\nid = \"exe\"\naction = \"reject\"\nextension = \"exe\"\n", "");
        let three = envelope(&["anna", "bob", "carl"]);
        assert_eq!(Circles::new(&plain, &three, 0), Circles::default());
        let text = "[[rule]]\nid = \"a\"\naction = \"accept\"\nextension = \"exe\"\nrecipient = \"anna@example.net\"\n";
        assert_eq!(Circles::new(&policy(text, ""), &envelope(&["anna"]), 0), Circles::default());
        assert_eq!(Circles::new(&policy(text, ""), &envelope(&["bob", "carl"]), 0), Circles::default());
        let circles = Circles::new(&policy(text, ""), &three, 0);
        assert_eq!((circles.count(), circles.of(0), circles.of(1), circles.of(2)), (2, 0, 1, 1));
        assert_eq!(circles.members(1, &three.recipients).count(), 2);
        // One that is off tells nobody apart.
        let off = format!("{text}mode = \"off\"\n");
        assert_eq!(Circles::new(&policy(&off, ""), &three, 0), Circles::default());
    }

    #[test]
    fn what_a_rule_says_to_some_counts_for_them_alone() {
        let policy = policy(
            "[[rule]]\nid = \"ours\"\naction = \"accept\"\nextension = \"exe\"\nrecipient = \"anna@example.net\"\n\
             [[rule]]\nid = \"exe\"\naction = \"reject\"\nextension = \"exe\"\n",
            "[[rule]]\nid = \"friend\"\nscore = -50.0\nsubject = \"tool\"\nrecipient = \"anna@example.net\"\n\
             [[rule]]\nid = \"tool\"\nscore = 9.0\nsubject = \"tool\"\n\
             [[rule]]\nid = \"both\"\nscore = 1.0\nall = [\"friend\"]\n",
        );
        let all = envelope(&["bob", "anna", "carl"]);
        let analysis = looked(&policy, &all);
        let ids = |findings: &[crate::verdict::Finding]| {
            findings.iter().map(|f| f.id.to_string()).collect::<Vec<_>>().join(" ")
        };
        let of = |circle: usize| (ids(analysis.attached(circle).0), ids(analysis.symbols(circle)));
        assert_eq!(of(analysis.circles.of(0)), ("exe".to_owned(), "tool".to_owned()));
        assert_eq!(of(analysis.circles.of(1)), ("ours".to_owned(), "friend tool both".to_owned()));
        assert_eq!(analysis.circles.of(2), analysis.circles.of(0));
    }
}
