//! What goes on by itself: deliveries and scans that are due, some at a time; and every minute the retention, the
//! notices, and a look at the vault.
//!
//! The index says what is due; nothing is remembered here but which downstreams do not answer. While one does not, the
//! messages for it are put off by their schedule without being tried; when it answers again, they are due at once. A
//! stop takes nothing new and waits for what is under way. Failure: each message by itself, told in the log.

use super::attempt::Report;
use super::notices::Happening;
use super::outcome::{AWAY, Attempted, Fate, NOT_DUE, enter};
use super::refusal::{Refusal, blocking};
use super::service::Desk;
use crate::mail::Id;
use crate::query::{Query, State, Term, What};
use crate::vault::{Change, Item, Progress, Scope};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

/// Looked at least so often, whatever the index said.
const LOOK: Duration = Duration::from_secs(5);
/// At most so often: the index may be a moment behind.
const LOOK_LEAST: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);
/// Canary: at the start and every so many minutes.
const CANARY_MINUTES: u64 = 60;
/// Messages that are put off, or made due, at once.
const STEP: usize = 200;
/// How long a downstream that does not answer is left alone, doubled each time.
const REST_FIRST: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(60);

/// Items of which nothing could be noted, a damaged file or a full disk: they rest, lest they take the places of others
/// in every round.
#[derive(Default)]
struct Failed(HashMap<Id, Instant>);

impl Failed {
    fn note(&mut self, done: Result<Option<Id>, JoinError>) {
        if let Ok(Some(id)) = done {
            self.0.insert(id, Instant::now() + REST_MAX);
        }
    }

    /// How many rest.
    fn resting(&mut self) -> usize {
        let now = Instant::now();
        self.0.retain(|_, until| *until > now);
        self.0.len()
    }

    fn has(&self, id: Id) -> bool {
        self.0.contains_key(&id)
    }
}

/// What came of an item. The index is behind for a moment, so one that was just seen to may be offered again.
fn tell(id: Id, what: &'static str, said: &str) {
    if said == NOT_DUE {
        tracing::debug!(item = %id, said, "{what}");
    } else {
        tracing::info!(item = %id, said, "{what}");
    }
}

impl Desk {
    /// Delivers what waits, scans what is held, applies retention, sends notices; until `stop` is true. Deliveries under
    /// way are finished first, for as long as `stop`'s drain lasts.
    pub async fn work(self: Arc<Self>, stop: watch::Receiver<bool>) {
        self.unnoted.begin();
        if let Err(refusal) = Box::pin(self.settle_all()).await {
            tracing::warn!(error = refusal.text, "the spool could not be looked through");
        }
        let deliveries = Box::pin(Arc::clone(&self).turn(false, stop.clone()));
        let scans = Box::pin(Arc::clone(&self).turn(true, stop.clone()));
        let house = Box::pin(Arc::clone(&self).keep_house(stop));
        tokio::join!(deliveries, scans, house);
        self.unnoted.end().await;
    }

    /// Takes what is due, one kind of it.
    async fn turn(self: Arc<Self>, held: bool, mut stop: watch::Receiver<bool>) {
        let mut running: JoinSet<Option<Id>> = JoinSet::new();
        let mut failed = Failed::default();
        while !*stop.borrow() {
            while let Some(done) = running.try_join_next() {
                failed.note(done);
            }
            let policy = self.world.policy();
            let together =
                if held { policy.quarantine.hold.concurrency } else { policy.quarantine.spool.concurrency };
            let room = together.max(1).saturating_sub(running.len());
            let mut pause = LOOK;
            if room > 0 {
                pause = self.take_due(held, room, &mut running, &mut failed).await;
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = async { sleep(LOOK_LEAST).await; self.woken(held).await }, if room > 0 => {}
                () = sleep(pause) => {}
                Some(done) = running.join_next() => failed.note(done),
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn woken(&self, held: bool) {
        self.wake(held).notified().await;
    }

    /// Begins what is due. Returns how long to wait if nothing happens.
    async fn take_due(
        self: &Arc<Self>,
        held: bool,
        room: usize,
        running: &mut JoinSet<Option<Id>>,
        failed: &mut Failed,
    ) -> Duration {
        let now = self.now_ms();
        let vault = Arc::clone(&self.vault);
        let most = STEP + failed.resting();
        let due = blocking(move || vault.due(held, now, most)).await;
        let (mut ids, next) = match due.and_then(|due| due.map_err(Refusal::from)) {
            Ok(due) => due,
            Err(refusal) => {
                tracing::error!(error = refusal.text, "it cannot be seen what is due");
                return LOOK;
            }
        };
        ids.retain(|id| !failed.has(*id));
        let fresh: Vec<Id> = ids.iter().copied().filter(|id| !self.under_way.has(*id)).collect();
        let (resting, fresh) = if held { (Vec::new(), fresh) } else { self.sift(fresh).await };
        for id in fresh.into_iter().take(room) {
            let desk = Arc::clone(self);
            running.spawn(async move {
                if held {
                    let looked = Box::pin(desk.looked_again(id, false)).await;
                    let failed = looked.is_err();
                    tell(id, "scanned again", &looked.unwrap_or_else(|refusal| refusal.text));
                    failed.then_some(id)
                } else {
                    let report = Box::pin(desk.attempt(id, false)).await;
                    tell(id, "delivery", &report.said);
                    desk.heard(&report);
                    report.failed.then_some(id)
                }
            });
        }
        self.put_off(resting).await;
        let until = next
            .map_or(LOOK, |next| Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or(0)));
        if ids.is_empty() { until.clamp(LOOK_LEAST, LOOK) } else { LOOK_LEAST }
    }

    /// Those whose downstream rests, and the others.
    async fn sift(&self, ids: Vec<Id>) -> (Vec<Id>, Vec<Id>) {
        let resting = self.away.resting(Instant::now());
        if resting.is_empty() {
            return (Vec::new(), ids);
        }
        let vault = Arc::clone(&self.vault);
        let sifted = blocking(move || {
            let rests = |id: &Id| {
                let item = vault.item(*id).ok();
                let spool = item.as_ref().and_then(|i| i.spool.as_ref());
                spool.is_some_and(|s| resting.contains(&s.downstream))
            };
            ids.into_iter().partition(rests)
        });
        sifted.await.unwrap_or_default()
    }

    /// Counts as an attempt, so that the schedule, the warnings and the end hold for it.
    pub(super) async fn put_off(self: &Arc<Self>, ids: Vec<Id>) {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let mut ended = Vec::new();
        let mut changes = Vec::new();
        for id in ids {
            let Ok(mut item) = self.item(id).await else { continue };
            let due = item.spool.as_ref().is_some_and(|s| s.next_ms <= now && !s.frozen);
            if !due || item.trash.is_some() || self.under_way.has(id) {
                continue;
            }
            let later = Attempted::all(&waiting(&item), &Fate::Later(AWAY.to_owned()));
            let attempted = Attempted { away: true, ..later };
            enter(&mut item, &attempted, now, &policy.quarantine.spool);
            changes.push(Change::Write(Box::new(item.clone())));
            ended.push(item);
        }
        if changes.is_empty() {
            return;
        }
        let results = self.vault.change(changes).await;
        for (item, result) in ended.into_iter().zip(results) {
            // Somebody else changed it: it is looked at again.
            if result.is_ok()
                && let Err(refusal) = Box::pin(self.settle(item)).await
            {
                tracing::warn!(error = refusal.text, "the end of a delivery could not be told");
            }
        }
    }

    /// What an attempt says about its downstream.
    pub(super) fn heard(self: &Arc<Self>, report: &Report) {
        if let Some(name) = &report.away {
            self.away.failed(name, Instant::now(), REST_FIRST, REST_MAX);
        }
        if let Some(name) = &report.back
            && self.away.answered(name)
        {
            tracing::info!(downstream = name, "the downstream answers again: what waits for it is due now");
            let (desk, name) = (Arc::clone(self), name.clone());
            tokio::spawn(async move {
                if let Err(refusal) = Box::pin(desk.make_due(&name)).await {
                    tracing::warn!(error = refusal.text, "what waits could not be made due");
                }
            });
        }
    }

    /// Everything that waits for this downstream only because it was away is due now.
    async fn make_due(self: &Arc<Self>, downstream: &str) -> Result<(), Refusal> {
        let mut after = i64::MIN;
        loop {
            let vault = Arc::clone(&self.vault);
            let step: Vec<(Id, i64)> = blocking(move || {
                let waits = Term { not: false, what: What::State(State::Spooled) };
                vault.ids(&Query { terms: vec![waits] }, Scope::Everything, after, STEP)
            })
            .await??;
            let Some((_, last)) = step.last() else { return Ok(()) };
            after = *last;
            let (vault, downstream, now) = (Arc::clone(&self.vault), downstream.to_owned(), self.now_ms());
            let changes: Vec<Change> = blocking(move || {
                let items = step.into_iter().filter_map(|(id, _)| vault.item(id).ok());
                items.filter_map(|item| sooner(item, &downstream, now)).collect()
            })
            .await?;
            // Who was faster knows better.
            let _ = self.vault.change(changes).await;
            self.nudge();
            self.give_way().await;
        }
    }

    /// Every minute, and when the rules are others.
    async fn keep_house(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut minute: u64 = 0;
        while !*stop.borrow() {
            let watched = minute.is_multiple_of(CANARY_MINUTES);
            self.look_after(watched).await;
            minute += 1;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = sleep(MINUTE) => {}
                () = self.other_rules() => {}
            }
        }
    }

    /// Until there are other rules: a block that sweeps does so at once.
    async fn other_rules(&self) {
        let before = self.world.policy();
        while Arc::ptr_eq(&before, &self.world.policy()) {
            sleep(LOOK_LEAST).await;
        }
    }

    pub(super) async fn look_after(self: &Arc<Self>, canary: bool) {
        if let Err(refusal) = Box::pin(self.prune(false, None, &mut 0)).await {
            tracing::error!(error = refusal.text, "retention could not be applied");
        }
        Box::pin(self.sweep()).await;
        if canary {
            let vault = Arc::clone(&self.vault);
            if let Ok(Some(found)) = blocking(move || vault.canary()).await {
                self.notices.note(Happening::general(found, self.now_ms()));
            }
        }
        let vault = Arc::clone(&self.vault);
        let free = blocking(move || vault.free()).await.ok().flatten();
        let troubles = self.troubles(free);
        self.notices.lasting(troubles, self.now_ms());
        if let Err(refusal) = Box::pin(self.tell_admin()).await {
            tracing::error!(error = refusal.text, "the admin could not be told");
        }
    }

    /// What lasts until somebody does something about it.
    fn troubles(&self, free: Option<u64>) -> Vec<String> {
        let report = self.vault.report();
        let policy = self.world.policy();
        let mut out = report.troubles;
        for folder in &policy.quarantine.folders {
            let (items, octets) = self.vault.folder(&folder.name);
            if items >= folder.max_items || octets >= folder.max_octets {
                out.push(format!(
                    "folder {} is full: delete, or raise max_messages and max_bytes in quarantine.toml",
                    folder.name
                ));
            }
        }
        let unnoted = self.unnoted().count;
        if unnoted > 0 {
            out.push(format!(
                "{unnoted} deliveries cannot be noted: make room on the volume of the quarantine"
            ));
        }
        if free.is_some_and(|free| free < policy.quarantine.disk.warn) {
            out.push("little room is left on the volume of the quarantine: make room".to_owned());
        }
        out
    }
}

/// Due now, if it waits only because this downstream was away.
fn sooner(mut item: Item, downstream: &str, now_ms: i64) -> Option<Change> {
    let trash = item.trash.is_some();
    let spool = item.spool.as_mut().filter(|s| s.downstream == downstream && !s.frozen && !trash)?;
    if spool.next_ms <= now_ms || !spool.last.as_ref()?.said.starts_with(AWAY) {
        return None;
    }
    spool.next_ms = now_ms;
    Some(Change::Write(Box::new(item)))
}

fn waiting(item: &Item) -> Vec<String> {
    let all = item.spool.iter().flat_map(|s| &s.deliveries);
    all.filter(|d| d.progress == Progress::Waiting).map(|d| d.rcpt.clone()).collect()
}
