//! What the index says of items: rows, pages, groups, statistics. Values only.

use crate::mail::Id;
use crate::query::State;
use serde::{Deserialize, Serialize};

/// One item, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its reference.
    pub id: Id,
    /// Folder.
    pub folder: String,
    /// State.
    pub state: State,
    /// Envelope sender; empty is the null sender.
    pub from: String,
    /// Recipients, the first eight.
    pub to: Vec<String>,
    /// How many there are.
    pub recipients: u32,
    /// Subject.
    pub subject: String,
    /// Octets.
    pub size: u64,
    /// Milliseconds since 1970.
    pub received_ms: i64,
    /// Why.
    pub reason: String,
    /// Check, rule or scanner.
    pub rule: String,
    /// The reference in log, reply and header: the session's.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Spool and hold: what lists of these show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolRow>,
}

/// What is shown of deliveries and holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolRow {
    /// Recipients delivered.
    pub delivered: u32,
    /// Of so many.
    pub total: u32,
    /// Attempts (scans, for a hold).
    pub attempts: u32,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// Next attempt; `None` where nothing waits any more.
    #[serde(default)]
    pub next_ms: Option<i64>,
    /// Priority.
    pub priority: super::item::Priority,
    /// `waiting`, `frozen`, `in doubt`, `delivered`, `failed`.
    pub status: String,
    /// What the last attempt said.
    pub last: String,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// When it came.
    #[default]
    Received,
    /// Octets.
    Size,
    /// Sender.
    From,
    /// Subject.
    Subject,
    /// Next attempt.
    Next,
}

/// Where a page begins: behind this row of the page before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The sort key of the last row shown.
    pub key: String,
    /// Its place in time.
    pub order: i64,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageRequest {
    /// Which.
    pub query: crate::query::Query,
    /// Of these kinds only.
    #[serde(default)]
    pub scope: Scope,
    /// Sorted by.
    #[serde(default)]
    pub sort: Sort,
    /// The smallest (oldest) first.
    #[serde(default)]
    pub ascending: bool,
    /// Behind this.
    #[serde(default)]
    pub after: Option<Cursor>,
    /// Rows at most, 1 to 1,000.
    pub rows: usize,
}

/// Which kind of items a noun speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Folders of the quarantine; the trash only where the query says `state:trash`.
    #[default]
    Quarantine,
    /// Deliveries wait, or failed (folder `dead`).
    Spool,
    /// To be scanned again.
    Held,
    /// All there is.
    Everything,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its rows.
    pub rows: Vec<Row>,
    /// Where the next begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Near-identical messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// Octets of all.
    pub octets: u64,
    /// Different senders, recipients' domains, client addresses.
    pub senders: u64,
    /// Different client addresses.
    pub clients: u64,
    /// The first and the last, milliseconds since 1970.
    pub first_ms: i64,
    /// The last.
    pub last_ms: i64,
    /// The newest of them, as an example: `like:ID` is the whole group.
    pub sample: Row,
}

/// Figures of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderStats {
    /// Folder.
    pub folder: String,
    /// Items.
    pub items: u64,
    /// Octets of messages as they came.
    pub octets: u64,
    /// Of these, in the trash.
    pub trash: u64,
    /// The oldest, milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Items of the last 24 hours.
    pub day_items: u64,
    /// Octets of the last 24 hours.
    pub day_octets: u64,
    /// Caps of the folder, where it has some: items, octets.
    #[serde(default)]
    pub max_items: Option<u64>,
    /// Cap in octets.
    #[serde(default)]
    pub max_octets: Option<u64>,
    /// Seconds until the first cap is reached at the speed of the last 24 hours.
    #[serde(default)]
    pub seconds_to_full: Option<u64>,
}

/// Figures of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// By folder.
    pub folders: Vec<FolderStats>,
    /// By rule, the most first, at most 50: rule, items.
    pub rules: Vec<(String, u64)>,
    /// By day (UTC, `2026-11-21`), the newest first, at most 31: items, octets.
    pub days: Vec<(String, u64, u64)>,
    /// Different bodies.
    pub bodies: u64,
    /// Octets of the files on disk, about.
    pub disk_octets: u64,
}

impl FolderStats {
    /// A folder without anything in it.
    #[must_use]
    pub fn empty(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            items: 0,
            octets: 0,
            trash: 0,
            oldest_ms: None,
            day_items: 0,
            day_octets: 0,
            max_items: None,
            max_octets: None,
            seconds_to_full: None,
        }
    }

    /// With its caps, and how long it takes to the first of them at the speed of the last 24 hours: 0 where one is
    /// reached, `None` where nothing came or there is no cap. What retention takes away is not reckoned with.
    #[must_use]
    pub fn capped(mut self, max_items: Option<u64>, max_octets: Option<u64>) -> Self {
        let seconds = |cap: Option<u64>, now: u64, day: u64| {
            let left = cap?.saturating_sub(now);
            if left == 0 { Some(0) } else { left.saturating_mul(86_400).checked_div(day) }
        };
        let items = seconds(max_items, self.items, self.day_items);
        let octets = seconds(max_octets, self.octets, self.day_octets);
        self.seconds_to_full = items.into_iter().chain(octets).min();
        (self.max_items, self.max_octets) = (max_items, max_octets);
        self
    }
}
