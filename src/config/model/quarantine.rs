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

const DAY: u64 = 24;
const GIB: u64 = 1 << 30;

impl Folder {
    /// Of mail that was never in quarantine: only ever to be delivered. No folder that an admin sees.
    pub const SPOOL: &str = "spool";
    /// Of messages that are scanned again by themselves.
    pub const HELD: &str = "held";
    /// Of messages that were taken and dropped.
    pub const DISCARDED: &str = "discarded";
    /// Of what entries of block lists put into quarantine.
    pub const POLICY: &str = "policy";

    /// Of messages with malware.
    pub const VIRUS: &str = "virus";
    /// Of messages that no scanner could look at.
    pub const UNSCANNED: &str = "unscanned";

    /// A folder of the admin's own without any key but its name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            note: "".into(),
            keep: Some(Duration::from_hours(30 * DAY)),
            max_octets: 10 * GIB,
            max_items: 1_000_000,
            overflow: Overflow::Tempfail,
            release: Vec::new(),
            rescan: false,
        }
    }

    /// The folders that are always there.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        let noted = |name, note: &str| Self { note: note.into(), ..Self::named(name) };
        let days = |days: u64| Some(Duration::from_hours(days * DAY));
        let oldest = Overflow::Oldest;
        vec![
            Self { overflow: oldest, rescan: true, ..noted(Self::VIRUS, "malware") },
            Self { overflow: oldest, keep: days(14), ..noted("spam", "unsolicited mail") },
            noted(Self::POLICY, "what a rule or list puts here"),
            noted(Self::UNSCANNED, "what no scanner could look at"),
            Self {
                keep: None,
                max_octets: 5 * GIB,
                max_items: 100_000,
                ..noted(Self::HELD, "scanned again by itself, then delivered or put elsewhere")
            },
            Self {
                overflow: oldest,
                keep: days(3),
                max_octets: 2 * GIB,
                ..noted(Self::DISCARDED, "taken and dropped by a rule")
            },
            Self { overflow: oldest, ..noted("dead", "could not be delivered") },
        ]
    }
}

impl Quarantine {
    /// The folder of that name.
    #[must_use]
    pub fn folder(&self, name: &str) -> Option<&Arc<Folder>> {
        self.folders.iter().find(|folder| *folder.name == *name)
    }
}

impl Default for Quarantine {
    fn default() -> Self {
        Self {
            folders: Folder::built_in().into_iter().map(Arc::new).collect(),
            trash: Duration::from_hours(7 * DAY),
            disk: Disk::default(),
            spool: SpoolRules::default(),
            hold: HoldRules::default(),
            notices: Notices::default(),
        }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self { warn: GIB, full: 200 << 20 }
    }
}

impl Default for SpoolRules {
    fn default() -> Self {
        let minutes = [1, 5, 10, 20, 30, 60, 120, 240];
        Self {
            retry: minutes.map(Duration::from_mins).to_vec(),
            expire: Duration::from_hours(5 * DAY),
            concurrency: 4,
            warn: Some(Duration::from_hours(4)),
            max_octets: 5 * GIB,
            max_items: 100_000,
        }
    }
}

impl Default for HoldRules {
    fn default() -> Self {
        Self { retry: Duration::from_mins(1), max_age: Duration::from_hours(4), concurrency: 4 }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self { admin: None, downstream: None, every: Duration::from_hours(1), max_per_hour: 20 }
    }
}
