//! The index made anew from the files, while everything else goes on.
//!
//! One thread reads item files, another enters them, a batch at a time; each batch is entered under the lock of the
//! applying thread, without the items whose files went meanwhile, so that nothing comes back that was removed, and
//! the index itself keeps a newer version that was entered before. A mark on disk says that the index is not complete:
//! a crash makes it anew once more. At the end bodies that no item names are removed, unless a damaged item may
//! name them.
//!
//! State: two batches. Failure: damaged files are named in the report, left and skipped; any other error ends it, and the
//! mark stays.

use super::core::Core;
use super::disk::failed;
use super::error::VaultError;
use super::index::Entry;
use super::item::Item;
use super::layout::{body_digest, item_id};
use super::{counts, writer};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Items in one transaction.
const BATCH: usize = 500;

/// Makes it anew; `progress` hears how many items are in. Returns that. Blocks.
pub(super) fn rebuild(core: &Core, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
    if core.rebuilds.swap(true, Ordering::AcqRel) {
        let what = "it is being made anew already".to_owned();
        return Err(VaultError::Index { path: core.layout.index.clone(), what });
    }
    let done = run(core, progress);
    core.rebuilds.store(false, Ordering::Release);
    done
}

/// The mark, durable before the index is emptied.
pub(super) fn mark(core: &Core) -> Result<(), VaultError> {
    core.state().rebuilding.get_or_insert(0);
    let path = core.layout.rebuilding();
    if !fs::exists(&path).unwrap_or(false) {
        let file = core.disk.create(&path)?;
        core.disk.flush(&file)?;
        core.disk.flush_folder(&core.layout.root)?;
    }
    Ok(())
}

fn run(core: &Core, progress: &dyn Fn(u64)) -> Result<u64, VaultError> {
    {
        let _applying = core.applying();
        mark(core)?;
        core.disk.other(&core.layout.index)?;
        core.index.clear()?;
    }
    let (sender, batches) = sync_channel(2);
    let (items, damaged) = std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(core, &sender));
        let mut items = 0;
        let mut entered = Ok(());
        for batch in &batches {
            entered = enter(core, batch, &mut items);
            if entered.is_err() {
                break;
            }
            progress(items);
        }
        drop(batches);
        // A reader that panicked has not read everything.
        let read = reader.join().unwrap_or(Err(VaultError::Closed));
        entered.and(read.map(|damaged| (items, damaged)))
    })?;
    {
        let _applying = core.applying();
        core.disk.other(&core.layout.index)?;
        core.index.settle()?;
        core.disk.unlink(&core.layout.rebuilding())?;
        let counted = counts::count(&core.index)?;
        let mut state = core.state();
        state.counts = counted;
        state.rebuilding = None;
    }
    if !damaged {
        drop_orphans(core)?;
    }
    progress(items);
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

/// Reads all items; whether some file is damaged.
fn read_all(core: &Core, to: &SyncSender<Vec<Item>>) -> Result<bool, VaultError> {
    let mut damaged = false;
    let mut batch = Vec::with_capacity(BATCH);
    walk(core, &core.layout.items, 3, &mut |path| {
        let Some(id) = item_id(path) else { return Ok(()) };
        match core.read(path, id) {
            Ok(item) => batch.push(item),
            // Removed meanwhile.
            Err(VaultError::Missing(_)) => {}
            Err(error) => {
                core.damaged(&error);
                damaged = true;
            }
        }
        if batch.len() < BATCH {
            return Ok(());
        }
        let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        to.send(full).map_err(|_| VaultError::Closed)
    })?;
    if !batch.is_empty() {
        to.send(batch).map_err(|_| VaultError::Closed)?;
    }
    Ok(damaged)
}

/// Every file `depth` folders below, a folder at a time.
fn walk(
    core: &Core,
    folder: &Path,
    depth: usize,
    take: &mut dyn FnMut(&Path) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    if core.is_closing() {
        return Err(VaultError::Closed);
    }
    for path in listed(folder)? {
        if depth == 0 {
            take(&path)?;
        } else if path.is_dir() {
            walk(core, &path, depth - 1, take)?;
        }
    }
    Ok(())
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("list", folder, e)),
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|e| failed("list", folder, e))?;
    paths.sort();
    Ok(paths)
}

fn drop_orphans(core: &Core) -> Result<(), VaultError> {
    let mut orphans = 0_u64;
    walk(core, &core.layout.bodies, 2, &mut |path| {
        let Some(digest) = body_digest(path) else { return Ok(()) };
        // Bodies come into their place and items into the index under this lock together.
        let _applying = core.applying();
        if core.state().rebuilding.is_none() && !core.index.uses_body(digest)? {
            orphans += u64::from(core.disk.unlink(path)?);
        }
        Ok(())
    })?;
    if orphans > 0 {
        tracing::info!(orphans, "bodies that no message had were removed");
    }
    Ok(())
}

/// For a thread of its own: with its end in the log, and files made durable behind it.
pub(super) fn in_background(core: &Core) {
    let begun = std::time::Instant::now();
    tracing::warn!(file = %core.layout.index.display(), "the index of the quarantine is made anew from its files");
    match rebuild(core, &|_| ()).and_then(|items| writer::checkpoint(core, None).map(|()| items)) {
        Ok(items) => {
            let seconds = begun.elapsed().as_secs();
            tracing::info!(items, seconds, "the index of the quarantine is complete");
        }
        Err(VaultError::Closed) => {}
        Err(error) => {
            let what = format!("making it anew failed: {error}");
            core.damaged(&VaultError::Index { path: core.layout.index.clone(), what });
        }
    }
}
