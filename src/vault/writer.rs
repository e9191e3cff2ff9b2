//! The two threads of the vault. The *journal thread* takes all changes that wait, compares their versions, appends them
//! and flushes once for all, and only then answers. The *applying thread* follows with files and index.
//!
//! Owner of the journal, and of the order of all changes. Between the threads lie at most [`BEHIND_MAX`] changes:
//! then the journal thread waits, and with it everybody who has a change. Failure: an append that fails is answered to
//! all who shared it, and the next one is tried as if nothing had been; an applying step that fails is tried again every
//! second, for what is in the journal is said to be ours; when the queue between is full meanwhile, changes are
//! refused.

use super::apply::{self, Accepted};
use super::core::{Core, Newest};
use super::disk::failed;
use super::error::VaultError;
use super::index::Glance;
use super::intake::{Incoming, Ready, ReadyBody};
use super::item::Item;
use super::journal::{self, Journal};
use super::limits::BATCH_MAX;
use super::mark::Mark;
use super::record::{BodyAt, Record, What};
use super::tally::Counted;
use crate::mail::Id;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Octets in one flush, about.
const BATCH_OCTETS: usize = 8 << 20;
/// Changes that are durable and not in files and index yet.
const BEHIND_MAX: u64 = 4096;
const BEHIND_OCTETS: usize = 64 << 20;
/// Where several shared the last flush, the next one waits so long at most for them to come back with more; it never
/// waits longer than a quarter of what that flush took.
const COMPANY_MAX: Duration = Duration::from_millis(2);
/// Pause before a step that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the journal thread is asked.
pub(super) enum Job {
    Change(Vec<Proposal>, oneshot::Sender<Vec<Result<(), VaultError>>>),
    /// A body that nobody wants any more.
    Forget(Incoming),
    Close,
}

/// A change that somebody wants.
pub(super) enum Proposal {
    Put(Ready),
    /// The item with its new version, and its file.
    Write(Arc<Item>, Arc<Vec<u8>>),
    Remove(Id, u64),
    /// The item as it is, with what its marks say, and its file: nothing becomes another by it, but its marks go.
    Fold(Arc<Item>, Arc<Vec<u8>>),
    /// A mark on what the index had when everything up to this sequence number was in it.
    Mark(Box<Glance>, Arc<Mark>, u64),
    /// It could not even be made ready.
    Hopeless(VaultError),
}

/// What the applying thread is told.
pub(super) enum Order {
    Apply(Vec<Accepted>),
    /// Everything before is in older segments than this one.
    Turned(u64),
}

/// The journal thread.
pub(super) struct Writer {
    pub(super) core: Arc<Core>,
    pub(super) journal: Journal,
    pub(super) applier: SyncSender<Order>,
    /// Most changes in one flush.
    pub(super) batch_max: usize,
}

/// Those of one flush.
#[derive(Default)]
struct Batch {
    accepted: Vec<Accepted>,
    /// The newest state of items that are in it.
    newest: HashMap<Id, Option<Counted>>,
    octets: usize,
}

/// Where the answers of one job go, and what they are so far.
struct Answer {
    results: Vec<Result<(), VaultError>>,
    tell: oneshot::Sender<Vec<Result<(), VaultError>>>,
}

impl Writer {
    /// Until it is told to close. Gives the journal back.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> Journal {
        let (mut open, mut company) = (true, Duration::ZERO);
        while open {
            let Some(first) = jobs.blocking_recv() else { break };
            std::thread::sleep(company);
            let (mut batch, mut answers) = (Batch::default(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                open &= self.take(job, &mut batch, &mut answers);
                let more = open && batch.accepted.len() < self.batch_max && batch.octets < BATCH_OCTETS;
                next = if more { jobs.try_recv().ok() } else { None };
            }
            let (several, begun) = (answers.len() > 1, Instant::now());
            self.flush(batch, answers);
            company = if several { (begun.elapsed() / 4).min(COMPANY_MAX) } else { Duration::ZERO };
        }
        // Whoever still waits hears that it is closed, when the channel goes.
        self.journal
    }

    /// False is the end.
    fn take(&self, job: Job, batch: &mut Batch, answers: &mut Vec<Answer>) -> bool {
        match job {
            Job::Change(proposals, tell) => {
                let results = proposals.into_iter().map(|p| batch.take(&self.core, p)).collect();
                answers.push(Answer { results, tell });
                true
            }
            Job::Forget(incoming) => {
                drop(incoming);
                true
            }
            Job::Close => false,
        }
    }

    fn flush(&mut self, mut batch: Batch, answers: Vec<Answer>) {
        let number = self.journal.number();
        let done = if batch.accepted.is_empty() { Ok(()) } else { self.append(&mut batch) };
        let failed = done.err();
        for Answer { mut results, tell } in answers {
            if let Some(error) = &failed {
                results.iter_mut().filter(|r| r.is_ok()).for_each(|r| *r = Err(error.again()));
            }
            // Nobody listens any more where a session ended: it is ours all the same.
            let _ = tell.send(results);
        }
        if failed.is_none() && !batch.accepted.is_empty() {
            self.order(Order::Apply(batch.accepted));
        }
        if self.journal.is_full()
            && let Err(error) = self.journal.turn(self.core.last_order())
        {
            tracing::debug!(%error, "the journal goes on in the old segment");
        }
        if self.journal.number() != number {
            self.order(Order::Turned(self.journal.number()));
        }
    }

    fn order(&self, order: Order) {
        // The applying thread ends after this one only.
        let _ = self.applier.send(order);
    }

    fn append(&mut self, batch: &mut Batch) -> Result<(), VaultError> {
        self.room()?;
        let mut records: Vec<&mut Record> = batch.accepted.iter_mut().map(|a| &mut a.record).collect();
        let done = self.journal.append(&mut records, self.core.last_order());
        if let Err(refused) = done {
            if !refused.clean {
                // The journal may name them after a crash.
                batch.accepted.iter_mut().filter_map(|a| a.incoming.take()).for_each(Incoming::keep);
            }
            let text = refused.error.to_string();
            if self.core.state().refusing.replace(text.clone()).is_none() {
                tracing::error!("messages are put off: {text}");
            }
            return Err(refused.error);
        }
        let mut state = self.core.state();
        state.deeds += batch.accepted.iter().filter(|accepted| accepted.is_deed()).count() as u64;
        for accepted in &mut batch.accepted {
            accepted.show(&self.core, &mut state);
            if let Some(incoming) = accepted.incoming.take() {
                incoming.keep();
            }
        }
        state.durable = self.journal.last();
        state.refusing = None;
        Ok(())
    }

    /// Waits until the applying thread is not too far behind.
    fn room(&self) -> Result<(), VaultError> {
        let mut state = self.core.state();
        while state.durable - state.applied >= BEHIND_MAX || state.behind_octets >= BEHIND_OCTETS {
            if let Some(error) = &state.stuck {
                return Err(error.again());
            }
            state = self.core.wait(state);
        }
        Ok(())
    }
}

impl Batch {
    fn take(&mut self, core: &Arc<Core>, proposal: Proposal) -> Result<(), VaultError> {
        let accepted = match proposal {
            Proposal::Hopeless(error) => return Err(error),
            Proposal::Put(ready) => self.put(core, ready)?,
            Proposal::Write(item, sealed) => {
                let old = self.old(core, item.id, item.version - 1)?;
                if !old.may_become(&item) {
                    return Err(VaultError::Conflict(item.id));
                }
                let what = What::Write(sealed, BodyAt::There);
                Accepted::new(item.id, item.version, what, Some(item), Some(old))
            }
            Proposal::Fold(item, sealed) => {
                let old = self.old(core, item.id, item.version)?;
                if !old.may_become(&item) || !core.state().marks.has(item.id) {
                    return Err(VaultError::Conflict(item.id));
                }
                let what = What::Write(sealed, BodyAt::There);
                Accepted::new(item.id, item.version, what, Some(item), Some(old))
            }
            Proposal::Remove(id, version) => {
                let old = self.old(core, id, version)?;
                let what = What::Remove(old.digest.clone());
                Accepted::new(id, version + 1, what, None, Some(old))
            }
            Proposal::Mark(glance, mark, seen) => self.mark(core, &glance, mark, seen)?,
        };
        self.octets += accepted.octets();
        if let What::Write(_, BodyAt::Inline(_, octets)) = &accepted.record.what {
            self.octets += octets.len();
        }
        self.newest.insert(accepted.record.id, accepted.new.clone());
        self.accepted.push(accepted);
        Ok(())
    }

    fn put(&self, core: &Core, ready: Ready) -> Result<Accepted, VaultError> {
        let Ready { item, sealed, body } = ready;
        let known = match self.newest.get(&item.id) {
            Some(newest) => newest.is_some(),
            None => match core.state().newer.get(&item.id) {
                Some(newer) => !matches!(newer.what, Newest::Gone),
                None => is_there(&core.layout.item(item.id))?,
            },
        };
        if known {
            return Err(VaultError::Conflict(item.id));
        }
        let digest = item.digest.clone();
        let (body, incoming, share) = match body {
            ReadyBody::Memory(octets, share) => (BodyAt::Inline(digest, octets), None, Some(share)),
            ReadyBody::File(file) => (BodyAt::Incoming(digest, file.name.clone()), Some(file), None),
        };
        let accepted = Accepted::new(item.id, item.version, What::Write(sealed, body), Some(item), None);
        Ok(Accepted { incoming, _share: share, ..accepted })
    }

    /// Only where nothing happened to the item since the index was asked, and nothing is on its way to it: whoever asks
    /// otherwise reads the item and writes it.
    fn mark(&self, core: &Core, glance: &Glance, mark: Arc<Mark>, seen: u64) -> Result<Accepted, VaultError> {
        let (id, state) = (glance.id, core.state());
        let moved = self.newest.contains_key(&id)
            || state.newer.contains_key(&id)
            || state.recent.changed(id, seen)
            || state.rebuilding.is_some();
        if moved || state.marks.len() + self.accepted.len() >= core.limits.marks_max {
            return Err(VaultError::Conflict(id));
        }
        let old = Counted::of_glance(glance);
        let new = old.marked(&mark);
        let record = Record { sequence: 0, id, version: new.version, what: What::Mark(glance.order, mark) };
        Ok(Accepted { record, item: None, old: Some(old), new: Some(new), incoming: None, _share: None })
    }

    /// The state that a change was made from, if it is the newest.
    fn old(&self, core: &Core, id: Id, version: u64) -> Result<Counted, VaultError> {
        let old = match self.newest.get(&id) {
            // Of what was marked in this batch not everything is known here.
            Some(Some(marked)) if marked.is_glance() => return Err(VaultError::Conflict(id)),
            Some(newest) => newest.clone().ok_or(VaultError::Missing(id))?,
            None => Counted::of(core.item(id)?.as_ref()),
        };
        if old.version == version { Ok(old) } else { Err(VaultError::Conflict(id)) }
    }
}

fn is_there(path: &Path) -> Result<bool, VaultError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(failed("look for", path, e)),
    }
}

impl Accepted {
    fn new(id: Id, version: u64, what: What, item: Option<Arc<Item>>, old: Option<Counted>) -> Self {
        let new = item.as_deref().map(Counted::of);
        let record = Record { sequence: 0, id, version, what };
        Self { record, item, old, new, incoming: None, _share: None }
    }
}

/// The applying thread: until the journal thread is gone and everything is applied. Whether that was done, and all of it
/// is durable.
pub(super) fn run_applier(core: &Arc<Core>, orders: &Receiver<Order>) -> bool {
    let _ending = Ending(core);
    while let Ok(order) = orders.recv() {
        let mut turned = None;
        match order {
            Order::Turned(number) => turned = Some(number),
            Order::Apply(mut batch) => {
                // What waits already goes into the same transaction.
                while batch.len() < BATCH_MAX && turned.is_none() {
                    match orders.try_recv() {
                        Ok(Order::Apply(more)) => batch.extend(more),
                        Ok(Order::Turned(number)) => turned = Some(number),
                        Err(_) => break,
                    }
                }
                if !insist(core, || apply::apply(core, &batch)) {
                    return false;
                }
            }
        }
        if turned.is_some() && !insist(core, || checkpoint(core, turned)) {
            return false;
        }
    }
    insist(core, || checkpoint(core, None))
}

/// However the thread ends: nobody waits for it any more.
struct Ending<'a>(&'a Core);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state().stuck.get_or_insert(VaultError::Closed);
        self.0.changed.notify_all();
    }
}

/// Files and index are durable behind this, and the segments below `number` go.
pub(super) fn checkpoint(core: &Core, number: Option<u64>) -> Result<(), VaultError> {
    let extent = {
        let mut log = core.applying();
        let marks = core.state().marks.len();
        if log.is_stale(marks) {
            let all = core.state().marks.all();
            log.renew(&core.disk, &core.layout, &all)?;
        }
        log.extent()
    };
    core.disk.flush_volume(&core.layout.root)?;
    // Before the journal goes that has the same.
    core.applying().note(&core.disk, extent)?;
    // While the index is being made anew a crash makes it anew once more, from the files.
    if core.state().rebuilding.is_none() {
        core.disk.other(&core.layout.index)?;
        core.index.settle()?;
    }
    number.map_or(Ok(()), |number| journal::remove_below(&core.disk, &core.layout, number))
}

/// Tries until it works; false where the vault is closed before: then the journal keeps what is left.
fn insist(core: &Core, mut step: impl FnMut() -> Result<(), VaultError>) -> bool {
    loop {
        let Err(error) = step() else {
            let mut state = core.state();
            if state.stuck.take().is_some() {
                tracing::info!("files and index of the quarantine are written again");
            }
            return true;
        };
        let mut state = core.state();
        if state.stuck.is_none() {
            tracing::error!("files and index of the quarantine are behind: {error}");
        }
        state.stuck = Some(error);
        core.changed.notify_all();
        if state.closing {
            return false;
        }
        drop(core.changed.wait_timeout(state, RETRY));
    }
}
