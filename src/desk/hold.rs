//! Mail that waits for a scanner: judged again by itself, as a whole and by the rules of now. Clean: delivered at once, as its
//! policy dresses it. Infected: folder `virus`, and the admin hears of it. What the rules object to: kept where they say, or
//! in `policy` where they would refuse it; never a bounce. No answer: tried again, and told once when it takes too long.

use super::dressing::forms;
use super::edit::Decision;
use super::envelope::envelope;
use super::judge::{Judgement, Objection, Part, Scanned, parts};
use super::notices::Happening;
use super::outcome::NOT_DUE;
use super::refusal::Refusal;
use super::service::Desk;
use super::spooling::{OURSELVES, SPOOL, VIRUS, deliveries, downstream_of, millis, spool};
use crate::config::model::{Policy, QuarantineFolder};
use crate::inspect::{Request, inspect};
use crate::mail::Id;
use crate::vault::{Attempt, FindingView, Item, Line, SpoolCause};
use std::sync::Arc;
use tokio::time::Instant;

/// Findings that an item keeps.
const FINDINGS_MAX: usize = 250;
/// Files whose rules are asked again.
const ASKED_AGAIN: [&str; 4] = ["scanners.toml", "attachments.toml", "content.toml", "policies.toml"];

impl Desk {
    /// Looks at a message with everything there is.
    pub(super) async fn scan(&self, item: &Item) -> Judgement {
        let body = match Box::pin(self.vault.body(item, &self.budget)).await {
            Ok(body) => body,
            Err(error) => return Judgement::unknown(format!("the message cannot be read: {error}")),
        };
        let (policy, scanners, lookup) = (self.world.policy(), self.world.scanners(), self.world.lookup());
        let sent = Arc::new(envelope(item, &policy));
        let request = Request {
            body: &body,
            envelope: &sent,
            policy: &policy,
            scanners: &scanners,
            lookup: lookup.as_deref(),
            places: &self.places,
            budget: &self.budget,
            now: self.now_ms() / 1000,
            finish_by: Instant::now() + policy.timeouts.after_data,
        };
        let found = Box::pin(inspect(&request)).await;
        let mut parts = parts(item, &found, &policy, request.now);
        if item.hold.is_some() && parts.iter().all(Part::is_clean) {
            Box::pin(self.without_parts(&request, &found, &mut parts)).await;
        }
        Judgement::of(item, &found, parts)
    }

    /// Scans a held message if it is due. Returns what is to be said.
    pub(super) async fn look_again(self: &Arc<Self>, id: Id, forced: bool) -> String {
        self.looked_again(id, forced).await.unwrap_or_else(|refusal| refusal.text)
    }

    /// The same; an error where nothing of it could be noted.
    pub(super) async fn looked_again(self: &Arc<Self>, id: Id, forced: bool) -> Result<String, Refusal> {
        let Some(claim) = self.under_way.claim(id) else { return Ok("a scan of it is under way".to_owned()) };
        let item = self.item(id).await?;
        let due = item.hold.as_ref().is_some_and(|h| forced || h.next_ms <= self.now_ms());
        if !due || item.trash.is_some() {
            return Ok(NOT_DUE.to_owned());
        }
        let judged = Box::pin(self.scan(&item)).await;
        let done = self.after_scan(id, &judged, OURSELVES).await;
        drop(claim);
        Ok(match (done?, judged.scanned) {
            (_, Scanned::Infected(what)) => format!("infected: {what}: moved to {VIRUS}"),
            (_, Scanned::Objected(Objection { folder, finding })) => {
                format!("{}: {}: moved to {folder}", finding.id, finding.text)
            }
            (_, Scanned::Unknown(what)) => format!("not scanned, still held: {what}"),
            (false, Scanned::Clean) => "clean".to_owned(),
            (true, Scanned::Clean) => {
                let report = Box::pin(self.attempt(id, true)).await;
                self.heard(&report);
                format!("clean; {}", report.said)
            }
        })
    }

    /// Enters what a scan came to. True: it is to be delivered now.
    pub(super) async fn after_scan(&self, id: Id, judged: &Judgement, by: &str) -> Result<bool, Refusal> {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let mut news = None;
        let (item, _) = self
            .edit(id, |item| {
                news = enter(item, judged, by, now, &policy);
                Decision::Write
            })
            .await?;
        if let Some(what) = news {
            let said = match &judged.scanned {
                Scanned::Clean => "clean",
                Scanned::Objected(objection) => &objection.finding.text,
                Scanned::Infected(what) | Scanned::Unknown(what) => what,
            };
            self.notices.note(Happening::of(what, &item, said, now));
        }
        Ok(judged.scanned == Scanned::Clean && item.waiting() > 0)
    }
}

/// Changes a message by a scan. Returns what the admin has to hear of.
fn enter(
    item: &mut Item,
    judged: &Judgement,
    by: &str,
    now_ms: i64,
    policy: &Policy,
) -> Option<&'static str> {
    match &judged.scanned {
        Scanned::Infected(what) => {
            let held = item.hold.take().is_some();
            item.happened(now_ms, by, format!("scanned again, infected: {what}"));
            let (id, text) = what.split_once(": ").unwrap_or(("", what));
            let verdict = "quarantine".to_owned();
            let finding = judged.findings.iter().find(|f| f.id == id).cloned();
            let finding = finding.unwrap_or_else(|| FindingView {
                id: id.to_owned(),
                text: text.to_owned(),
                ..FindingView::default()
            });
            remember(item, judged);
            item.findings.push(FindingView { verdict, ..finding.clone() });
            put_into(item, VIRUS, &finding, by, now_ms);
            // What waited for its delivery waits for a word of the admin's now.
            if item.waiting() > 0
                && let Some(spool) = &mut item.spool
            {
                spool.frozen = true;
                item.happened(now_ms, by, "its delivery is stopped; `spool retry` goes on with it");
            }
            held.then_some("infected, found after a hold")
        }
        Scanned::Objected(Objection { folder, finding }) => {
            if item.hold.take().is_none() {
                let text = format!(
                    "scanned again, no malware; the rules of now: {}: {} ({folder})",
                    finding.id, finding.text
                );
                item.happened(now_ms, by, text);
                return None;
            }
            item.happened(now_ms, by, format!("scanned again: {}: {}", finding.id, finding.text));
            remember(item, judged);
            put_into(item, folder, finding, by, now_ms);
            None
        }
        Scanned::Clean => {
            item.happened(now_ms, by, "scanned again, clean");
            if item.hold.take().is_some() {
                remember(item, judged);
                go_on(item, judged, now_ms, policy);
            }
            None
        }
        Scanned::Unknown(what) => still_unknown(item, what, by, now_ms, policy),
    }
}

fn put_into(item: &mut Item, folder: &str, finding: &FindingView, by: &str, now_ms: i64) {
    if item.folder == folder {
        return;
    }
    item.happened(now_ms, by, format!("moved from {} to {folder}", item.folder));
    folder.clone_into(&mut item.folder);
    finding.id.clone_into(&mut item.rule);
    finding.text.clone_into(&mut item.reason);
    item.source = match (finding.file.as_str(), finding.line) {
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    };
}

/// Whether the rules of that file are asked again when a held message is judged.
#[must_use]
pub fn is_asked_again(file: &str) -> bool {
    ASKED_AGAIN.contains(&file)
}

/// What was found now stands in the place of what was found before of the content.
fn remember(item: &mut Item, judged: &Judgement) {
    item.findings
        .retain(|old| !is_asked_again(&old.file) && judged.findings.iter().all(|new| new.id != old.id));
    let room = FINDINGS_MAX.saturating_sub(item.findings.len());
    item.findings.extend(judged.findings.iter().take(room).cloned());
    item.score_milli = judged.score_milli;
    item.tags.clone_from(&judged.tags);
}

/// To be delivered now. Where a copy is kept of what goes out, the message stays there as it came.
fn go_on(item: &mut Item, judged: &Judgement, now_ms: i64, policy: &Policy) {
    let deliveries = deliveries(&item.recipients);
    let to = downstream_of(item, policy);
    let rules = &policy.quarantine.spool;
    let mut spool = spool(SpoolCause::Rescanned, deliveries, to, now_ms, rules);
    let (forms, fields) = forms(&item.recipients, &judged.dresses);
    // What is taken out is kept for certain, before anybody gets the rest.
    let strips = forms.iter().any(|form| !form.replaced.is_empty());
    let folder = if strips { QuarantineFolder::POLICY } else { SPOOL };
    judged.copy.as_deref().unwrap_or(folder).clone_into(&mut item.folder);
    spool.forms = forms;
    item.spool = Some(spool);
    let mut trace = first_field(&item.trace.0).to_vec();
    trace.extend_from_slice(fields.as_bytes());
    item.trace = Line(trace);
}

/// Our `Received:`; behind it stand fields of the look before.
fn first_field(trace: &[u8]) -> &[u8] {
    let ends = memchr::memchr_iter(b'\n', trace).map(|at| at + 1);
    let mut ends = ends.filter(|end| !matches!(trace.get(*end), Some(b' ' | b'\t')));
    ends.next().and_then(|end| trace.get(..end)).unwrap_or(trace)
}

fn still_unknown(
    item: &mut Item,
    what: &str,
    by: &str,
    now_ms: i64,
    policy: &Policy,
) -> Option<&'static str> {
    let Some(hold) = &mut item.hold else {
        item.happened(now_ms, by, format!("could not be scanned again: {what}"));
        return None;
    };
    hold.scans = hold.scans.saturating_add(1);
    hold.next_ms = now_ms.saturating_add(millis(policy.quarantine.hold.retry));
    let before = hold.last.replace(Attempt { at_ms: now_ms, said: what.to_owned() });
    let late = hold.told_ms != 0 && hold.told_ms <= now_ms;
    if late {
        hold.told_ms = 0;
    }
    // The same words every minute would push everything else out of the history.
    if before.is_none_or(|b| b.said != *what) {
        item.happened(now_ms, by, format!("could not be scanned: {what}"));
    }
    late.then_some("held for too long")
}
