//! Files and index are brought to what the journal says: item and body files by way of a temporary file and a rename,
//! then the index in one transaction, then the bodies that nobody has any more.
//!
//! Everything here may be done twice: a batch that failed in the middle is simply done again, and so is whatever the
//! journal has after a crash.

use super::anew;
use super::core::{Core, NewBody, Newest, State};
use super::counts;
use super::error::VaultError;
use super::index::Entry;
use super::intake::{Incoming, Share};
use super::item::Item;
use super::marks::{MarkLog, Marked};
use super::record::{BodyAt, Record, What};
use super::tally::Counted;
use crate::mail::Id;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::Arc;

/// Threads that place files.
const HANDS: usize = 4;

/// A change that is durable, or will be in a moment.
pub(super) struct Accepted {
    pub(super) record: Record,
    pub(super) item: Option<Arc<Item>>,
    /// What it was before.
    pub(super) old: Option<Counted>,
    pub(super) new: Option<Counted>,
    pub(super) incoming: Option<Incoming>,
    /// Given back when the body is in its place.
    pub(super) _share: Option<Share>,
}

impl Accepted {
    /// Octets in memory, about.
    pub(super) fn octets(&self) -> usize {
        match &self.record.what {
            What::Write(item, _) => item.len() * 4,
            What::Remove(_) | What::Mark(..) => 256,
        }
    }

    /// Whether somebody did something to an item that was there.
    pub(super) fn is_deed(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.version < self.record.version)
    }

    fn body(&self, core: &Core) -> Option<NewBody> {
        match &self.record.what {
            What::Write(_, BodyAt::Inline(_, octets)) => Some(NewBody::Memory(Arc::clone(octets))),
            What::Write(_, BodyAt::Incoming(_, name)) => Some(NewBody::File(core.layout.incoming(name))),
            What::Write(_, BodyAt::There) | What::Remove(_) | What::Mark(..) => None,
        }
    }

    fn newest(&self) -> Newest {
        match (&self.record.what, &self.item) {
            (What::Mark(..), _) => Newest::Marked,
            (_, Some(item)) => Newest::Whole(Arc::clone(item)),
            (_, None) => Newest::Gone,
        }
    }

    /// It is durable: readers see it from now on.
    pub(super) fn show(&mut self, core: &Core, state: &mut State) {
        let body = self.body(core);
        let sequence = self.record.sequence;
        let newer = super::core::Newer { sequence, what: self.newest(), body };
        match state.newer.get_mut(&self.record.id) {
            Some(before) => {
                let body = newer.body.or_else(|| before.body.take());
                *before = super::core::Newer { body, ..newer };
            }
            None => drop(state.newer.insert(self.record.id, newer)),
        }
        if let What::Mark(_, mark) = &self.record.what {
            state.marks.add(self.record.id, self.record.version, mark);
        }
        state.behind_octets += self.octets();
        self.old.iter().for_each(|old| state.coming.add(old, -1));
        self.new.iter().for_each(|new| state.coming.add(new, 1));
    }

    /// Files and index have it.
    fn settle(&self, state: &mut State) {
        if state.newer.get(&self.record.id).is_some_and(|newer| newer.sequence == self.record.sequence) {
            state.newer.remove(&self.record.id);
        }
        if !matches!(self.record.what, What::Mark(..)) {
            state.marks.settle(self.record.id, self.record.version);
        }
        state.recent.add(self.record.sequence, self.record.id);
        state.behind_octets = state.behind_octets.saturating_sub(self.octets());
        for (counted, times) in [(&self.old, -1), (&self.new, 1)] {
            if let Some(counted) = counted {
                state.coming.add(counted, -times);
                state.counts.add(counted, times);
            }
        }
    }
}

/// Applies a batch that is durable. May be called again with the same batch where it failed.
pub(super) fn apply(core: &Core, batch: &[Accepted]) -> Result<(), VaultError> {
    let mut log = core.applying();
    let Some(last) = batch.last().map(|accepted| accepted.record.sequence) else { return Ok(()) };
    // Of several changes of one item only the last one needs its file and its row.
    let newest: HashMap<Id, u64> = batch.iter().map(|a| (a.record.id, a.record.sequence)).collect();
    let is_newest = |record: &Record| newest.get(&record.id) == Some(&record.sequence);
    place_all(core, batch, &is_newest)?;
    note(core, &mut log, batch.iter().map(|accepted| &accepted.record))?;
    let newest = batch.iter().filter(|accepted| is_newest(&accepted.record));
    let entries: Vec<Entry> =
        newest.filter_map(|accepted| entry(core, accepted).transpose()).collect::<Result<_, _>>()?;
    core.disk.other(&core.layout.index)?;
    core.index.enter(&entries, last)?;
    let removed = batch.iter().filter_map(|accepted| accepted.record.removed());
    drop_bodies(core, &removed.collect())?;
    let recount = core.state().recount >= batch.first().map_or(last, |accepted| accepted.record.sequence);
    let counted = if recount { Some(counts::count(&core.index)?) } else { None };
    let mut state = core.state();
    batch.iter().for_each(|accepted| accepted.settle(&mut state));
    if let Some(counted) = counted {
        state.counts = counted;
    }
    state.applied = last;
    drop(state);
    core.changed.notify_all();
    Ok(())
}

/// What the index is told, if anything.
fn entry(core: &Core, accepted: &Accepted) -> Result<Option<Entry>, VaultError> {
    let Record { id, version, what, .. } = &accepted.record;
    Ok(Some(match (what, &accepted.item) {
        (What::Mark(order, mark), _) if core.state().rebuilding.is_none() => {
            Entry::Marked { id: *id, order: *order, version: *version, mark: Arc::clone(mark) }
        }
        // An index that is being filled may not have it yet.
        (What::Mark(..), _) => match core.read(&core.layout.item(*id), *id) {
            Ok(item) => Entry::Put(Box::new(item)),
            // An index that is made from the files does not have it either.
            Err(error @ (VaultError::Missing(_) | VaultError::Damaged { .. })) => {
                core.damaged(&error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        },
        (_, Some(item)) => Entry::Put(Box::new(Item::clone(item))),
        (_, None) => Entry::Removed(*id),
    }))
}

/// What the log of marks is told: new ones, and which are over because the files have them. Once, also where a batch is
/// applied again because a later step failed.
fn note<'a>(
    core: &Core,
    log: &mut MarkLog,
    records: impl Iterator<Item = &'a Record>,
) -> Result<(), VaultError> {
    let (mut marked, mut settled): (Vec<Marked>, Vec<(Id, u64)>) = (Vec::new(), Vec::new());
    let (known, mut last) = (log.sequence, 0);
    let mut state = core.state();
    for Record { sequence, id, version, what } in records {
        last = *sequence;
        match what {
            _ if *sequence <= known => {}
            What::Mark(_, mark) => marked.push((*id, *version, Arc::clone(mark))),
            What::Write(..) | What::Remove(_) if state.marks.has(*id) => settled.push((*id, *version)),
            What::Write(..) | What::Remove(_) => {}
        }
    }
    let all = (!log.is_open() && marked.len() + settled.len() > 0).then(|| state.marks.all());
    drop(state);
    if let Some(all) = all {
        log.renew(&core.disk, &core.layout, &all)?;
        // The new ones are among them.
        marked.clear();
    }
    log.append(&core.disk, (&marked, &settled))?;
    log.sequence = last;
    Ok(())
}

/// All files of a batch. They are of different items, or of the same body: the order does not matter, and several
/// threads do it where there are many, for making a file is mostly waiting inside the file system.
fn place_all(
    core: &Core,
    batch: &[Accepted],
    is_newest: &(dyn Fn(&Record) -> bool + Sync),
) -> Result<(), VaultError> {
    let some = |hand: usize, some: &[Accepted]| {
        some.iter().try_for_each(|accepted| place(core, &accepted.record, is_newest(&accepted.record), hand))
    };
    // Marks touch no file.
    let placed = batch.iter().filter(|accepted| !matches!(accepted.record.what, What::Mark(..))).count();
    if placed < HANDS * 8 {
        return some(0, batch);
    }
    let parts = batch.chunks(batch.len().div_ceil(HANDS));
    std::thread::scope(|scope| {
        let hands: Vec<_> =
            parts.enumerate().map(|(hand, part)| scope.spawn(move || some(hand, part))).collect();
        // One that panicked did not place everything.
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or(Err(VaultError::Closed)))
    })
}

fn place(core: &Core, record: &Record, is_newest: bool, hand: usize) -> Result<(), VaultError> {
    let path = core.layout.item(record.id);
    match &record.what {
        What::Write(sealed, body) => {
            place_body(core, body, false, hand)?;
            if is_newest { core.disk.put(&core.layout.temp(hand), &path, sealed) } else { Ok(()) }
        }
        What::Remove(_) if is_newest => core.disk.unlink(&path).map(drop),
        What::Remove(_) | What::Mark(..) => Ok(()),
    }
}

/// Applies records of an earlier process. What the files have already stays where it is newer. Bodies stay too, until
/// everything is applied ([`drop_bodies`]): an index that is behind does not know yet who else has them.
pub(super) fn replay(core: &Core, batch: &[Record], index_has: u64) -> Result<(), VaultError> {
    let Some(last) = batch.last().map(|record| record.sequence) else { return Ok(()) };
    let mut entries = Vec::with_capacity(batch.len());
    let filling = core.state().rebuilding.is_some();
    for record in batch {
        let path = core.layout.item(record.id);
        match &record.what {
            What::Write(sealed, body) => {
                place_body(core, body, true, 0)?;
                let octets = crate::store::seal::unseal(&sealed[..], super::core::ITEM_MAX);
                let item = octets
                    .map_err(|e| super::core::unsealed(&path, e))
                    .and_then(|octets| super::core::parse_item(&path, &octets));
                let item = match item {
                    Ok(item) => item,
                    Err(error) => {
                        core.damaged(&error);
                        continue;
                    }
                };
                core.order_at_least(item.order);
                // What cannot be read is written anew.
                let newer =
                    super::core::read_item(&path, record.id).is_ok_and(|old| old.version >= record.version);
                if !newer {
                    core.disk.put(&core.layout.temp(0), &path, sealed)?;
                }
                entries.push(Entry::Put(Box::new(item)));
            }
            What::Remove(_) => {
                core.disk.unlink(&path)?;
                entries.push(Entry::Removed(record.id));
            }
            // An index that is going to be filled finds it when it reads the item.
            What::Mark(..) if filling => {}
            What::Mark(order, mark) => {
                let (id, version, mark) = (record.id, record.version, Arc::clone(mark));
                entries.push(Entry::Marked { id, order: *order, version, mark });
            }
        }
    }
    replay_marks(core, batch)?;
    core.disk.other(&core.layout.index)?;
    let sequence = last.max(index_has);
    match core.index.enter(&entries, sequence) {
        // It is made anew, behind the start; what is marked is found there then.
        Err(_) if core.index.is_damaged() && !filling => {
            anew::clear(core)?;
            entries.retain(|entry| !matches!(entry, Entry::Marked { .. }));
            core.index.enter(&entries, sequence)?;
        }
        entered => entered?,
    }
    core.state().applied = last;
    Ok(())
}

fn replay_marks(core: &Core, batch: &[Record]) -> Result<(), VaultError> {
    let add = |record: &Record| {
        if let What::Mark(_, mark) = &record.what {
            core.state().marks.add(record.id, record.version, mark);
        }
    };
    batch.iter().for_each(add);
    note(core, &mut core.applying(), batch.iter())?;
    for record in batch.iter().filter(|record| !matches!(record.what, What::Mark(..))) {
        core.state().marks.settle(record.id, record.version);
    }
    Ok(())
}

/// `again`: what lies there may be of the same record, written and not durable, and then not be whole.
fn place_body(core: &Core, body: &BodyAt, again: bool, hand: usize) -> Result<(), VaultError> {
    let (BodyAt::Inline(digest, _) | BodyAt::Incoming(digest, _)) = body else { return Ok(()) };
    let Some(path) = core.layout.body(digest) else { return Ok(()) };
    let good = !again && fs::exists(&path).unwrap_or(false);
    match body {
        BodyAt::Inline(_, octets) if !good => core.disk.put(&core.layout.temp(hand), &path, octets),
        BodyAt::Incoming(_, name) => {
            let from = core.layout.incoming(name);
            match fs::exists(&from).unwrap_or(false) {
                true if good => core.disk.unlink(&from).map(drop),
                true => core.disk.rename(&from, &path),
                // Done before; or it was removed since, which a later record says.
                false => Ok(()),
            }
        }
        BodyAt::There | BodyAt::Inline(..) => Ok(()),
    }
}

/// Removes the bodies of removed items that no other item has.
pub(super) fn drop_bodies(core: &Core, digests: &BTreeSet<&str>) -> Result<(), VaultError> {
    // An index that is not complete does not know; the end of its making looks for what is left over.
    if core.state().rebuilding.is_some() {
        return Ok(());
    }
    for digest in digests {
        let Some(path) = core.layout.body(digest) else { continue };
        match core.index.uses_body(digest) {
            Ok(true) => {}
            Ok(false) => drop(core.disk.unlink(&path)?),
            // It is made anew, and what it left over is looked for then.
            Err(_) if core.index.is_damaged() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
