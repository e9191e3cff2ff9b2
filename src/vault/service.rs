//! The vault as a service: the handle that everybody has.
//!
//! Readers never wait for writers. Changes go to the journal thread through a bounded channel, and wait there for the
//! flush that they share with all others. What blocks says so and belongs on the blocking pool.

use super::change::Change;
use super::core::Core;
use super::disk::Disk;
use super::error::VaultError;
use super::index::Glance;
use super::intake::{Intake, Ready, ReadyBody, sealed_item};
use super::item::Item;
use super::limits::Limits;
use super::mark::Mark;
use super::report::{self, VaultReport};
use super::start::{self, Threads};
use super::writer::{Job, Proposal};
use super::{block, bodies, canary, rebuild};
use crate::body::{Body, BodyError, BodyWriter, Budget};
use crate::mail::Id;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// Changes in one job; a longer list is several.
const JOB_CHANGES: usize = 256;
/// Pieces of a message between two threads.
const PIECES: usize = 2;

/// The handle.
pub struct Vault {
    pub(super) core: Arc<Core>,
    pub(super) jobs: mpsc::Sender<Job>,
    /// Whether this process has written the canary; held while it is looked at.
    canary: Mutex<bool>,
}

/// The threads; closing it writes what waits.
pub struct VaultWriter {
    threads: Threads,
}

/// A message that lies ready and is not ours yet. Dropping it forgets it.
pub struct Pending {
    ready: Option<Ready>,
    id: Id,
    jobs: mpsc::Sender<Job>,
}

impl Vault {
    /// Opens the vault of a state directory, replays its journal, starts its threads, and rebuilds the index in the
    /// background where it is missing or damaged. Only the process that holds the lock may do so. Blocks.
    ///
    /// # Errors
    /// A folder can be neither made nor read, or what the journal has finds no space.
    pub fn open(state_dir: &Path) -> Result<(Arc<Self>, VaultWriter), VaultError> {
        Self::open_on(state_dir, Disk::default(), Limits::default())
    }

    pub(super) fn open_on(
        state_dir: &Path,
        disk: Disk,
        limits: Limits,
    ) -> Result<(Arc<Self>, VaultWriter), VaultError> {
        let (core, jobs, threads) = start::open(state_dir, disk, limits)?;
        let vault = Self { core, jobs, canary: Mutex::default() };
        Ok((Arc::new(vault), VaultWriter { threads }))
    }

    /// Seals a message: compressed and encrypted, on the blocking pool. Nothing is durable before [`Pending::commit`].
    /// `size`, `digest`, `order`, `likeness` and `version` of the item are filled in here.
    ///
    /// # Errors
    /// No space, or the body cannot be read.
    pub async fn put(self: &Arc<Self>, item: Item, body: &Body) -> Result<Pending, VaultError> {
        let vault = Arc::clone(self);
        if let Some(chunks @ ([] | [_])) = body.memory_chunks() {
            let octets = chunks.concat();
            let sealed = spawn_blocking(move || vault.put_octets(item, &octets)).await;
            return sealed.unwrap_or(Err(VaultError::Closed));
        }
        let (pieces, mut taken) = mpsc::channel::<Vec<u8>>(PIECES);
        let sealing = spawn_blocking(move || {
            let mut intake = Intake::begin(&vault.core, item)?;
            while let Some(piece) = taken.blocking_recv() {
                // An empty piece is the end; without it the reader failed.
                if piece.is_empty() {
                    return intake.finish().map(|ready| vault.pending(ready));
                }
                intake.push(&piece)?;
            }
            Err(VaultError::Closed)
        });
        let read = hand_over(body, &pieces).await;
        drop(pieces);
        let sealed = sealing.await.unwrap_or(Err(VaultError::Closed));
        read.map_err(|e| self.body_error(e))?;
        sealed
    }

    /// As [`Vault::put`], for octets in memory. Blocks.
    ///
    /// # Errors
    /// As there.
    pub fn put_octets(self: &Arc<Self>, item: Item, octets: &[u8]) -> Result<Pending, VaultError> {
        let mut intake = Intake::begin(&self.core, item)?;
        intake.push(octets)?;
        Ok(self.pending(intake.finish()?))
    }

    fn pending(&self, ready: Ready) -> Pending {
        Pending { id: ready.item.id, ready: Some(ready), jobs: self.jobs.clone() }
    }

    fn body_error(&self, error: BodyError) -> VaultError {
        let path = self.core.layout.root.clone();
        match error {
            BodyError::NoSpace => VaultError::NoSpace(path),
            BodyError::Io { step, source } => VaultError::Io { step, path, source },
            BodyError::Damaged => VaultError::Damaged { path, what: "a body on its way was changed" },
        }
    }

    /// Makes changes, each by itself, durable on return, in order of the input. A change made from an older version is
    /// `Conflict`. Behind a write the item has the next version; its body cannot be changed.
    pub async fn change(&self, changes: Vec<Change>) -> Vec<Result<(), VaultError>> {
        let mut results = Vec::with_capacity(changes.len());
        let mut changes = changes.into_iter();
        loop {
            let some: Vec<Change> = changes.by_ref().take(JOB_CHANGES).collect();
            if some.is_empty() {
                return results;
            }
            let (count, core) = (some.len(), Arc::clone(&self.core));
            let blocks = some.iter().any(|change| !matches!(change, Change::Remove { .. }));
            let proposals = if blocks {
                let sealed = spawn_blocking(move || proposals(&core, some)).await;
                sealed
                    .unwrap_or_else(|_| (0..count).map(|_| Proposal::Hopeless(VaultError::Closed)).collect())
            } else {
                proposals(&core, some)
            };
            results.extend(propose(&self.jobs, proposals).await);
        }
    }

    /// The same, for whoever may block.
    pub fn change_blocking(&self, changes: Vec<Change>) -> Vec<Result<(), VaultError>> {
        let mut results = Vec::with_capacity(changes.len());
        let mut changes = changes.into_iter();
        loop {
            let some: Vec<Change> = changes.by_ref().take(JOB_CHANGES).collect();
            if some.is_empty() {
                return results;
            }
            results.extend(block::on(propose(&self.jobs, proposals(&self.core, some))));
        }
    }

    /// Reads the newest durable state of an item. Blocks for a moment.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn item(&self, id: Id) -> Result<Item, VaultError> {
        self.core.item(id).map(Arc::unwrap_or_clone)
    }

    /// The newest mark of an item, if it is newer than the item's file. From memory.
    #[must_use]
    pub fn newest_mark(&self, id: Id) -> Option<Arc<Mark>> {
        self.core.newest_mark(id)
    }

    /// The message of an item, octet by octet as it came, inside the budget of bodies; its digest is verified.
    ///
    /// # Errors
    /// The body is missing, cut or tampered with, or the budget has no room.
    pub async fn body(&self, item: &Item, budget: &Arc<Budget>) -> Result<Body, VaultError> {
        let (pieces, mut taken) = mpsc::channel::<Vec<u8>>(PIECES);
        let (core, item) = (Arc::clone(&self.core), item.clone());
        let reading = spawn_blocking(move || {
            bodies::read(&core, &item, &mut |piece| pieces.blocking_send(piece.to_vec()).is_ok())
        });
        let mut writer = BodyWriter::new(Arc::clone(budget));
        while let Some(piece) = taken.recv().await {
            writer.push(&piece).map_err(|e| self.body_error(e))?;
            if writer.wants_spill() {
                writer.spill().await.map_err(|e| self.body_error(e))?;
            }
        }
        reading.await.unwrap_or(Err(VaultError::Closed))?;
        writer.finish().await.map_err(|e| self.body_error(e))
    }

    /// The same for whoever may block: hands out pieces of at most 64 KiB; `take` says whether to go on.
    ///
    /// # Errors
    /// As there; pieces handed out before the error are true.
    pub fn read(&self, item: &Item, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), VaultError> {
        bodies::read(&self.core, item, take)
    }

    /// Items and octets of one folder, the trash not counted: kept in memory, for caps. While the index is made anew:
    /// of what came since the start.
    #[must_use]
    pub fn folder(&self, folder: &str) -> (u64, u64) {
        let state = self.core.state();
        let (now, coming) = (state.counts.folder(folder), state.coming.folder(folder));
        (positive(now.0 + coming.0), positive(now.1 + coming.1))
    }

    /// Waits until files and index have everything that is durable now. Blocks; for commands, which show what they have
    /// just done. False where files and index cannot be written.
    #[must_use]
    pub fn catch_up(&self) -> bool {
        let mut state = self.core.state();
        let until = state.durable;
        while state.applied < until {
            if state.stuck.is_some() || state.closing {
                return false;
            }
            state = self.core.wait(state);
        }
        true
    }

    /// Makes the index anew from the files; `progress` hears how many were read. Blocks.
    ///
    /// # Errors
    /// The files or the index cannot be read or written.
    pub fn rebuild(&self, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
        rebuild::rebuild(&self.core, progress)
    }

    /// Octets free on the volume of the vault. Blocks for a moment.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        let volume = nix::sys::statvfs::statvfs(&self.core.layout.root).ok()?;
        #[expect(clippy::useless_conversion, reason = "their width differs by system")]
        let (blocks, octets) = (u64::from(volume.blocks_available()), u64::from(volume.fragment_size()));
        blocks.checked_mul(octets)
    }

    /// Looks whether something else touches the files: writes a canary, reads it back. At start and every hour. Blocks.
    pub fn canary(&self) -> Option<String> {
        let mut written = self.canary.lock().unwrap_or_else(PoisonError::into_inner);
        canary::look(&self.core, &mut written)
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> VaultReport {
        report::report(&self.core, self.jobs.is_closed())
    }
}

impl Pending {
    /// Makes it ours: durable when this returns. Not before may a client hear 250.
    ///
    /// # Errors
    /// Not durable; the message is not ours.
    pub async fn commit(mut self) -> Result<Id, VaultError> {
        let jobs = self.jobs.clone();
        // Whoever gives up while it waits here still has the message, and drops it as usual.
        let place = jobs.reserve().await.map_err(|_| VaultError::Closed)?;
        let Some(ready) = self.ready.take() else { return Err(VaultError::Closed) };
        let (tell, told) = oneshot::channel();
        place.send(Job::Change(vec![Proposal::Put(ready)], tell));
        let mut results = told.await.map_err(|_| VaultError::Closed)?;
        results.pop().unwrap_or(Err(VaultError::Closed)).map(|()| self.id)
    }

    /// The same for whoever may block.
    ///
    /// # Errors
    /// As there.
    pub fn commit_blocking(self) -> Result<Id, VaultError> {
        block::on(self.commit())
    }

    /// The item as it will be.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        Some(self.id)
    }
}

#[cfg(test)]
impl Vault {
    /// What tests of those who use it ask of the disk.
    pub(crate) fn faults(&self) -> &super::disk::faults::Faults {
        &self.core.disk.faults
    }
}

#[cfg(test)]
impl Pending {
    pub(super) fn body(&self) -> &ReadyBody {
        &self.ready.as_ref().unwrap().body
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // A file is removed by a thread that may wait for the disk.
        if let Some(Ready { body: ReadyBody::File(file), .. }) = self.ready.take()
            && let Err(
                mpsc::error::TrySendError::Full(Job::Forget(file))
                | mpsc::error::TrySendError::Closed(Job::Forget(file)),
            ) = self.jobs.try_send(Job::Forget(file))
        {
            // It is removed at the next start.
            file.keep();
        }
    }
}

impl VaultWriter {
    /// Writes what waits and ends the threads. Blocks.
    pub fn close(&mut self) {
        self.threads.close();
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Reads a body into the channel; an empty piece is the end.
async fn hand_over(body: &Body, pieces: &mpsc::Sender<Vec<u8>>) -> Result<(), BodyError> {
    let mut reader = body.reader();
    while let Some(chunk) = reader.next().await? {
        if pieces.send(chunk.to_vec()).await.is_err() {
            // The other end failed and says why.
            return Ok(());
        }
    }
    let _ = pieces.send(Vec::new()).await;
    Ok(())
}

/// Seals what is to be written, and looks up what is to be marked. Blocks where there is something to do.
fn proposals(core: &Core, changes: Vec<Change>) -> Vec<Proposal> {
    let seen = core.state().applied;
    let places: Vec<(Id, i64)> = changes.iter().filter_map(place).collect();
    let mut glances = if places.is_empty() { Ok(HashMap::new()) } else { core.index.glances(&places) };
    let mut one = |change| match change {
        Change::Remove { id, version } => Proposal::Remove(id, version),
        Change::Write(mut item) => {
            item.version = item.version.saturating_add(1);
            match sealed_item(core, *item) {
                Ok((item, sealed)) => Proposal::Write(item, sealed),
                Err(error) => Proposal::Hopeless(error),
            }
        }
        Change::Mark { id, mark, .. } => match &mut glances {
            Ok(glances) => marked(core, id, glances.remove(&id), &mark, seen),
            Err(error) => Proposal::Hopeless(error.again()),
        },
    };
    changes.into_iter().map(&mut one).collect()
}

fn place(change: &Change) -> Option<(Id, i64)> {
    match change {
        Change::Mark { id, order, .. } => Some((*id, *order)),
        Change::Write(_) | Change::Remove { .. } => None,
    }
}

fn marked(core: &Core, id: Id, glance: Option<Glance>, mark: &Mark, seen: u64) -> Proposal {
    let conflict = Proposal::Hopeless(VaultError::Conflict(id));
    let Some(glance) = glance else { return conflict };
    let state = core.state();
    let newest = state.marks.newest(id).filter(|(version, _)| *version == glance.version);
    match mark.on(glance.state, newest.map(|(_, mark)| mark.as_ref())) {
        Some(mark) => Proposal::Mark(Box::new(glance), Arc::new(mark), seen),
        None => conflict,
    }
}

async fn propose(jobs: &mpsc::Sender<Job>, proposals: Vec<Proposal>) -> Vec<Result<(), VaultError>> {
    let count = proposals.len();
    let (tell, told) = oneshot::channel();
    let closed = || (0..count).map(|_| Err(VaultError::Closed)).collect();
    if jobs.send(Job::Change(proposals, tell)).await.is_err() {
        return closed();
    }
    told.await.unwrap_or_else(|_| closed())
}
