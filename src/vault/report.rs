//! How the vault is, for `status` and `doctor`: figures, and what is wrong in words for people. Values only.

use super::core::{Core, Failing};
use super::error::VaultError;

/// What an index lacks that is not complete, and what that does.
const LACKS: &str = "until it is complete lists, searches and counts lack messages, retention and sweeps leave those alone, \
     folders may take more than their caps, deletes of many are slow, and mail of the spool and held mail goes on as it is found";

/// How the vault is, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VaultReport {
    /// Items, the trash included.
    pub items: u64,
    /// Deliveries that wait, and holds.
    pub spooled: u64,
    /// Held items.
    pub held: u64,
    /// Damaged files that were found and skipped since the start: the first ten, and how many.
    pub damaged: Vec<String>,
    /// How many.
    pub damaged_count: u64,
    /// Changes that are durable but not yet in files and index.
    pub behind: u64,
    /// What the canary found: `None` is all well.
    pub canary: Option<String>,
    /// What is wrong with disk or index, in one line each; the same words as long as it is the same.
    pub troubles: Vec<String>,
    /// Of an index that is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildReport>,
}

/// An index that is not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RebuildReport {
    /// Messages that were read so far.
    pub items: u64,
    /// Whether it is being made at this moment; else it waits for the next try.
    pub running: bool,
    /// How often that failed.
    #[serde(default)]
    pub failures: u64,
    /// Why, the last time.
    #[serde(default)]
    pub error: Option<String>,
    /// Since when, milliseconds since 1970.
    #[serde(default)]
    pub since_unix_ms: Option<i64>,
}

/// In words. An error of the index gives an advice that is being followed.
pub(super) fn words(error: &VaultError) -> String {
    match error {
        VaultError::Index { path, what } => format!("the index {}: {what}", path.display()),
        other => other.to_string(),
    }
}

/// How it is; `ended`: the journal thread is gone.
pub(super) fn report(core: &Core, ended: bool) -> VaultReport {
    let running = core.is_rebuilding();
    let state = core.state();
    let sum = |now: i64, coming: i64| u64::try_from(now + coming).unwrap_or(0);
    let anew = |failing: Option<&Failing>| match failing {
        None => format!("the index of the quarantine is being made anew: {LACKS}"),
        Some(Failing { error, .. }) => format!(
            "making the index of the quarantine anew failed: {}; mend that; it is tried again every minute, and at once by \
             `portcullis quarantine rebuild`: {LACKS}",
            words(error)
        ),
    };
    let rebuilding = state.rebuilding.map(|_| anew(state.failing.as_ref()));
    let stuck = state.stuck.as_ref();
    let stuck = stuck.map(|error| format!("files and index of the quarantine are behind: {error}"));
    let refusing = state.refusing.as_ref().map(|text| format!("messages are put off: {text}"));
    let ended = (ended && !state.closing)
        .then(|| "a thread of the quarantine has ended: restart Portcullis".to_owned());
    VaultReport {
        items: sum(state.counts.items, state.coming.items),
        spooled: sum(state.counts.spooled, state.coming.spooled),
        held: sum(state.counts.held, state.coming.held),
        damaged: state.damaged.clone(),
        damaged_count: state.damaged_count,
        behind: state.durable - state.applied,
        canary: state.canary.clone(),
        troubles: refusing.into_iter().chain(stuck).chain(rebuilding).chain(ended).collect(),
        rebuild: state.rebuilding.map(|items| RebuildReport {
            items,
            running,
            failures: state.failing.as_ref().map_or(0, |failing| failing.times),
            error: state.failing.as_ref().map(|failing| words(&failing.error)),
            since_unix_ms: state.failing.as_ref().map(|failing| failing.since_ms),
        }),
    }
}
