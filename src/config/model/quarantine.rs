//! `quarantine.toml`. The defaults are those of the table of keys; a test compares the two.

use std::sync::Arc;
use std::time::Duration;

/// Everything of `quarantine.toml`.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Folders: the built-in ones, then the admin's own, in file order. Built in are `virus`, `spam`, `policy`,
    /// `unscanned`, `held`, `discarded`, `dead`.
    pub folders: Vec<Arc<Folder>>,
    /// How long the trash is kept.
    pub trash: Duration,
    /// Watermarks of every volume that is written to.
    pub disk: Disk,
    /// The spool.
    pub spool: SpoolRules,
    /// Holds.
    pub hold: HoldRules,
    /// Notices to the admin, and reports to senders.
    pub notices: Notices,
}

/// What happens to a new message when a folder is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest go.
    Oldest,
    /// The new one is put off (452 4.3.1).
    Tempfail,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Name: lower-case letters, digits, `-`, `_`; at most 32.
    pub name: Arc<str>,
    /// What it is for, shown in lists of folders.
    pub note: Box<str>,
    /// How long messages are kept; `None` is for ever.
    pub keep: Option<Duration>,
    /// Octets at most.
    pub max_octets: u64,
    /// Messages at most.
    pub max_items: u64,
    /// What gives when it is full.
    pub overflow: Overflow,
    /// Who may release: users of this machine, and `@group`; empty is everybody who may speak with the gateway.
    pub release: Vec<Box<str>>,
    /// Released only after a scan that says clean.
    pub rescan: bool,
}

/// Watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Less free than this on a volume: `status` warns. Octets.
    pub warn: u64,
    /// Less than this: 452 4.3.1 at MAIL. Octets.
    pub full: u64,
}

/// The spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolRules {
    /// Pauses between attempts; the last one repeats.
    pub retry: Vec<Duration>,
    /// After so long a delivery is given up.
    pub expire: Duration,
    /// Deliveries at once.
    pub concurrency: usize,
    /// A sender that may be told is told after so long that its mail waits; `None` is never.
    pub warn: Option<Duration>,
    /// Octets at most; beyond, mail of an outage is put off.
    pub max_octets: u64,
    /// Messages at most.
    pub max_items: u64,
}

/// Holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRules {
    /// Pause between scans.
    pub retry: Duration,
    /// After so long the admin is told.
    pub max_age: Duration,
    /// Scans at once.
    pub concurrency: usize,
}

/// Notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// Whom the admin's digest goes to; `None` is nobody.
    pub admin: Option<Box<str>>,
    /// Through which downstream; `None` is the first.
    pub downstream: Option<Arc<str>>,
    /// How often at most: one digest per period.
    pub every: Duration,
    /// Messages of our own in an hour at most, reports to senders included.
    pub max_per_hour: u32,
}
