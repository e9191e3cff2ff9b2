//! What all sessions share, and what `status` says of it.

use super::audit::Audit;
use super::counters::Counters;
use super::fold::Fold;
use super::generation::Generation;
use super::history::History;
use super::live::{Live, LiveReport};
use super::phase::Phase;
use super::space::{NearFull, Space, Volume};
use super::world::Surroundings;
use crate::body::Budget;
use crate::desk::{Desk, UnnotedReport};
use crate::downstream::{Accepted, Dial, Report};
use crate::limits::Limits;
use crate::message::trace::TraceKey;
use crate::records::{Records, RecordsReport};
use crate::scan::ScannerReport;
use crate::store::Ids;
use crate::vault::{Vault, VaultReport};
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The gateway: made once at start, shared by everything.
pub struct Gateway {
    /// The generation in force.
    pub current: Arc<ArcSwap<Generation>>,
    /// Where the next session and message ids come from.
    pub ids: Ids,
    /// The key of our marks.
    pub trace_key: TraceKey,
    /// Memory and disk for message bodies.
    pub budget: Arc<Budget>,
    /// Messages that are ours: quarantine, holds, spool.
    pub vault: Arc<Vault>,
    /// What people and the clock do with them.
    pub desk: Arc<Desk>,
    /// What the desk sees of this gateway.
    pub world: Arc<Surroundings>,
    /// Recipients that downstreams accepted before.
    pub accepted: Accepted,
    /// Free space, and folders that fill up.
    pub space: Space,
    /// The audit log.
    pub audit: Audit,
    /// The same lines, to be searched and counted, and transcripts.
    pub records: Arc<Records>,
    /// Open sessions.
    pub live: Arc<Live>,
    /// Messages.
    pub counters: Arc<Counters>,
    /// Connections at once, rates, bans, throttles, greylisting.
    pub limits: Arc<Limits>,
    /// Refusals at the door.
    pub fold: Fold,
    /// Running or draining.
    pub phase: watch::Sender<Phase>,
    /// How downstreams are reached.
    pub dial: Arc<dyn Dial>,
    /// The rules directory.
    pub rules_dir: PathBuf,
    /// Start of the process, milliseconds since 1970.
    pub started_unix_ms: i64,
    /// What the last reload said, if it failed.
    pub last_reload_error: Mutex<Option<String>>,
    /// The rules as they were read last, and earlier ones.
    pub history: History,
}

/// An amount that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Amount {
    /// Now.
    pub now: u64,
    /// The most ever.
    pub peak: u64,
}

/// What the audit log lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditLosses {
    /// Lines lost: the disk was too slow, or full for too long.
    pub lines: u64,
    /// How often writing began to fail; what a file did not take then is written later.
    pub writes: u64,
}

/// One listener, for people.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ListenerReport {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The state of a running gateway, for people and scripts.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs, milliseconds since 1970.
    pub started_unix_ms: i64,
    /// Generation of the policy.
    pub generation: u64,
    /// The earlier generation whose rules these are, after a rollback.
    #[serde(default)]
    pub rules_of: Option<u64>,
    /// `running` or `draining`.
    pub phase: String,
    /// What the last reload said, if it failed.
    pub last_reload_error: Option<String>,
    /// Sessions that are open now.
    pub sessions: usize,
    /// `max_connections`.
    pub sessions_limit: usize,
    /// Connections since start.
    pub connections: u64,
    /// Of these, turned away at the door: no place left, over a limit, banned or on a block list.
    pub turned_away: u64,
    /// Messages delivered since start.
    pub delivered: u64,
    /// Messages taken and not delivered since start: into quarantine, held, or waiting for a downstream.
    #[serde(default)]
    pub kept: u64,
    /// Messages refused at their end since start.
    pub refused: u64,
    /// The store of messages that are ours.
    #[serde(default)]
    pub vault: VaultReport,
    /// Deliveries that cannot be noted.
    #[serde(default)]
    pub unnoted: UnnotedReport,
    /// Volumes that are written to.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// Folders of the quarantine that are nearly full.
    #[serde(default)]
    pub near_full: Vec<NearFull>,
    /// Octets of bodies in memory.
    pub memory: Amount,
    /// Octets of bodies in temporary files.
    pub disk: Amount,
    /// What the audit log lacks since start.
    pub audit_losses: AuditLosses,
    /// What is remembered of sessions and messages.
    #[serde(default)]
    pub records: RecordsReport,
    /// Scanners.
    #[serde(default)]
    pub scanners: Vec<ScannerReport>,
    /// Listeners.
    pub listeners: Vec<ListenerReport>,
    /// Downstreams.
    pub downstreams: Vec<Report>,
    /// The oldest open sessions, at most ten.
    pub oldest: Vec<LiveReport>,
}

impl Gateway {
    /// The state now.
    #[must_use]
    pub fn status(&self) -> Status {
        let generation = self.current.load();
        let used = self.budget.used();
        let phase = match *self.phase.borrow() {
            Phase::Running => "running",
            Phase::Draining => "draining",
        };
        let (volumes, near_full) = self.space.report();
        let (lines, writes) = self.audit.losses();
        let counts = self.counters.now();
        let listeners = generation
            .entrances
            .iter()
            .map(|e| ListenerReport { name: e.listener.name.to_string(), address: e.listener.address });
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_unix_ms: self.started_unix_ms,
            generation: generation.number,
            rules_of: generation.rules_of,
            phase: phase.into(),
            last_reload_error: self.last_reload_error.lock().map_or(None, |e| e.clone()),
            sessions: self.live.count(),
            sessions_limit: generation.policy.max_connections,
            connections: counts.connections,
            turned_away: counts.turned_away,
            delivered: counts.delivered,
            kept: counts.kept,
            refused: counts.refused,
            vault: self.vault.report(),
            unnoted: self.desk.unnoted(),
            volumes,
            near_full,
            memory: Amount { now: used.memory, peak: used.memory_peak },
            disk: Amount { now: used.disk, peak: used.disk_peak },
            audit_losses: AuditLosses { lines, writes },
            records: self.records.report(),
            scanners: generation.scanners.report(),
            listeners: listeners.collect(),
            downstreams: generation.pools.iter().map(|p| p.report()).collect(),
            oldest: self.live.report(10),
        }
    }
}
