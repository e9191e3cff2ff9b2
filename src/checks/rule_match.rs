//! Whether the conditions of a `[[rule]]` hold: all that are set must. Those that cost least are looked at first.
//!
//! A condition over a fact that could not be found out is neither true nor false, and so is, at MAIL, one over the
//! recipient that is still to come; one that is false settles the rule all the same.

use super::common::is_free;
use super::lists::subject;
use crate::config::model::{Conditions, Rule};
use crate::rules::{Matcher, Subject};
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

/// Looks at a rule. `ahead`: the recipient is still to come.
pub(super) fn matches(rule: &Rule, facts: &Facts<'_>, ahead: bool) -> Match {
    let when = &rule.when;
    if !(session(when, facts) && said(when, facts)) {
        return Match::No;
    }
    let open = match &when.recipient {
        Some(_) if ahead => true,
        Some(matcher) => match facts.recipient {
            Some(recipient) if holds(matcher, subject(recipient), facts) => false,
            Some(_) | None => return Match::No,
        },
        None => false,
    };
    match found_out(when, facts) {
        Match::No => Match::No,
        _ if open => Match::Open,
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
fn said(when: &Conditions, facts: &Facts<'_>) -> bool {
    let name = |matcher: &Option<Matcher>, name: Option<&[u8]>| {
        matcher.as_ref().is_none_or(|m| name.is_some_and(|name| holds(m, Subject::Name(name), facts)))
    };
    when.client.as_ref().is_none_or(|m| holds(m, Subject::Address(facts.client.ip), facts))
        && when
            .sender
            .as_ref()
            .is_none_or(|m| facts.sender.is_some_and(|path| holds(m, subject(path), facts)))
        && name(&when.hello, facts.hello)
        && name(&when.user, facts.user.map(str::as_bytes))
        && when.header_from.as_ref().is_none_or(|m| {
            let mut from = facts.message.iter().flat_map(|message| &message.header_from);
            from.any(|mailbox| holds(m, Subject::Mailbox(mailbox), facts))
        })
}

/// What had to be looked up.
fn found_out(when: &Conditions, facts: &Facts<'_>) -> Match {
    let has_name =
        when.has_reverse_name.map(|wanted| known(&facts.client.name, |name| name.is_some() == wanted));
    let named = when.reverse_name.as_ref().map(|matcher| {
        let name = |name: &str| holds(matcher, Subject::Name(name.as_bytes()), facts);
        known(&facts.client.name, |found| found.is_some_and(|found| name(found)))
    });
    let country = (!when.country.is_empty()).then(|| {
        known(&facts.gathered.country, |found| found.is_some_and(|found| when.country.contains(found)))
    });
    let listed = when.listed_from_milli.map(|least| {
        if is_free(facts) {
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

fn holds(matcher: &Matcher, subject: Subject<'_>, facts: &Facts<'_>) -> bool {
    matcher.matches(subject, facts.direction, facts.now)
}
