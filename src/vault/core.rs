//! What the handle and the threads of the vault share: the newest state of items whose files are behind, counts,
//! and what is wrong.
//!
//! Owner of [`State`], behind a lock that is held for map accesses only. A second lock, `applying`, with the log of marks
//! in it, is held by whoever brings files and index on: the applying thread, and a rebuild for each of its batches.

use super::disk::{Disk, failed};
use super::error::VaultError;
use super::index::Index;
use super::item::Item;
use super::layout::Layout;
use super::limits::Limits;
use super::mark::Mark;
use super::marks::{MarkLog, Marks, overlay};
use super::tally::Tally;
use crate::mail::Id;
use crate::store::seal;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest item in octets of JSON.
pub(super) const ITEM_MAX: usize = 16 << 20;
/// Damaged files that are named.
const DAMAGED_NAMED: usize = 10;
/// Changes that are remembered behind their end, for those that were prepared before it.
const RECENT_MAX: usize = 8192;

pub(super) struct Core {
    pub(super) layout: Layout,
    pub(super) disk: Arc<Disk>,
    pub(super) index: Index,
    state: Mutex<State>,
    /// Something of the state changed that a thread waits for.
    pub(super) changed: Condvar,
    /// The vault is being closed.
    pub(super) ending: Condvar,
    pub(super) limits: Limits,
    applying: Mutex<MarkLog>,
    order: AtomicI64,
    /// Octets of bodies in memory that are not in files yet.
    pub(super) held: Arc<AtomicU64>,
    /// Names in `incoming/`.
    names: AtomicU64,
    pub(super) rebuilds: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    /// Items whose newest durable state is not in its file yet.
    pub(super) newer: HashMap<Id, Newer>,
    /// What is durable and in no file, and may not be in log and index yet.
    pub(super) marks: Marks,
    /// Items that were changed of late.
    pub(super) recent: Recent,
    /// Sequence number of the newest durable change.
    pub(super) durable: u64,
    /// Sequence number up to which files and index are.
    pub(super) applied: u64,
    /// Octets between these.
    pub(super) behind_octets: usize,
    /// Of what is applied.
    pub(super) counts: Tally,
    /// That may have changes up to this one already, which are not applied yet: files were placed, marks were read.
    pub(super) recount: u64,
    /// By what is durable and not applied.
    pub(super) coming: Tally,
    /// Why the applying thread cannot go on.
    pub(super) stuck: Option<VaultError>,
    /// Why nothing more can be taken.
    pub(super) refusing: Option<String>,
    pub(super) damaged: Vec<String>,
    pub(super) damaged_count: u64,
    pub(super) canary: Option<String>,
    /// The index is not complete: so many items are in.
    pub(super) rebuilding: Option<u64>,
    /// Why it could not be made anew the last time.
    pub(super) failing: Option<Failing>,
    /// It was made anew of late: damage has to wait until then; until the other moment also where mail waits for it.
    pub(super) mended_until: Option<(Instant, Instant)>,
    /// Bodies without items have to be looked for.
    pub(super) leftovers: Option<Leftovers>,
    /// Changes of items that were there before, but for the folding's own: how busy people and deliveries are.
    pub(super) deeds: u64,
    pub(super) closing: bool,
}

impl State {
    /// Whether an item with this body is not in files and index yet.
    pub(super) fn awaits_body(&self, digest: &str) -> bool {
        let has = |newer: &Newer| matches!(&newer.what, Newest::Whole(item) if item.digest == digest);
        self.newer.values().any(has)
    }
}

/// The index could not be made anew.
pub(super) struct Failing {
    pub(super) error: VaultError,
    /// Of the first time, milliseconds since 1970.
    pub(super) since_ms: i64,
    pub(super) times: u64,
    /// When it is tried again.
    pub(super) again: Instant,
}

/// There may be bodies that no item names.
pub(super) struct Leftovers {
    /// When they are looked for.
    pub(super) due: Instant,
    /// The last look failed.
    pub(super) failed: bool,
}

impl Leftovers {
    pub(super) fn due_now() -> Self {
        Self { due: Instant::now(), failed: false }
    }
}

/// The newest durable state of an item.
pub(super) struct Newer {
    pub(super) sequence: u64,
    pub(super) what: Newest,
    pub(super) body: Option<NewBody>,
}

/// What became of it.
#[derive(Clone)]
pub(super) enum Newest {
    Whole(Arc<Item>),
    /// Its file is what it was, its marks say the rest.
    Marked,
    Gone,
}

/// Which items were changed, by the newest sequence number that is in files and index. Bounded: what is older than it
/// knows it says so.
#[derive(Default)]
pub(super) struct Recent {
    by_item: HashMap<Id, u64>,
    in_order: VecDeque<(u64, Id)>,
    /// What came before is forgotten.
    since: u64,
}

impl Recent {
    pub(super) fn add(&mut self, sequence: u64, id: Id) {
        self.by_item.insert(id, sequence);
        self.in_order.push_back((sequence, id));
        if self.in_order.len() > RECENT_MAX
            && let Some((sequence, id)) = self.in_order.pop_front()
        {
            self.since = self.since.max(sequence);
            if self.by_item.get(&id) == Some(&sequence) {
                self.by_item.remove(&id);
            }
        }
    }

    /// Whether an item may have been changed behind this sequence number.
    pub(super) fn changed(&self, id: Id, behind: u64) -> bool {
        self.since > behind || self.by_item.get(&id).is_some_and(|sequence| *sequence > behind)
    }
}

/// Where a body lies until it is in its place.
#[derive(Clone)]
pub(super) enum NewBody {
    Memory(Arc<Vec<u8>>),
    File(PathBuf),
}

impl Core {
    pub(super) fn new(layout: Layout, disk: Arc<Disk>, index: Index, marks: Marks, limits: Limits) -> Self {
        let state = State { marks, ..State::default() };
        Self {
            layout,
            disk,
            index,
            state: Mutex::new(state),
            changed: Condvar::new(),
            ending: Condvar::new(),
            limits,
            applying: Mutex::default(),
            order: AtomicI64::new(0),
            held: Arc::default(),
            names: AtomicU64::new(0),
            rebuilds: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn applying(&self) -> MutexGuard<'_, MarkLog> {
        self.applying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Whether somebody makes the index anew at this moment.
    pub(super) fn is_rebuilding(&self) -> bool {
        self.rebuilds.load(Ordering::Acquire)
    }

    /// Waits; whether the vault is being closed.
    pub(super) fn rest(&self, pause: Duration) -> bool {
        let waited = self.ending.wait_timeout_while(self.state(), pause, |state| !state.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// A place in time behind all that were given before.
    pub(super) fn next_order(&self) -> i64 {
        let now = now_ms() << 10;
        let next = |last: i64| Some((last + 1).max(now));
        self.order
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .map_or(now, |last| (last + 1).max(now))
    }

    /// Places in time go on behind this one.
    pub(super) fn order_at_least(&self, order: i64) {
        self.order.fetch_max(order, Ordering::AcqRel);
    }

    pub(super) fn last_order(&self) -> i64 {
        self.order.load(Ordering::Acquire)
    }

    /// A name for a body on its way; those of an earlier process are gone by then.
    pub(super) fn incoming_name(&self, id: Id) -> String {
        format!("{id}N{}", self.names.fetch_add(1, Ordering::AcqRel))
    }

    /// Names a damaged file in the report, and leaves it as it is.
    pub(super) fn damaged(&self, error: &VaultError) {
        let text = error.to_string();
        let mut state = self.state();
        if state.damaged.contains(&text) {
            return;
        }
        state.damaged_count += 1;
        if state.damaged.len() < DAMAGED_NAMED {
            state.damaged.push(text.clone());
        }
        drop(state);
        tracing::warn!("{text}");
    }

    /// The newest durable state of an item, from memory or its file. Blocks.
    pub(super) fn item(&self, id: Id) -> Result<Arc<Item>, VaultError> {
        if let Some(newer) = self.state().newer.get(&id) {
            match &newer.what {
                Newest::Whole(item) => return Ok(Arc::clone(item)),
                Newest::Gone => return Err(VaultError::Missing(id)),
                Newest::Marked => {}
            }
        }
        self.read(&self.layout.item(id), id).map(Arc::new)
    }

    /// Reads an item file, and does what its marks say. Blocks.
    pub(super) fn read(&self, path: &Path, id: Id) -> Result<Item, VaultError> {
        // First: of marks that go meanwhile the file has more.
        let marks = self.state().marks.of(id);
        self.disk.may_touch(path).map_err(|e| failed("read", path, e))?;
        let mut item = read_item(path, id)?;
        overlay(&mut item, &marks);
        Ok(item)
    }

    /// The newest mark of an item, where it is newer than its file.
    pub(super) fn newest_mark(&self, id: Id) -> Option<Arc<Mark>> {
        let state = self.state();
        if state.newer.get(&id).is_some_and(|newer| !matches!(newer.what, Newest::Marked)) {
            return None;
        }
        state.marks.newest(id).map(|(_, mark)| Arc::clone(mark))
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX).min(i64::MAX >> 10)
}

/// Reads an item file, as it is. Blocks.
pub(super) fn read_item(path: &Path, id: Id) -> Result<Item, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(VaultError::Missing(id)),
        Err(e) => return Err(failed("read", path, e)),
    };
    let octets = seal::unseal(BufReader::new(file), ITEM_MAX).map_err(|e| unsealed(path, e))?;
    let item = parse_item(path, &octets)?;
    if item.id != id {
        return Err(VaultError::Damaged { path: path.to_owned(), what: "it is another message's" });
    }
    Ok(item)
}

pub(super) fn parse_item(path: &Path, octets: &[u8]) -> Result<Item, VaultError> {
    serde_json::from_slice(octets)
        .map_err(|_| VaultError::Damaged { path: path.to_owned(), what: "its content makes no sense" })
}

/// The error of a sealed file.
pub(super) fn unsealed(path: &Path, error: seal::SealError) -> VaultError {
    match error {
        seal::SealError::Io(e) => failed("read", path, e),
        other => VaultError::Damaged { path: path.to_owned(), what: other.what() },
    }
}
