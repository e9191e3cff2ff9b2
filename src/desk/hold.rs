//! Mail that waits for a scanner: scanned again by itself. Clean: delivered at once. Infected: folder `virus`, and the
//! admin hears of it; never a bounce. No answer: tried again, and told once when it takes too long.

use super::edit::Decision;
use super::notices::Happening;
use super::refusal::Refusal;
use super::service::Desk;
use super::spooling::{OURSELVES, SPOOL, VIRUS, deliveries, downstream_of, millis, spool};
use crate::config::model::{Lane, Policy};
use crate::mail::{Id, escape_at_most};
use crate::rules::Mode;
use crate::scan::{Input, Job, Results, ScanVerdict, scan};
use crate::vault::{Attempt, FindingView, Item, SpoolCause};
use std::sync::Arc;
use tokio::time::Instant;

/// Characters of a scanner's words that are kept.
const SAID_CHARS: usize = 300;

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scanned {
    /// Nothing found, by every scanner.
    Clean,
    /// Found, and what.
    Infected(String),
    /// Some scanner gave no answer, and none found anything.
    Unknown(String),
}

impl Desk {
    /// Scans a message with every scanner.
    pub(super) async fn scan(&self, item: &Item) -> Scanned {
        let body = match Box::pin(self.vault.body(item, &self.budget)).await {
            Ok(body) => body,
            Err(error) => return Scanned::Unknown(format!("the message cannot be read: {error}")),
        };
        let deadline = Instant::now() + self.world.policy().timeouts.after_data;
        let job = Job { input: Input::Message(&body), envelope: None, deadline };
        let scanners = self.world.scanners();
        let results = Box::pin(scan(&scanners, job)).await;
        outcome(&results, item.hold.is_some())
    }

    /// Scans a held message if it is due. Returns what is to be said.
    pub(super) async fn look_again(self: &Arc<Self>, id: Id, forced: bool) -> String {
        let Some(claim) = self.under_way.claim(id) else { return "a scan of it is under way".to_owned() };
        let item = match self.item(id).await {
            Ok(item) => item,
            Err(refusal) => return refusal.text,
        };
        let due = item.hold.as_ref().is_some_and(|h| forced || h.next_ms <= self.now_ms());
        if !due || item.trash.is_some() {
            return "not due".to_owned();
        }
        let scanned = Box::pin(self.scan(&item)).await;
        let done = self.after_scan(id, &scanned, OURSELVES).await;
        drop(claim);
        match (done, scanned) {
            (Err(refusal), _) => refusal.text,
            (Ok(_), Scanned::Infected(what)) => format!("infected: {what}: moved to {VIRUS}"),
            (Ok(_), Scanned::Unknown(what)) => format!("not scanned, still held: {what}"),
            (Ok(false), Scanned::Clean) => "clean".to_owned(),
            (Ok(true), Scanned::Clean) => {
                let report = Box::pin(self.attempt(id, true)).await;
                self.heard(&report);
                format!("clean; {}", report.said)
            }
        }
    }

    /// Enters what a scan came to. True: it is to be delivered now.
    pub(super) async fn after_scan(&self, id: Id, scanned: &Scanned, by: &str) -> Result<bool, Refusal> {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let mut news = None;
        let (item, _) = self
            .edit(id, |item| {
                news = enter(item, scanned, by, now, &policy);
                Decision::Write
            })
            .await?;
        if let Some(what) = news {
            let said = match scanned {
                Scanned::Clean => "clean",
                Scanned::Infected(what) | Scanned::Unknown(what) => what,
            };
            self.notices.note(Happening::of(what, &item, said, now));
        }
        Ok(item.folder == SPOOL && item.waiting() > 0)
    }
}

/// What all results together say: what was found beats what is not known. A scanner that is only told of, or that was
/// switched off, is not waited for. Held mail goes on where the lane of a silent scanner lets mail pass; mail that an admin
/// releases has to be looked at by all that find malware, whatever the lane of new mail is.
fn outcome(results: &Results, held: bool) -> Scanned {
    let mut unknown = None;
    for result in results.iter().filter(|r| r.rules.mode == Mode::On) {
        let Some(verdict) = &result.verdict else { continue };
        let said =
            || escape_at_most(format!("{}: {}", result.rules.name, verdict.words()).as_bytes(), SAID_CHARS);
        if matches!(verdict, ScanVerdict::Infected(_)) {
            return Scanned::Infected(said());
        }
        let too_large = matches!(verdict, ScanVerdict::TooLarge);
        let lane = if too_large { result.rules.on_too_large } else { result.rules.on_error };
        let needed = lane != Lane::PassTagged || (!held && result.rules.finds_malware());
        if !verdict.is_answer() && needed {
            unknown.get_or_insert_with(said);
        }
    }
    unknown.map_or(Scanned::Clean, Scanned::Unknown)
}

/// Changes a message by a scan. Returns what the admin has to hear of.
fn enter(item: &mut Item, scanned: &Scanned, by: &str, now_ms: i64, policy: &Policy) -> Option<&'static str> {
    match scanned {
        Scanned::Infected(what) => {
            let held = item.hold.take().is_some();
            item.happened(now_ms, by, format!("scanned again, infected: {what}"));
            let (id, text) = what.split_once(": ").unwrap_or(("", what));
            item.findings.push(FindingView {
                id: id.to_owned(),
                verdict: "quarantine".to_owned(),
                text: text.to_owned(),
                ..FindingView::default()
            });
            if item.folder != VIRUS {
                item.happened(now_ms, by, format!("moved from {} to {VIRUS}", item.folder));
                VIRUS.clone_into(&mut item.folder);
                id.clone_into(&mut item.rule);
                text.clone_into(&mut item.reason);
            }
            held.then_some("infected, found after a hold")
        }
        Scanned::Clean => {
            item.happened(now_ms, by, "scanned again, clean");
            if item.hold.take().is_some() {
                let deliveries = deliveries(&item.recipients);
                let to = downstream_of(item, policy);
                let rules = &policy.quarantine.spool;
                item.spool = Some(spool(SpoolCause::Rescanned, deliveries, to, now_ms, rules));
                SPOOL.clone_into(&mut item.folder);
            }
            None
        }
        Scanned::Unknown(what) => {
            let Some(hold) = &mut item.hold else {
                item.happened(now_ms, by, format!("could not be scanned again: {what}"));
                return None;
            };
            hold.scans = hold.scans.saturating_add(1);
            hold.next_ms = now_ms.saturating_add(millis(policy.quarantine.hold.retry));
            let before = hold.last.replace(Attempt { at_ms: now_ms, said: what.clone() });
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
    }
}
