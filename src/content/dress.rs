//! How a message is dressed when it goes out: fields of ours on top, forged ones out, a word in the subject, parts that a
//! rule takes out replaced. Pure; no state. Nothing fails here: whoever cannot load the message does not deliver it unedited.

use super::weigh::{Contents, Weighed, points};
use crate::config::model::Policy;
use crate::mail::escape_at_most;
use crate::message::edit::{Edits, Replace, apply};
use crate::message::results::authentication_results;
use crate::verdict::{Authentication, Envelope, Finding, Verdict};
use std::fmt::Write as _;

/// Fields that nobody but us writes.
const OURS: [&str; 2] = ["X-Portcullis-*", "X-Spam-*"];
/// Where a line is folded, in octets.
const FOLD: usize = 76;
/// Symbols that are named.
const TESTS_MAX: usize = 50;

/// How a message is dressed when it goes out to recipients of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dress {
    /// Fields on top, below our `Received`.
    pub fields: String,
    /// In front of the subject.
    pub subject_tag: Option<Box<str>>,
    /// Parts to be replaced.
    pub replace: Vec<Replace>,
}

/// What is known of the message.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// The rules.
    pub policy: &'k Policy,
    /// The envelope, with the recipients that it is dressed for.
    pub envelope: &'k Envelope,
    /// What the sender could prove; `None` where there was nothing to be proved.
    pub authentication: Option<&'k Authentication>,
    /// What was found in it.
    pub contents: &'k Contents,
    /// It was walked.
    pub walked: bool,
}

/// For recipients of one policy. `replace`: what rules of attachments take out.
#[must_use]
pub fn dress(weighed: &Weighed, known: &Known<'_>, replace: Vec<Replace>) -> Dress {
    let (mail, policy) = (&weighed.policy, known.policy);
    let mut fields = String::new();
    let rules = &policy.content.authentication;
    if let Some(told) = known.authentication.filter(|_| rules.header) {
        fields.push_str(&authentication_results(&authserv_id(policy), told, known.envelope));
    }
    if mail.headers && known.walked {
        let scored = !policy.content.score.rules.is_empty() || !known.contents.symbols.is_empty();
        ours(&mut fields, weighed, known.envelope, scored && mail.score);
    }
    let replace = if mail.attachments { replace } else { Vec::new() };
    Dress { fields, subject_tag: mail.subject_tag.clone().filter(|_| weighed.spam), replace }
}

/// Our name in `Authentication-Results`.
#[must_use]
pub fn authserv_id(policy: &Policy) -> String {
    let name = policy.content.authentication.name.as_ref();
    name.map_or_else(|| policy.hostname.to_string(), |name| name.as_str().to_owned())
}

/// The message as it goes out; `None` where it goes as it came.
///
/// # Errors
/// In words: a part that is to be taken out cannot be, and so the message must not go out.
pub fn put_on(dress: &Dress, message: &[u8], authserv_id: &str) -> Result<Option<Vec<u8>>, String> {
    let edits = Edits {
        remove: OURS.to_vec(),
        authserv_id: Some(authserv_id),
        subject_tag: dress.subject_tag.as_deref(),
        replace: dress.replace.clone(),
    };
    match apply(message, &edits) {
        Some(edited) if edited.left > 0 => {
            Err(format!("{} parts that rules take out cannot be taken out where they stand", edited.left))
        }
        edited => Ok(edited.map(|edited| edited.message)),
    }
}

fn ours(out: &mut String, weighed: &Weighed, envelope: &Envelope, scored: bool) {
    let policy = &weighed.policy;
    let _ = write!(out, "X-Portcullis-Id: {}\r\nX-Portcullis-Policy: {}\r\n", envelope.id, policy.name);
    let counts = |finding: &&Finding| finding.enforced && finding.score_milli != 0;
    if scored {
        let word = if weighed.spam { "Yes" } else { "No" };
        if weighed.spam {
            out.push_str("X-Spam-Flag: YES\r\n");
        }
        let _ = write!(out, "X-Spam-Score: {}\r\n", points(weighed.score_milli));
        let start = format!(
            "X-Spam-Status: {word}, score={} required={} tests=",
            points(weighed.score_milli),
            points(policy.tag_milli)
        );
        let tests: Vec<String> = weighed
            .findings
            .iter()
            .filter(counts)
            .take(TESTS_MAX)
            .map(|f| format!("{}={}", escape_at_most(f.id.as_bytes(), 40), points(f.score_milli)))
            .collect();
        folded(out, &start, &tests);
    }
    let unscanned: Vec<String> = weighed
        .findings
        .iter()
        .filter(|f| f.enforced && f.verdict == Verdict::Continue)
        .flat_map(|f| f.tags.iter().filter_map(|tag| tag.strip_prefix("unscanned:")))
        .map(|name| escape_at_most(name.as_bytes(), 64))
        .collect();
    if !unscanned.is_empty() {
        folded(out, "X-Portcullis-Unscanned: ", &unscanned);
    }
}

/// Words with commas between them, folded.
fn folded(out: &mut String, start: &str, words: &[String]) {
    out.push_str(start);
    let mut column = start.len();
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        if column + word.len() + comma.len() > FOLD && column > 1 {
            out.push_str("\r\n\t");
            column = 1;
        }
        out.push_str(word);
        out.push_str(comma);
        column += word.len() + comma.len();
    }
    out.push_str("\r\n");
}
