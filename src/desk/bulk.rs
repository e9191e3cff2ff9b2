//! Work on many messages: in steps of a few hundred, in the background, with progress, cancelled at any time.
//!
//! Never are all references in memory: the index hands them out in order of time. Mail comes first: between two steps
//! the work pauses, and it waits while the vault has many changes to enter. What fails with one message is told and
//! leaves the others alone; where the rest cannot be had, the work ends as it always does, and says so.

use super::edit::Decision;
use super::jobs::Ticket;
use super::pace::Pace;
use super::refusal::{Refusal, blocking};
use super::request::{Answer, Pick};
use super::service::Desk;
use super::tally::Tally;
use crate::mail::Id;
use crate::query::Query;
use crate::vault::{Change, Item, Mark, PageRequest, Scope, VaultError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// For so many the index is read ahead.
const MANY: u64 = 10_000;
/// Between two steps of any work, at least.
const PAUSE: Duration = Duration::from_millis(2);
/// While the vault is so many changes behind, bulk work waits.
const BEHIND_MAX: u64 = 1_000;
/// Messages that are spoken of one by one.
const MESSAGES_MAX: usize = 100;
/// Messages shown where nothing is done.
const SAMPLE: usize = 10;

/// One piece of work.
pub(super) struct Run<'a> {
    desk: &'a Arc<Desk>,
    query: Query,
    scope: Scope,
    after: i64,
    /// Of the next steps.
    ahead: VecDeque<(Id, i64)>,
    pace: Pace,
    ticket: Ticket,
    answers: &'a mpsc::Sender<Answer>,
    tally: Tally,
}

impl Desk {
    /// Begins work on all that match.
    pub(super) async fn begin<'a>(
        self: &'a Arc<Self>,
        verb: &'static str,
        by: &str,
        pick: &Pick,
        answers: &'a mpsc::Sender<Answer>,
    ) -> Result<Run<'a>, Refusal> {
        let (vault, query, scope) = (Arc::clone(&self.vault), pick.query.clone(), pick.scope);
        let (total, _) = blocking(move || vault.count(&query, scope)).await??;
        if total == 0 {
            return Err(Refusal::nothing("no message matches"));
        }
        let ticket = self.ticket(verb, by, total)?;
        if total >= MANY {
            let (vault, job) = (Arc::clone(&self.vault), Arc::downgrade(ticket.running()));
            // Beside the work, and over with it.
            drop(tokio::task::spawn_blocking(move || vault.warm(&|| job.strong_count() > 0)));
        }
        Ok(Run {
            desk: self,
            query: pick.query.clone(),
            scope: pick.scope,
            after: i64::MIN,
            ahead: VecDeque::new(),
            pace: Pace::new(self.world.messages()),
            ticket,
            answers,
            tally: Tally::default(),
        })
    }

    /// A place in the list of jobs.
    pub(super) fn ticket(&self, verb: &'static str, by: &str, total: u64) -> Result<Ticket, Refusal> {
        let ticket = self.jobs.begin(verb, by, self.now_ms(), total);
        ticket.ok_or_else(|| Refusal::new("too many jobs run already: wait for one, or `cancel` one"))
    }

    /// What would be worked on.
    pub(super) async fn preview(&self, pick: &Pick) -> Result<Answer, Refusal> {
        let (vault, query, scope) = (Arc::clone(&self.vault), pick.query.clone(), pick.scope);
        blocking(move || {
            let (items, octets) = vault.count(&query, scope)?;
            let page = PageRequest { query, scope, rows: SAMPLE, ..PageRequest::default() };
            let sample = vault.page(&page)?.rows;
            Ok(Answer::Count { items, octets, sample })
        })
        .await?
    }

    /// Lets mail go first.
    pub(super) async fn give_way(&self) {
        sleep(PAUSE).await;
        while self.vault.report().behind > BEHIND_MAX {
            sleep(PAUSE * 10).await;
        }
    }
}

impl Run<'_> {
    /// The messages of the next step; `None` at the end, when it was cancelled, and where the rest cannot be had: what
    /// was done before stands, and the outcome says why it stopped.
    pub(super) async fn next(&mut self) -> Option<Vec<Item>> {
        while let Some(places) = self.step().await {
            let items = self.read(places).await;
            if !items.is_empty() {
                return Some(items);
            }
        }
        None
    }

    /// The same without reading them.
    pub(super) async fn step(&mut self) -> Option<Vec<(Id, i64)>> {
        if self.tally.is_stopped() {
            return None;
        }
        match self.places().await {
            Ok(places) => places,
            Err(refusal) => {
                self.tally.stop(&refusal);
                None
            }
        }
    }

    /// The next step is behind this place.
    pub(super) fn go_on_behind(&mut self, order: i64) {
        self.after = order;
        self.ahead.clear();
    }

    /// References with their places in the index.
    async fn places(&mut self) -> Result<Option<Vec<(Id, i64)>>, Refusal> {
        if self.ticket.is_cancelled() {
            self.tally.outcome.cancelled = true;
            return Ok(None);
        }
        if let Some(pause) = self.pace.pause(self.desk.world.messages()) {
            self.tell();
            sleep(pause).await;
            self.desk.give_way().await;
        }
        let most = self.pace.begin();
        if self.ahead.is_empty() {
            let (vault, query, scope, after) =
                (Arc::clone(&self.desk.vault), self.query.clone(), self.scope, self.after);
            let ahead = self.pace.ahead();
            self.ahead = blocking(move || vault.ids(&query, scope, after, ahead)).await??.into();
            let Some((_, last)) = self.ahead.back() else { return Ok(None) };
            self.after = *last;
        }
        let step: Vec<(Id, i64)> = self.ahead.drain(..most.min(self.ahead.len())).collect();
        self.ticket.running().add(step.len() as u64);
        Ok(Some(step))
    }

    /// Reads messages; what cannot be read is told.
    pub(super) async fn read(&mut self, places: Vec<(Id, i64)>) -> Vec<Item> {
        if places.is_empty() {
            return Vec::new();
        }
        let vault = Arc::clone(&self.desk.vault);
        let read = blocking(move || {
            let ids = places.into_iter().map(|(id, _)| id);
            ids.map(|id| (id, vault.item(id))).collect::<Vec<_>>()
        });
        let read = match read.await {
            Ok(read) => read,
            Err(refusal) => {
                self.tally.stop(&refusal);
                return Vec::new();
            }
        };
        let mut items = Vec::new();
        for (id, item) in read {
            match item {
                Ok(item) => items.push(item),
                Err(VaultError::Missing(_)) => self.skip(id, "gone meanwhile"),
                Err(error) => self.skip(id, &error.to_string()),
            }
        }
        items
    }

    /// Puts a mark on the messages of a step, durable on return, without reading them. Those that need it are read and
    /// given to `act`, which does the same to them, or says why not.
    pub(super) async fn mark(
        &mut self,
        places: Vec<(Id, i64)>,
        mark: &Mark,
        act: impl FnMut(&mut Item) -> Decision,
    ) {
        let mark = Arc::new(mark.clone());
        let (mut changes, mut tried, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for place in places {
            if self.desk.under_way.has(place.0) {
                others.push(place);
                continue;
            }
            changes.push(Change::Mark { id: place.0, order: place.1, mark: Arc::clone(&mark) });
            tried.push(place);
        }
        for (place, result) in tried.into_iter().zip(self.desk.vault.change(changes).await) {
            match result {
                Ok(()) => self.changed(),
                Err(VaultError::Conflict(_)) => others.push(place),
                Err(error) => self.skip(place.0, &error.to_string()),
            }
        }
        let items = self.read(others).await;
        self.apply(items, act).await;
    }

    /// Changes the messages of a step, durable on return. Where somebody else was faster, `act` is asked again.
    /// Returns those that were changed, as they are now.
    pub(super) async fn apply(
        &mut self,
        items: Vec<Item>,
        mut act: impl FnMut(&mut Item) -> Decision,
    ) -> Vec<Item> {
        let (mut changes, mut tried) = (Vec::new(), Vec::new());
        for mut item in items {
            let id = item.id;
            match act(&mut item) {
                Decision::Leave(why) => self.skip(id, &why),
                Decision::Write => {
                    changes.push(Change::Write(Box::new(item.clone())));
                    tried.push(item);
                }
                Decision::Remove => {
                    changes.push(Change::Remove { id, version: item.version });
                    tried.push(item);
                }
            }
        }
        if changes.is_empty() {
            return Vec::new();
        }
        let mut changed = Vec::with_capacity(tried.len());
        let results = self.desk.vault.change(changes).await;
        for (item, result) in tried.into_iter().zip(results) {
            let id = item.id;
            let done = match result {
                Ok(()) => Ok((item, Decision::Write)),
                Err(VaultError::Conflict(_)) => self.desk.edit(id, &mut act).await,
                Err(error) => Err(error.into()),
            };
            match done {
                Ok((_, Decision::Leave(why))) => self.skip(id, &why),
                Ok((item, Decision::Write | Decision::Remove)) => {
                    self.tally.outcome.changed += 1;
                    changed.push(item);
                }
                Err(refusal) => self.skip(id, &refusal.text),
            }
        }
        changed
    }

    /// Left alone.
    pub(super) fn skip(&mut self, id: Id, why: &str) {
        self.tally.skip(id, why);
    }

    /// Something that is said of one message.
    pub(super) fn say(&mut self, id: Id, what: String) {
        if self.room() > 0 {
            self.tally.outcome.messages.push((id, what));
        }
    }

    /// One message was changed in another way than by [`Self::apply`].
    pub(super) fn changed(&mut self) {
        self.tally.outcome.changed += 1;
    }

    /// Changed as was asked for, but in vain: it was to be delivered, and that failed for good.
    pub(super) fn failed(&mut self) {
        self.tally.fail();
    }

    /// How many were changed.
    pub(super) fn done(&self) -> u64 {
        self.tally.outcome.changed
    }

    /// How many more can be spoken of.
    pub(super) fn room(&self) -> usize {
        MESSAGES_MAX.saturating_sub(self.tally.outcome.messages.len())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.ticket.is_cancelled()
    }

    /// Whether the rest cannot be done.
    pub(super) fn is_stopped(&self) -> bool {
        self.tally.is_stopped()
    }

    /// Tells how far it is.
    pub(super) fn tell(&self) {
        self.ticket.tell(self.answers);
    }

    /// The end. Whoever looks at a list then sees what was done.
    pub(super) async fn finish(self) -> Answer {
        let vault = Arc::clone(&self.desk.vault);
        // Where files and index cannot be written, what was done is durable all the same, and `status` says so.
        let _ = blocking(move || vault.catch_up()).await;
        self.desk.conclude(&self.ticket, self.tally)
    }

    /// The end of something that can be taken back by name.
    pub(super) async fn finish_batch(mut self, batch: String) -> Answer {
        let outcome = &mut self.tally.outcome;
        outcome.batch = Some(batch).filter(|_| outcome.changed > 0);
        self.finish().await
    }
}
