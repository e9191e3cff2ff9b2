//! Whether the conditions of a `[[rule]]` hold: all that are set must. Those that cost least are looked at first.
//!
//! A condition over a fact that could not be found out is neither true nor false, and so is, at MAIL, one over the
//! recipient that is still to come; one that is false settles the rule all the same.

use super::common::is_free;
use super::lists::subject;
use crate::config::model::{Conditions, Rule, Trails};
use crate::mail::Path;
use crate::rules::{Kind, Matcher, Prepared, Subject, Trail};
use crate::verdict::{Fact, Facts};

/// Whether a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// No.
    No,
    /// Yes.
    Yes,
    /// Depends on the recipient (looking ahead at MAIL), and perhaps on what is unknown too.
    Open,
    /// Depends on a fact that could not be found out.
    Unknown,
}

/// The subjects of a session, each made ready once for all rules of a stage.
pub(super) struct Seen<'f> {
    facts: &'f Facts<'f>,
    hello: Option<Prepared<'f>>,
    sender: Option<Prepared<'f>>,
    recipient: Option<Prepared<'f>>,
    user: Option<Prepared<'f>>,
    reverse_name: Option<Prepared<'f>>,
}

impl<'f> Seen<'f> {
    pub(super) fn of(facts: &'f Facts<'f>) -> Self {
        let name = |kind, name: Option<&'f [u8]>| name.map(|n| Prepared::new(kind, Subject::Name(n)));
        let path = |kind, path: Option<&'f Path>| path.map(|path| Prepared::new(kind, subject(path)));
        Self {
            facts,
            hello: name(Kind::Hello, facts.hello),
            sender: path(Kind::Sender, facts.sender),
            recipient: path(Kind::Recipient, facts.recipient),
            user: name(Kind::User, facts.user.map(str::as_bytes)),
            reverse_name: name(Kind::ReverseName, facts.client.name.known().map(|name| name.as_bytes())),
        }
    }

    /// The bits of all of them. `ahead`: the recipient is still to come.
    pub(super) fn trails(&self, ahead: bool) -> Trails {
        let trail =
            |prepared: &Option<Prepared<'_>>| prepared.as_ref().map_or(Trail::ABSENT, Prepared::trail);
        let unknown = matches!(self.facts.client.name, Fact::Unknown(_));
        Trails {
            client: self.facts.client.ip,
            hello: trail(&self.hello),
            sender: trail(&self.sender),
            recipient: if ahead { Trail::OPEN } else { trail(&self.recipient) },
            user: trail(&self.user),
            reverse_name: if unknown { Trail::OPEN } else { trail(&self.reverse_name) },
            direction: self.facts.direction,
        }
    }

    /// Whether a condition over a subject holds; over one that is not there none does.
    fn holds(&self, matcher: Option<&Matcher>, prepared: Option<&Prepared<'_>>) -> bool {
        let (dir, now) = (self.facts.direction, self.facts.now);
        matcher.is_none_or(|m| prepared.is_some_and(|prepared| m.matches_prepared(prepared, dir, now)))
    }
}

/// Looks at a rule. `ahead`: the recipient is still to come.
pub(super) fn matches(rule: &Rule, seen: &Seen<'_>, ahead: bool) -> Match {
    let when = &rule.when;
    let recipient = || ahead || seen.holds(when.recipient.as_ref(), seen.recipient.as_ref());
    if !(session(when, seen.facts) && said(when, seen) && recipient()) {
        return Match::No;
    }
    let open = ahead && when.recipient.is_some();
    match found_out(when, seen) {
        Match::No => Match::No,
        Match::Yes | Match::Unknown | Match::Open if open => Match::Open,
        known => known,
    }
}

/// What costs a comparison.
fn session(when: &Conditions, facts: &Facts<'_>) -> bool {
    when.direction.is_none_or(|direction| direction == facts.direction)
        && when.tls.is_none_or(|tls| tls == facts.tls.is_some())
        && when.authenticated.is_none_or(|wanted| wanted == facts.authenticated)
        && when.size_over.is_none_or(|most| size(facts).is_some_and(|size| size > most))
        && (when.listener.is_empty() || when.listener.iter().any(|name| **name == *facts.listener))
}

/// Octets of the message, or as many as were declared.
fn size(facts: &Facts<'_>) -> Option<u64> {
    facts.message.map(|m| m.octets).or(facts.declared_octets)
}

/// What was said in the session.
fn said(when: &Conditions, seen: &Seen<'_>) -> bool {
    let client =
        || when.client.as_ref().is_none_or(|m| holds(m, Subject::Address(seen.facts.client.ip), seen));
    let from = || {
        when.header_from.as_ref().is_none_or(|m| {
            let mut from = seen.facts.message.iter().flat_map(|message| &message.header_from);
            from.any(|mailbox| holds(m, Subject::Mailbox(mailbox), seen))
        })
    };
    client()
        && seen.holds(when.sender.as_ref(), seen.sender.as_ref())
        && seen.holds(when.hello.as_ref(), seen.hello.as_ref())
        && seen.holds(when.user.as_ref(), seen.user.as_ref())
        && from()
}

/// What had to be looked up.
fn found_out(when: &Conditions, seen: &Seen<'_>) -> Match {
    let facts = seen.facts;
    let has_name =
        when.has_reverse_name.map(|wanted| known(&facts.client.name, |name| name.is_some() == wanted));
    let named = when
        .reverse_name
        .as_ref()
        .map(|matcher| known(&facts.client.name, |_| seen.holds(Some(matcher), seen.reverse_name.as_ref())));
    let country = (!when.country.is_empty()).then(|| {
        known(&facts.gathered.country, |found| found.is_some_and(|found| when.country.contains(found)))
    });
    let listed = when.listed_from_milli.map(|least| {
        if is_free(facts) || facts.authenticated {
            // Nobody asks about them.
            return Match::No;
        }
        known(&facts.gathered.listings, |found| found.map_or(0, |l| l.score_milli()) >= least)
    });
    let all = [has_name, named, country, listed];
    if all.contains(&Some(Match::No)) {
        Match::No
    } else if all.contains(&Some(Match::Unknown)) {
        Match::Unknown
    } else {
        Match::Yes
    }
}

/// A condition over a fact: `None` is that there is none.
fn known<T>(fact: &Fact<T>, holds: impl FnOnce(Option<&T>) -> bool) -> Match {
    let holds = match fact {
        Fact::Known(value) => holds(Some(value)),
        Fact::Absent => holds(None),
        Fact::Unknown(_) => return Match::Unknown,
    };
    if holds { Match::Yes } else { Match::No }
}

fn holds(matcher: &Matcher, subject: Subject<'_>, seen: &Seen<'_>) -> bool {
    matcher.matches(subject, seen.facts.direction, seen.facts.now)
}
