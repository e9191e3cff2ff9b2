//! Entries of lists that go with a release: the sender is allowed or blocked from now on.
//!
//! The list is edited in place as the commands do it ([`crate::rules::edit`]): under the lock of the lists, tried out
//! with all rules before it is written, whole or not at all. What could not be entered is said; the release stands.

use super::refusal::blocking;
use super::request::Grant;
use super::service::Desk;
use super::terms::Terms;
use crate::checks;
use crate::config::{self, Moment};
use crate::content::{attachments, score};
use crate::rules::edit::{Change, Typed, add};
use crate::rules::{Attributes, parse_until};
use crate::store::{ListFile, ListLock};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The list of those that may pass.
const ALLOW: &str = "allow";
/// Changes of others that are waited out.
const TRIES: usize = 5;

/// Whether a grant can be entered at all.
pub(super) fn check(grant: &Grant) -> Result<(), String> {
    grant.until.as_deref().map_or(Ok(()), |until| parse_until(until).map(|_| ()))
}

impl Desk {
    /// Enters the senders of released messages. Returns what is to be said.
    pub(super) async fn enter_senders(
        self: &Arc<Self>,
        senders: BTreeSet<String>,
        terms: &Terms,
        by: &str,
    ) -> Vec<String> {
        let mut said = Vec::new();
        for (grant, list) in [(&terms.allow_sender, ALLOW), (&terms.block_sender, "blocks")] {
            let Some(grant) = grant.clone() else { continue };
            let (senders, by, now) = (senders.clone(), by.to_owned(), self.now_ms() / 1000);
            let desk = Arc::clone(self);
            let entered = blocking(move || {
                let attributes = Attributes {
                    until: grant.until.as_deref().map(parse_until).transpose()?,
                    created: Some(now),
                    note: Some(grant.note.as_str()).filter(|n| !n.is_empty()).map(Into::into),
                    by: Some(by.as_str().into()),
                    auth_any: grant.auth_any && list == ALLOW,
                    ..Attributes::default()
                };
                let (entries, left) = entries(&senders, grant.domain);
                let done = enter(&desk.rules_dir, list, &entries, &attributes, now)?;
                let allowed = entries.iter().filter(|_| list == ALLOW);
                let claimed = allowed.filter_map(|entry| entry.claimed(&attributes)).take(1);
                let warning = claimed.map(|claimed| format!("warning: {claimed}"));
                Ok::<_, String>(done.into_iter().chain(left).chain(warning).collect::<Vec<_>>())
            });
            match entered.await {
                Ok(Ok(lines)) => said.extend(lines),
                Ok(Err(why)) => said.push(format!("released, but {list} is unchanged: {why}")),
                Err(refusal) => said.push(format!("released, but {list} is unchanged: {}", refusal.text)),
            }
            self.world.rules_changed();
        }
        said
    }
}

/// The entries, and what is said of senders that can be none.
fn entries(senders: &BTreeSet<String>, domain: bool) -> (Vec<Typed>, Vec<String>) {
    let (mut entries, mut left): (Vec<Typed>, Vec<String>) = (Vec::new(), Vec::new());
    for sender in senders {
        if sender.is_empty() {
            left.push("the null sender is entered in no list".to_owned());
            continue;
        }
        let text = match sender.rsplit_once('@') {
            Some((_, host)) if domain => host,
            Some(_) | None => sender,
        };
        match Typed::parse(&format!("from:{text}")) {
            Ok(typed) if typed.name().is_some() => {
                if !entries.iter().any(|e| e.is_same(&typed)) {
                    entries.push(typed);
                }
            }
            Ok(_) => left.push(format!("`{text}` is no plain address: it is entered in no list")),
            Err(why) => left.push(format!("`{text}` is entered in no list: {why}")),
        }
    }
    (entries, left)
}

/// Puts the entries into a list that the rules load with.
fn enter(
    rules: &Path,
    list: &str,
    entries: &[Typed],
    attributes: &Attributes,
    now: i64,
) -> Result<Vec<String>, String> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = ListLock::take(rules)?;
    for _ in 0..TRIES {
        let file = ListFile::read(rules, list)?;
        let (mut text, mut said) = (file.text.clone(), Vec::new());
        for entry in entries {
            let edit = add(&text, entry, attributes);
            said.push(match edit.change {
                Change::Added { line } => format!("{}:{line}: {entry} added", file.shown),
                Change::Replaced { line, .. } => format!("{}:{line}: {entry} renewed", file.shown),
                Change::Removed { .. } | Change::Nothing => format!("{} had {entry} already", file.shown),
            });
            text = edit.text;
        }
        if text == file.text {
            return Ok(said);
        }
        try_out(rules, &file.shown, &text, now)?;
        if file.replace(&text).map_err(|error| error.to_string())? {
            return Ok(said);
        }
    }
    Err("it changes again and again while it is to be edited".to_owned())
}

fn try_out(rules: &Path, file: &str, text: &str, now: i64) -> Result<(), String> {
    let (policy, problems) = config::load_with(rules, Moment::at(now), &[(file, text)]);
    let mut failed = policy.as_ref().map(|policy| checks::run_expects(policy, now)).unwrap_or_default();
    failed.extend(policy.iter().flat_map(|policy| attachments::run_expects(&policy.attachments, now)));
    failed.extend(policy.iter().flat_map(|policy| score::run_expects(policy, now)));
    let errors: Vec<String> =
        problems.iter().chain(&failed).filter(|p| p.is_error()).map(ToString::to_string).collect();
    if policy.is_some() && errors.is_empty() {
        return Ok(());
    }
    Err(format!("the rules would not load with it: {}", errors.join("; ")))
}
