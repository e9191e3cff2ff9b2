//! Opening: folders, index, replay of the journal, leftovers, counts, threads; and closing.
//!
//! Failure: an index that is damaged is emptied, and made anew behind the start. What is durable and cannot be put into
//! files now stays in the journal, and opening fails with the step that failed; a journal that is not whole before its
//! end is named in the report, and set aside, not removed.

use super::core::Core;
use super::disk::{Disk, failed};
use super::error::VaultError;
use super::index::Found;
use super::index::Index;
use super::journal::{self, Journal, Reading};
use super::layout::Layout;
use super::limits::Limits;
use super::record::Record;
use super::tally::Tally;
use super::writer::{Job, Writer, checkpoint, run_applier};
use super::{anew, apply, block, counts, leftovers, marks, rebuild, upkeep};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc;

/// Jobs that wait for the journal thread.
const JOBS_MAX: usize = 256;
/// Batches between the threads; how many changes they have is bounded besides.
const ORDERS_MAX: usize = 4096;
/// Records and octets that are replayed at once.
const REPLAY_RECORDS: usize = 512;
const REPLAY_OCTETS: usize = 16 << 20;

/// The threads.
pub(super) struct Threads {
    core: Arc<Core>,
    jobs: mpsc::Sender<Job>,
    journal: Option<JoinHandle<Journal>>,
    applier: Option<JoinHandle<bool>>,
    upkeep: Option<JoinHandle<()>>,
}

/// Opens everything.
pub(super) fn open(
    state_dir: &Path,
    disk: Disk,
    limits: Limits,
) -> Result<(Arc<Core>, mpsc::Sender<Job>, Threads), VaultError> {
    let layout = Layout::new(state_dir);
    for folder in [&layout.items, &layout.bodies, &layout.journal, &layout.incoming] {
        disk.make_folder(folder)?;
    }
    let (index, found) = Index::open(&layout.index)?;
    let (marks, marks_found) = marks::load(&layout)?;
    let core = Arc::new(Core::new(layout, Arc::new(disk), index, marks, limits));
    // Where that cannot be told, it is made anew.
    let incomplete = fs::exists(core.layout.rebuilding()).unwrap_or(true);
    let has = match found {
        Found::Whole(sequence) => sequence,
        Found::Empty => 0,
    };
    let empty = incomplete || matches!(found, Found::Empty) || marks_found == marks::Found::Damaged;
    if empty {
        anew::mark(&core)?;
    }
    if empty && matches!(found, Found::Whole(_)) {
        // It may be why it was going to be made anew: nothing more is entered into that file.
        core.index.clear()?;
    }
    begin_marks(&core, marks_found)?;
    let replayed = replay_all(&core, has)?;
    let last = replayed.last.max(has);
    core.order_at_least(replayed.order);
    remove_leftovers(&core)?;
    match checkpoint(&core, None) {
        Err(_) if core.index.is_damaged() => {
            anew::clear(&core)?;
            checkpoint(&core, None)?;
        }
        done => done?,
    }
    let journal = Journal::begin(
        Arc::clone(&core.disk),
        core.layout.clone(),
        replayed.number,
        last + 1,
        core.last_order(),
    )?
    .in_segments_of(limits.segment_octets);
    journal::remove_below(&core.disk, &core.layout, journal.number())?;
    let counted = counted(&core)?;
    {
        let mut state = core.state();
        state.durable = last;
        state.applied = last;
        if counted.is_some() {
            state.leftovers = leftovers::find(&core);
        }
        state.counts = counted.unwrap_or_default();
    }
    let (jobs, waiting) = mpsc::channel(JOBS_MAX);
    let threads = start(&core, journal, (jobs.clone(), waiting))?;
    Ok((core, jobs, threads))
}

/// Counts of what is there, unless the index has to be made anew first.
fn counted(core: &Core) -> Result<Option<Tally>, VaultError> {
    // A vault without items, as every first one, has its index at once.
    let none = fs::read_dir(&core.layout.items).is_ok_and(|mut entries| entries.next().is_none());
    let incomplete = core.state().rebuilding.is_some();
    if incomplete && (!none || rebuild::rebuild(core, &|_| ()).is_err()) {
        return Ok(None);
    }
    match counts::count(&core.index) {
        Err(_) if core.index.is_damaged() => anew::clear(core).map(|()| None),
        counted => counted.map(Some),
    }
}

fn start(
    core: &Arc<Core>,
    journal: Journal,
    (jobs, waiting): (mpsc::Sender<Job>, mpsc::Receiver<Job>),
) -> Result<Threads, VaultError> {
    let (orders, ordered) = sync_channel(ORDERS_MAX);
    let writer =
        Writer { core: Arc::clone(core), journal, applier: orders, batch_max: core.limits.batch_max };
    let (applying, looking, asked) = (Arc::clone(core), Arc::clone(core), jobs.clone());
    let mut threads = Threads { core: Arc::clone(core), jobs, journal: None, applier: None, upkeep: None };
    let named = |name: &str| thread::Builder::new().name(name.into());
    let cannot = |e| failed("start a thread for", &core.layout.root, e);
    threads.applier =
        Some(named("vault-files").spawn(move || run_applier(&applying, &ordered)).map_err(cannot)?);
    threads.journal = Some(named("vault-journal").spawn(move || writer.run(waiting)).map_err(cannot)?);
    threads.upkeep =
        Some(named("vault-upkeep").spawn(move || upkeep::run(&looking, &asked)).map_err(cannot)?);
    Ok(threads)
}

impl Threads {
    /// Writes what waits and ends the threads. What cannot be written now stays in the journal.
    pub(super) fn close(&mut self) {
        let Some(thread) = self.journal.take() else { return };
        // A rebuild is given up, and begun anew at the next start.
        self.core.state().closing = true;
        self.core.changed.notify_all();
        self.core.ending.notify_all();
        // An error is that the thread is gone already.
        let _ = block::on(self.jobs.send(Job::Close));
        let journal = thread.join();
        let settled = self.applier.take().is_some_and(|thread| thread.join().unwrap_or(false));
        if let Some(upkeep) = self.upkeep.take() {
            let _ = upkeep.join();
        }
        if let (Ok(mut journal), true) = (journal, settled) {
            let turned = journal.turn(self.core.last_order());
            let done = turned
                .and_then(|()| journal::remove_below(&self.core.disk, &self.core.layout, journal.number()));
            if let Err(error) = done {
                tracing::debug!(%error, "the journal stays until the next start");
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

/// The log of marks is made anew, so that whatever is appended stands behind what is whole.
fn begin_marks(core: &Core, found: marks::Found) -> Result<(), VaultError> {
    match found {
        marks::Found::Nothing => return Ok(()),
        marks::Found::Whole => {}
        marks::Found::Damaged => {
            core.disk.link(&core.layout.marks(), &core.layout.marks_damaged())?;
            let what = "marks of messages are missing: some may be out of the trash again";
            core.damaged(&VaultError::Damaged { path: core.layout.marks_damaged(), what });
        }
    }
    let all = core.state().marks.all();
    core.applying().renew(&core.disk, &core.layout, &all)
}

struct Replayed {
    /// The number of the newest segment.
    number: u64,
    /// The last sequence number.
    last: u64,
    order: i64,
}

fn replay_all(core: &Core, has: u64) -> Result<Replayed, VaultError> {
    let segments = journal::segments(&core.layout)?;
    let mut replayed =
        Replayed { number: segments.last().map_or(0, |(number, _)| *number), last: 0, order: 0 };
    let mut open = Vec::new();
    for (_, path) in segments {
        match Reading::open(&path) {
            Ok(Some(reading)) => open.push((path, reading)),
            Ok(None) => tracing::debug!(file = %path.display(), "nothing was ever written to this segment"),
            Err(error @ VaultError::Damaged { .. }) => set_aside(core, &path, &error)?,
            Err(error) => return Err(error),
        }
    }
    let mut removed = BTreeSet::new();
    // Whatever a segment has from the first number of the next one on was given up.
    let firsts: Vec<u64> = open.iter().skip(1).map(|(_, reading)| reading.next).collect();
    for (at, (path, mut reading)) in open.into_iter().enumerate() {
        reading.until = firsts.get(at).copied().unwrap_or(u64::MAX);
        replayed.order = replayed.order.max(reading.order);
        replay(core, &path, &mut reading, has, &mut removed)?;
        replayed.last = replayed.last.max(reading.next - 1);
        let gap = reading.until != u64::MAX && reading.next < reading.until;
        if gap || reading.damaged {
            let error = VaultError::Damaged { path: path.clone(), what: "the journal is not whole" };
            set_aside(core, &path, &error)?;
        }
    }
    apply::drop_bodies(core, &removed.iter().map(String::as_str).collect())?;
    Ok(replayed)
}

fn set_aside(core: &Core, path: &Path, error: &VaultError) -> Result<(), VaultError> {
    core.damaged(error);
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    core.disk.rename(path, Path::new(&aside))
}

/// The bodies of what it removes are added to `removed`.
fn replay(
    core: &Core,
    path: &Path,
    reading: &mut Reading,
    has: u64,
    removed: &mut BTreeSet<String>,
) -> Result<(), VaultError> {
    let mut apply = |batch: &[Record]| {
        removed.extend(batch.iter().filter_map(Record::removed).map(str::to_owned));
        apply::replay(core, batch, has)
    };
    let mut batch: Vec<Record> = Vec::new();
    let mut octets = 0;
    while let Some((record, length)) = reading.record().map_err(|e| failed("read", path, e))? {
        batch.push(record);
        octets += length;
        if batch.len() >= REPLAY_RECORDS || octets >= REPLAY_OCTETS {
            apply(&std::mem::take(&mut batch))?;
            octets = 0;
        }
    }
    apply(&batch)
}

/// What was on its way and never said to be ours, and temporary files.
fn remove_leftovers(core: &Core) -> Result<(), VaultError> {
    let folder = &core.layout.incoming;
    for entry in fs::read_dir(folder).map_err(|e| failed("list", folder, e))? {
        let path = entry.map_err(|e| failed("list", folder, e))?.path();
        core.disk.unlink(&path)?;
    }
    Ok(())
}
