//! What an item is, in one word; and what lists show of its deliveries.

use crate::query::State;
use crate::vault::item::{Item, Progress};
use crate::vault::view::SpoolRow;

/// The folder of items that were never in quarantine.
pub const SPOOL: &str = "spool";
/// The folder of mail that was given up.
pub const DEAD: &str = "dead";

/// The state of an item: the first of these that holds. In the trash; to be scanned again; deliveries wait; given up
/// for some recipient; delivered to all; a copy; kept.
#[must_use]
pub fn state_of(item: &Item) -> State {
    let ended = |progress| item.spool.iter().flat_map(|s| &s.deliveries).any(|d| d.progress == progress);
    match () {
        () if item.trash.is_some() => State::Trash,
        () if item.hold.is_some() => State::Held,
        () if item.waiting() > 0 => State::Spooled,
        () if ended(Progress::Failed) => State::Failed,
        () if ended(Progress::Delivered) => State::Released,
        () if item.copy => State::Copy,
        () => State::Kept,
    }
}

/// When the next delivery is due; `None` where none is to be made by itself.
pub fn spool_next(item: &Item) -> Option<i64> {
    let spool = item.spool.as_ref().filter(|spool| !spool.frozen && item.trash.is_none());
    spool.filter(|_| item.waiting() > 0).map(|spool| spool.next_ms)
}

/// When the next scan is due.
pub fn hold_next(item: &Item) -> Option<i64> {
    item.hold.as_ref().filter(|_| item.trash.is_none()).map(|hold| hold.next_ms)
}

/// What lists show of deliveries and scans.
pub fn spool_row(item: &Item) -> Option<SpoolRow> {
    if let Some(hold) = &item.hold {
        return Some(SpoolRow {
            delivered: 0,
            total: count(item.recipients.len()),
            attempts: hold.scans,
            since_ms: item.received_ms,
            next_ms: Some(hold.next_ms),
            priority: item.spool.as_ref().map(|spool| spool.priority).unwrap_or_default(),
            status: "waiting".into(),
            last: hold.last.as_ref().map(|last| last.said.clone()).unwrap_or_default(),
        });
    }
    let spool = item.spool.as_ref()?;
    let delivered = spool.deliveries.iter().filter(|d| d.progress == Progress::Delivered).count();
    let failed = spool.deliveries.iter().any(|d| d.progress == Progress::Failed);
    let status = match () {
        () if item.waiting() == 0 && failed => "failed",
        () if item.waiting() == 0 => "delivered",
        () if spool.in_doubt => "in doubt",
        () if spool.frozen => "frozen",
        () => "waiting",
    };
    Some(SpoolRow {
        delivered: count(delivered),
        total: count(spool.deliveries.len()),
        attempts: spool.attempts,
        since_ms: spool.since_ms,
        next_ms: (item.waiting() > 0).then_some(spool.next_ms),
        priority: spool.priority,
        status: status.into(),
        last: spool.last.as_ref().map(|last| last.said.clone()).unwrap_or_default(),
    })
}

/// A length as it is kept.
pub fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
