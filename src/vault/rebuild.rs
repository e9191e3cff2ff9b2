//! The index made anew from the files, while everything else goes on.
//!
//! Some threads read item files, another enters them, a batch at a time; each batch is entered under the lock of the
//! applying thread, without the items whose files went meanwhile, so that nothing comes back that was removed, and
//! the index itself keeps a newer version that was entered before. A mark on disk says that the index is not complete:
//! a crash makes it anew once more. Behind it bodies that no item names are looked for (`leftovers`), unless a damaged
//! item may name them.
//!
//! State: some hundred items; why it failed, in the vault's state. Failure: damaged files are named in the report, left and
//! skipped. What keeps files from being read that are whole (a folder that cannot be listed, no more open files) does not
//! keep others from it: what can be read is entered, so that it is listed and delivered, and in the end the rebuild has
//! failed. What keeps the index from being written ends it. Then the mark stays, the state says why, and it is tried again
//! every minute (`upkeep`), or as often as a try takes, until one succeeds; by hand at any time. An index that is found
//! damaged in the midst of work is one that is not complete.

use super::anew::{Making, clear};
use super::core::{Core, Failing, now_ms};
use super::error::VaultError;
use super::index::Entry;
use super::item::Item;
use super::layout::item_id;
use super::report::words;
use super::walk::{listed, walk};
use super::{counts, leftovers, writer};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Items in one transaction, at least: the index notes many down, and enters few at once, which takes longer.
const BATCH: usize = 500;
/// Items that one thread hands on at once.
const PIECE: usize = 64;
/// Threads that read.
const READERS: usize = 16;

const MAKING: &str = "it is being made anew already: `portcullis status` says how far it is";
const LOOKING: &str =
    "it is complete, and bodies that no message has are being looked for: try again in a minute";

/// Makes it anew; `progress` hears how many items are in. Returns that. Blocks.
pub(super) fn rebuild(core: &Core, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
    let begun = Instant::now();
    let Some(_making) = Making::begin(core) else {
        let is_there = core.state().rebuilding.is_none();
        return Err(of_index(core, if is_there { LOOKING } else { MAKING }));
    };
    let done = run(core, progress);
    if let Err(error) = &done {
        note(core, error, begun.elapsed());
    }
    if matches!(done, Err(VaultError::NoSpace(_))) {
        core.index.drop_damaged();
    }
    let items = done?;
    // A disk that damages it again and again is not kept busy by that alone.
    let (now, took) = (Instant::now(), begun.elapsed());
    core.state().mended_until = Some((now + core.limits.retry.max(took), now + took));
    leftovers::look(core);
    progress(items);
    Ok(items)
}

fn of_index(core: &Core, what: &str) -> VaultError {
    VaultError::Index { path: core.layout.index.clone(), what: what.to_owned() }
}

/// Why it failed, for `status`; unless the vault is closed, or nothing was emptied.
fn note(core: &Core, error: &VaultError, took: Duration) {
    let mut state = core.state();
    if matches!(error, VaultError::Closed) || state.rebuilding.is_none() {
        return;
    }
    let before = state.failing.take();
    let same = before.as_ref().is_some_and(|before| words(&before.error) == words(error));
    let (since_ms, times) = before.map_or_else(|| (now_ms(), 0), |before| (before.since_ms, before.times));
    // A try that takes long is not all that the disk does.
    let again = Instant::now() + core.limits.retry.max(took);
    state.failing = Some(Failing { error: error.again(), since_ms, times: times + 1, again });
    drop(state);
    let (file, error) = (core.layout.index.display(), words(error));
    if same {
        tracing::warn!(%file, times = times + 1, "making the index of the quarantine anew failed again: {error}");
    } else {
        tracing::error!(%file, "making the index of the quarantine anew failed, it is tried again every minute: {error}");
    }
}

/// Whether the index is not complete, or was found damaged, nobody is at it, and it is time for another try.
pub(super) fn is_due(core: &Core) -> bool {
    if core.is_rebuilding() {
        return false;
    }
    let (state, now) = (core.state(), Instant::now());
    match (&state.failing, state.rebuilding) {
        (Some(failing), Some(_)) => failing.again <= now,
        (None, Some(_)) => true,
        (_, None) => {
            let stuck = state.stuck.is_some();
            let rested =
                state.mended_until.is_none_or(|(long, short)| now >= if stuck { short } else { long });
            core.index.is_damaged() && rested
        }
    }
}

/// How many items are in.
fn run(core: &Core, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
    clear(core)?;
    let (sender, pieces) = sync_channel::<Vec<Item>>(READERS);
    let (items, read) = std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(core, &sender));
        let mut items = 0;
        let mut entered = Ok(());
        for mut batch in &pieces {
            while batch.len() < BATCH
                && let Ok(piece) = pieces.recv()
            {
                batch.extend(piece);
            }
            entered = enter(core, batch, &mut items);
            if entered.is_err() {
                break;
            }
            progress(items);
        }
        drop(pieces);
        // A reader that panicked has not read everything.
        let read =
            reader.join().unwrap_or_else(|_| Err(of_index(core, "its files were not read to the end")));
        entered.and(read).map(|read| (items, read))
    })?;
    {
        let _applying = core.applying();
        core.disk.other(&core.layout.index)?;
        core.index.settle()?;
        let counted = counts::count(&core.index)?;
        let mut state = core.state();
        state.counts = counted;
        state.recount = state.durable;
    }
    if let Some(error) = read.unread {
        return Err(error);
    }
    if core.index.is_damaged() {
        return Err(of_index(core, "it was damaged again while it was filled"));
    }
    // Filling flushes nothing.
    core.disk.flush_volume(&core.layout.root)?;
    let _applying = core.applying();
    // What could not ask an incomplete index left its bodies. A damaged item may name any of them; and where there are no
    // items at all, somebody may have lost their folder.
    let leftovers = leftovers::expect(core, read.damaged || items == 0)?;
    let mut state = core.state();
    (state.rebuilding, state.failing, state.leftovers) = (None, None, leftovers);
    Ok(items)
}

fn enter(core: &Core, batch: Vec<Item>, items: &mut u64) -> Result<(), VaultError> {
    let _applying = core.applying();
    let there = |item: &Item| fs::exists(core.layout.item(item.id)).unwrap_or(true);
    let entries: Vec<Entry> =
        batch.into_iter().filter(there).map(|item| Entry::Put(Box::new(item))).collect();
    let applied = core.state().applied;
    core.disk.other(&core.layout.index)?;
    core.index.enter(&entries, applied)?;
    *items += entries.len() as u64;
    core.state().rebuilding = Some(*items);
    Ok(())
}

/// What was not read.
#[derive(Default)]
struct Read {
    /// Some file is damaged.
    damaged: bool,
    /// Why there are others that could be read another time.
    unread: Option<VaultError>,
}

/// Reads all items, in several threads: where the files are not in memory, reading them is waiting for the disk, and that
/// has many at once as fast as one.
fn read_all(core: &Core, to: &SyncSender<Vec<Item>>) -> Result<Read, VaultError> {
    let mut folders = Vec::new();
    let unread = walk(core, &core.layout.items, 1, &mut |path| {
        folders.push(path.to_owned());
        Ok(())
    })?;
    let (folders, next) = (&folders, &AtomicUsize::new(0));
    let hand = move || {
        let mut reader = Reader { core, to, batch: Vec::with_capacity(PIECE), read: Read::default() };
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            reader.below(folder)?;
        }
        reader.finish()
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..READERS).map(|_| scope.spawn(hand)).collect();
        let mut all = Read { unread, ..Read::default() };
        for hand in hands {
            // One that panicked has not read everything.
            let panicked = |_| Err(of_index(core, "its files were not read to the end"));
            let read = hand.join().unwrap_or_else(panicked)?;
            all = Read { damaged: all.damaged || read.damaged, unread: all.unread.or(read.unread) };
        }
        Ok(all)
    })
}

/// One of those who read.
struct Reader<'r> {
    core: &'r Core,
    to: &'r SyncSender<Vec<Item>>,
    batch: Vec<Item>,
    read: Read,
}

impl Reader<'_> {
    /// What is in the folders of this one.
    fn below(&mut self, folder: &Path) -> Result<(), VaultError> {
        let core = self.core;
        let unread = match core.disk.is_folder(folder) {
            Ok(true) => walk(core, folder, 1, &mut |path| self.file(path))?,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        self.read.unread = self.read.unread.take().or(unread);
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), VaultError> {
        let Some(id) = item_id(path) else { return Ok(()) };
        match self.core.read(path, id) {
            Ok(item) => self.batch.push(item),
            // Removed meanwhile.
            Err(VaultError::Missing(_)) => {}
            Err(error) if error.passes() => self.read.unread = Some(error),
            Err(error) => {
                self.core.damaged(&error);
                self.read.damaged = true;
            }
        }
        if self.batch.len() < PIECE {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.batch, Vec::with_capacity(PIECE));
        self.to.send(full).map_err(|_| VaultError::Closed)
    }

    fn finish(self) -> Result<Read, VaultError> {
        if !self.batch.is_empty() {
            self.to.send(self.batch).map_err(|_| VaultError::Closed)?;
        }
        Ok(self.read)
    }
}

/// For a thread of its own: with its end in the log, and files made durable behind it.
pub(super) fn in_background(core: &Core) {
    if !is_worth_a_try(core) {
        return;
    }
    let begun = Instant::now();
    let (file, damaged) = (core.layout.index.display(), core.index.is_damaged());
    tracing::warn!(%file, damaged, "the index of the quarantine is made anew from its files");
    // What failed is told, and tried again.
    let Ok(items) = rebuild(core, &|_| ()) else { return };
    let seconds = begun.elapsed().as_secs();
    tracing::info!(items, seconds, "the index of the quarantine is complete");
    if let Err(error) = writer::checkpoint(core, None) {
        tracing::debug!(%error, "the journal stays until the next start");
    }
}

/// An index that lacks what is in a folder keeps what it has until that folder can be listed; unless it is damaged.
fn is_worth_a_try(core: &Core) -> bool {
    if core.index.is_damaged() {
        return true;
    }
    let folder = match core.state().failing.as_ref().map(|failing| &failing.error) {
        Some(VaultError::Io { step: "list", path, .. }) => path.clone(),
        Some(_) | None => return true,
    };
    let Err(error) = listed(core, &folder) else { return true };
    note(core, &error, Duration::ZERO);
    false
}
