//! What the authentication of a sender decides by itself: the wishes of DMARC, and authors that nobody can tell. What
//! results are worth beside that is the business of rules. Pure; no state; nothing fails.

use crate::config::model::{self, OnWish};
use crate::mail::escape_at_most;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{AuthResult, Authentication, Author, Direction, Envelope};
use crate::verdict::{Finding, Folder, Source, Stage, Verdict, Wish};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Whether the sender of a message has something to prove: mail from outside, of a client that neither
/// authenticated nor may relay, nor hands on the mail of others for us.
#[must_use]
pub fn applies(envelope: &Envelope) -> bool {
    let ours = envelope.authenticated || envelope.may_relay || envelope.trusted;
    envelope.direction == Direction::Inbound && !ours
}

/// What follows. A result is always told; a decision only where there is one.
#[must_use]
pub fn findings(told: &Authentication, policy: &model::Authentication) -> Vec<Finding> {
    let mut findings = vec![results(told)];
    if told.author != Author::One {
        let verdict = Verdict::Reject(catalogue::AUTHOR_UNCLEAR.reply());
        findings.extend(said("author", policy.author, verdict, &told.dmarc_reason));
    }
    let domain = &told.dmarc_domain;
    match (told.dmarc, told.wish) {
        (AuthResult::Fail, Wish::Reject | Wish::Quarantine) if told.arc_vouched => {
            let sealer = told.arc_sealers.first().map_or("", |sealer| sealer);
            let reason = format!("{domain} fails, but {sealer} says that it passed before");
            findings.extend(said("dmarc-arc", policy.dmarc, Verdict::Continue, &reason));
        }
        (AuthResult::Fail, wish @ (Wish::Reject | Wish::Quarantine)) => {
            let (word, on) = match wish {
                Wish::Reject => ("reject", policy.on_reject),
                Wish::Quarantine | Wish::None => ("quarantine", policy.on_quarantine),
            };
            let verdict = match on {
                OnWish::Reject => Verdict::Reject(catalogue::DMARC_FAILED.reply()),
                OnWish::Quarantine => Verdict::Quarantine(Folder(policy.folder.clone())),
                OnWish::Pass => Verdict::Continue,
            };
            let reason = format!("{}: {domain} wishes {word}", told.dmarc_reason);
            findings.extend(said("dmarc", policy.dmarc, verdict, &reason));
        }
        (AuthResult::TempError, _) if policy.wait => {
            let verdict = Verdict::TempFail(catalogue::LOOKUP_FAILED.reply());
            let reason = format!("{domain}: {}", told.dmarc_reason);
            findings.extend(said("dmarc-unknown", policy.dmarc, verdict, &reason));
        }
        _ => {}
    }
    findings
}

/// The results as words, which rules, headers and searches use.
fn results(told: &Authentication) -> Finding {
    let tags: Vec<Box<str>> =
        [("spf", told.spf), ("dkim", told.dkim_result()), ("dmarc", told.dmarc), ("arc", told.arc)]
            .map(|(method, result)| format!("{method}={}", result.name()).into())
            .to_vec();
    let reason = tags.join(" ");
    let mut finding =
        Finding::new("authentication", Stage::Message, Verdict::Continue, Source::built_in(), reason);
    finding.tags = tags;
    finding
}

fn said(id: &str, mode: Mode, verdict: Verdict, reason: &str) -> Option<Finding> {
    let reason = escape_at_most(reason.as_bytes(), REASON_CHARS_MAX);
    let source = Source { file: "content.toml".into(), line: 0 };
    let finding = Finding::new(id, Stage::Message, verdict, source, reason);
    match mode {
        Mode::Off => None,
        Mode::Log => Some(finding.only_told()),
        Mode::On => Some(finding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(wish: Wish) -> Authentication {
        let dmarc_domain = "bank.example".into();
        Authentication { dmarc: AuthResult::Fail, wish, dmarc_domain, ..Authentication::default() }
    }

    fn verdicts(told: &Authentication, policy: &model::Authentication) -> Vec<(String, &'static str, bool)> {
        let found = findings(told, policy);
        assert_eq!((&*found[0].id, found[0].tags.len()), ("authentication", 4));
        found[1..].iter().map(|f| (f.id.to_string(), f.verdict.name(), f.enforced)).collect()
    }

    #[test]
    fn wishes_are_followed_as_the_policy_says() {
        let on = model::Authentication { dmarc: Mode::On, ..Default::default() };
        let log = model::Authentication::default();
        let off = model::Authentication { dmarc: Mode::Off, ..Default::default() };
        let dmarc = |verdict, enforced| vec![("dmarc".to_owned(), verdict, enforced)];
        assert_eq!(verdicts(&failed(Wish::Reject), &on), dmarc("reject", true));
        assert_eq!(verdicts(&failed(Wish::Reject), &log), dmarc("reject", false));
        assert_eq!(verdicts(&failed(Wish::Reject), &off), []);
        assert_eq!(verdicts(&failed(Wish::Quarantine), &on), dmarc("quarantine", true));
        assert_eq!(verdicts(&failed(Wish::None), &on), []);
        let soft = model::Authentication { on_reject: OnWish::Quarantine, on_quarantine: OnWish::Pass, ..on };
        assert_eq!(verdicts(&failed(Wish::Reject), &soft), dmarc("quarantine", true));
        assert_eq!(verdicts(&failed(Wish::Quarantine), &soft), dmarc("continue", true));
    }

    #[test]
    fn who_is_believed_and_what_is_unknown_refuses_nothing() {
        let on = model::Authentication { dmarc: Mode::On, ..Default::default() };
        let vouched = Authentication { arc_vouched: true, ..failed(Wish::Reject) };
        assert_eq!(verdicts(&vouched, &on), [("dmarc-arc".to_owned(), "continue", true)]);
        let unknown = Authentication { dmarc: AuthResult::TempError, ..failed(Wish::Reject) };
        assert_eq!(verdicts(&unknown, &on), []);
        let waits = model::Authentication { wait: true, ..on };
        assert_eq!(verdicts(&unknown, &waits), [("dmarc-unknown".to_owned(), "tempfail", true)]);
    }

    #[test]
    fn authors_that_nobody_can_tell_are_told() {
        let many = Authentication { author: Author::Many, ..Authentication::default() };
        let log = model::Authentication::default();
        assert_eq!(verdicts(&many, &log), [("author".to_owned(), "reject", false)]);
        let on = model::Authentication { author: Mode::On, ..log };
        assert_eq!(verdicts(&many, &on), [("author".to_owned(), "reject", true)]);
    }
}
