//! How a message is dressed when it goes out: fields of ours on top, forged ones out, a word in the subject, parts that a
//! rule takes out replaced. Pure but for loading the message.
//!
//! Failure: a message that cannot be edited is not delivered unedited; it is put off.

use super::examine::Examined;
use super::party::{Dress, Judged, points};
use crate::config::model::Policy;
use crate::mail::escape_at_most;
use crate::message::edit::{Edits, Replace, apply};
use crate::message::results::authentication_results;
use crate::verdict::{Envelope, Finding, Verdict};
use std::fmt::Write as _;

/// Fields that nobody but us writes.
const OURS: [&str; 2] = ["X-Portcullis-*", "X-Spam-*"];
/// Where a line is folded, in octets.
const FOLD: usize = 76;
/// Symbols that are named.
const TESTS_MAX: usize = 50;

/// For a party. `replace`: what rules of attachments take out.
pub(super) fn dress(
    judged: &Judged,
    examined: &Examined,
    envelope: &Envelope,
    policy: &Policy,
    replace: Vec<Replace>,
) -> Dress {
    let mail = &judged.party.policy;
    let mut fields = String::new();
    let rules = &policy.content.authentication;
    if let Some(told) = examined.authentication.as_ref().filter(|_| rules.header) {
        fields.push_str(&authentication_results(&authserv_id(policy), told, envelope));
    }
    if mail.headers && examined.analysis.is_some() {
        let scored = !policy.content.score.rules.is_empty() || !examined.contents.symbols.is_empty();
        ours(&mut fields, judged, envelope, scored && mail.score);
    }
    Dress {
        fields,
        subject_tag: mail.subject_tag.clone().filter(|_| judged.spam),
        replace: if mail.attachments { replace } else { Vec::new() },
    }
}

/// Our name in `Authentication-Results`.
pub(super) fn authserv_id(policy: &Policy) -> String {
    let name = policy.content.authentication.name.as_ref();
    name.map_or_else(|| policy.hostname.to_string(), |name| name.as_str().to_owned())
}

/// The message as it goes out; `None` where it goes as it came.
pub(super) fn put_on(dress: &Dress, message: &[u8], authserv_id: &str) -> Option<Vec<u8>> {
    let edits = Edits {
        remove: OURS.to_vec(),
        authserv_id: Some(authserv_id),
        subject_tag: dress.subject_tag.as_deref(),
        replace: dress.replace.clone(),
    };
    apply(message, &edits).map(|edited| edited.message)
}

fn ours(out: &mut String, judged: &Judged, envelope: &Envelope, scored: bool) {
    let policy = &judged.party.policy;
    let _ = write!(out, "X-Portcullis-Id: {}\r\nX-Portcullis-Policy: {}\r\n", envelope.id, policy.name);
    let counts = |finding: &&Finding| finding.enforced && finding.score_milli != 0;
    if scored {
        let word = if judged.spam { "Yes" } else { "No" };
        if judged.spam {
            out.push_str("X-Spam-Flag: YES\r\n");
        }
        let _ = write!(out, "X-Spam-Score: {}\r\n", points(judged.score_milli));
        let start = format!(
            "X-Spam-Status: {word}, score={} required={} tests=",
            points(judged.score_milli),
            points(policy.tag_milli)
        );
        let tests: Vec<String> = judged
            .findings
            .iter()
            .filter(counts)
            .take(TESTS_MAX)
            .map(|f| format!("{}={}", escape_at_most(f.id.as_bytes(), 40), points(f.score_milli)))
            .collect();
        folded(out, &start, &tests);
    }
    let unscanned: Vec<String> = judged
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
