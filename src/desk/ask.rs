//! Verbs that only read: lists, groups, figures; and making the index anew.

use super::refusal::{Refusal, blocking};
use super::request::{Answer, Outcome, Pick};
use super::service::Desk;
use crate::vault::{FolderStats, PageRequest, Stats};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Rows of one page at most.
const ROWS_MAX: usize = 1_000;
/// Groups at most.
const GROUPS_MAX: usize = 1_000;
const DAY_SECONDS: u64 = 86_400;
/// Between two progress answers.
const TOLD_EVERY: Duration = Duration::from_millis(200);

impl Desk {
    /// One page.
    pub(super) async fn list(&self, mut page: PageRequest) -> Result<Answer, Refusal> {
        page.rows = page.rows.clamp(1, ROWS_MAX);
        let vault = Arc::clone(&self.vault);
        Ok(Answer::Page(blocking(move || vault.page(&page)).await??))
    }

    /// Near-identical messages.
    pub(super) async fn groups(&self, pick: Pick, most: usize) -> Result<Answer, Refusal> {
        let vault = Arc::clone(&self.vault);
        let most = most.clamp(1, GROUPS_MAX);
        let (groups, of) = blocking(move || vault.groups(&pick.query, pick.scope, most)).await??;
        Ok(Answer::Groups { groups, of })
    }

    /// Figures, with the caps of the folders.
    pub(super) async fn stats(&self) -> Result<Answer, Refusal> {
        let vault = Arc::clone(&self.vault);
        let mut stats: Stats = blocking(move || vault.stats()).await??;
        let policy = self.world.policy();
        for figures in &mut stats.folders {
            let spool = &policy.quarantine.spool;
            let caps = policy.quarantine.folders.iter().find(|f| *f.name == *figures.folder);
            let caps = caps.map(|f| (f.max_items, f.max_octets));
            let caps = caps.or((figures.folder == "spool").then_some((spool.max_items, spool.max_octets)));
            if let Some((items, octets)) = caps {
                fill(figures, items, octets);
            }
        }
        Ok(Answer::Stats(Box::new(stats)))
    }

    /// Makes the index anew.
    pub(super) async fn rebuild(
        self: &Arc<Self>,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        let ticket = self.ticket("rebuild", by, 0)?;
        let (vault, running) = (Arc::clone(&self.vault), Arc::clone(ticket.running()));
        let mut work = Box::pin(blocking(move || vault.rebuild(&|read| running.at(read))));
        loop {
            tokio::select! {
                done = &mut work => {
                    let changed = done??;
                    tracing::info!(by, items = changed, "the index was made anew");
                    return Ok(Answer::Done(Outcome { changed, ..Outcome::default() }));
                }
                () = tokio::time::sleep(TOLD_EVERY) => {
                    ticket.tell(answers);
                }
            }
        }
    }
}

/// Caps, and when the first of them is reached at the speed of the last day.
fn fill(figures: &mut FolderStats, max_items: u64, max_octets: u64) {
    figures.max_items = Some(max_items);
    figures.max_octets = Some(max_octets);
    let until = |now: u64, most: u64, day: u64| {
        let seconds = u128::from(most.saturating_sub(now)) * u128::from(DAY_SECONDS);
        (day > 0).then(|| u64::try_from(seconds / u128::from(day)).unwrap_or(u64::MAX))
    };
    let items = until(figures.items, max_items, figures.day_items);
    let octets = until(figures.octets, max_octets, figures.day_octets);
    figures.seconds_to_full = items.into_iter().chain(octets).min();
}
