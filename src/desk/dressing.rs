//! What was held is kept as it came, and delivered as the policies of its recipients dress it: parts taken out, a word in the
//! subject. How, is found when it is judged, and kept with it: what goes out is what was scanned then, whatever the rules are
//! by the time. There is one item all along, and nothing to be lost between two; recipients who get it in another form than
//! others get it in an attempt of their own, and what becomes of it stands in the item before the next one begins.
//!
//! Failure: a message that cannot be dressed is not delivered as it is; it waits.

use super::judge::Part;
use super::service::Desk;
use super::spooling::path_of;
use crate::body::Body;
use crate::content::{Dress, authserv_id};
use crate::inspect::{Inspected, Left, Request, edited};
use crate::mail::Path;
use crate::message::edit::Replace;
use crate::vault::{Delivery, Form, Item, Progress, RecipientView, Replaced};
use std::collections::HashSet;
use tokio::time::Instant;

impl Desk {
    /// The message as it goes out in this attempt.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn dressed(&self, item: &Item, body: Body) -> Result<Body, String> {
        let form = item.spool.as_ref().and_then(|spool| spool.forms.first());
        let Some(form) = form.filter(|form| changes(form)) else { return Ok(body) };
        let dress = Dress {
            subject_tag: form.subject_tag.as_deref().map(Into::into),
            replace: form.replaced.iter().map(replace).collect(),
            ..Dress::default()
        };
        let policy = self.world.policy();
        let finish_by = Instant::now() + policy.timeouts.after_data;
        let stores = (&self.places, &self.budget);
        let edited = edited(stores, &body, &dress, authserv_id(&policy), finish_by);
        match Box::pin(edited).await.map_err(|error| error.to_string())? {
            Some(edited) => Ok(edited),
            None => Ok(body),
        }
    }

    /// Where parts are taken out, scanners look at the rest once more: what goes out is what was scanned.
    pub(super) async fn without_parts(&self, request: &Request<'_>, found: &Inspected, parts: &mut [Part]) {
        let mut left: Vec<Left> = Vec::new();
        for part in parts {
            if part.dress.replace.is_empty() || !part.weighed.policy.malware {
                continue;
            }
            if !left.iter().any(|left| left.is_in(&part.dress)) {
                left.push(Box::pin(Left::of(request, &part.dress)).await);
            }
            let known = left.iter().find(|left| left.is_in(&part.dress));
            if known.is_some_and(|left| !left.enter(&mut part.weighed).is_empty()) {
                let replace = std::mem::take(&mut part.dress.replace);
                part.put_on(found, request.policy, replace);
            }
        }
    }
}

/// What each of them gets, where they get different things or something is changed; and what stands on top of what all of
/// them get.
pub(super) fn forms(recipients: &[RecipientView], dresses: &[(Vec<Path>, Dress)]) -> (Vec<Form>, String) {
    let form = |(members, dress): &(Vec<Path>, Dress)| {
        let names: HashSet<String> = members.iter().map(ToString::to_string).collect();
        let theirs =
            |r: &&RecipientView| path_of(&r.line).is_some_and(|(_, p)| names.contains(&p.to_string()));
        Form {
            rcpts: recipients.iter().filter(theirs).map(|r| r.rcpt.clone()).collect(),
            fields: dress.fields.clone(),
            subject_tag: dress.subject_tag.as_deref().map(ToOwned::to_owned),
            replaced: dress.replace.iter().map(replaced).collect(),
            in_doubt: false,
        }
    };
    let mut forms: Vec<Form> = dresses.iter().map(form).collect();
    let fields = match forms.as_mut_slice() {
        [only] => std::mem::take(&mut only.fields),
        _ => String::new(),
    };
    if forms.len() == 1 && !forms.iter().any(changes) {
        forms.clear();
    }
    (forms, fields)
}

/// The item as one attempt sees it: with those recipients who get it in one form, what stands on top of that, and whether they
/// may have it already. Whose turn it is: of the forms that were not tried since it was due, one that may have arrived; else of
/// those who waited longest.
pub(super) fn in_one_form(mut item: Item) -> Item {
    let Some(spool) = item.spool.as_mut().filter(|spool| !spool.forms.is_empty()) else { return item };
    let forms = std::mem::take(&mut spool.forms);
    let due = spool.next_ms;
    let form = |delivery: &Delivery| Form::of(&forms, &delivery.rcpt);
    let is_doubted = |at: usize| forms.get(at).is_some_and(|form| form.in_doubt);
    let waiting = spool.deliveries.iter().filter(|d| d.progress == Progress::Waiting);
    let turn = waiting.min_by_key(|d| (d.at_ms >= due, !is_doubted(form(d)), d.at_ms));
    let at = turn.map_or(0, form);
    if forms.len() > 1 {
        spool.in_doubt = is_doubted(at);
    }
    spool.deliveries.retain(|delivery| form(delivery) == at);
    spool.deliveries.sort_by_key(|delivery| delivery.at_ms);
    spool.forms = forms.into_iter().nth(at).into_iter().collect();
    let fields = spool.forms.first().map(|form| form.fields.as_bytes()).unwrap_or_default();
    item.trace.0.extend_from_slice(fields);
    item
}

/// Whether the message goes out otherwise than it came.
fn changes(form: &Form) -> bool {
    form.subject_tag.is_some() || !form.replaced.is_empty()
}

fn replaced(replace: &Replace) -> Replaced {
    Replaced {
        part: (replace.range.start, replace.range.end),
        body: (replace.body.start, replace.body.end),
        note: replace.note.clone(),
    }
}

fn replace(replaced: &Replaced) -> Replace {
    Replace {
        range: replaced.part.0..replaced.part.1,
        body: replaced.body.0..replaced.body.1,
        note: replaced.note.clone(),
    }
}
