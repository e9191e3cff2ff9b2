//! Free space of the volumes that are written to, and folders that fill up; since when.
//!
//! Owner of: what a task found when it last looked, every second. Sessions read one flag at MAIL and never wait for a
//! disk. Failure: a volume that cannot be looked at counts as it did before, and is named.

use crate::config::model::{AuditTarget, Disk, Policy};
use crate::vault::Vault;
use nix::sys::statvfs::statvfs;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A folder that is filled to this part of a cap is named, in percent.
const NEAR_PERCENT: u64 = 90;

/// How much is free on a volume, against the watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Enough.
    Good,
    /// Less than `warn`.
    Low,
    /// Less than `full`: MAIL is put off.
    Full,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Volume {
    /// What of ours lies on it: `state`, `quarantine`, `temporary files`, `audit log`.
    pub holds: Vec<String>,
    /// One folder of it.
    pub path: PathBuf,
    /// Octets free for us.
    pub free: u64,
    /// Against the watermarks.
    pub level: Level,
    /// Since when it is at this level, milliseconds since 1970.
    pub since_unix_ms: i64,
}

/// A folder of the quarantine that is nearly full.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NearFull {
    /// Folder.
    pub folder: String,
    /// How full, in percent of the cap that is nearer.
    pub percent: u64,
    /// Since when, milliseconds since 1970.
    pub since_unix_ms: i64,
}

/// See the module head.
#[derive(Debug, Default)]
pub struct Space {
    full: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    volumes: Vec<Volume>,
    folders: Vec<NearFull>,
}

impl Space {
    /// Whether some volume has less free than `full`.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// As if a volume had nothing left, for tests of whoever asks; the next look finds out.
    pub fn fill(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Looks at all volumes and folders. Blocks on the disks.
    pub fn look(&self, policy: &Policy, vault: &Vault, now_ms: i64) {
        let found: Vec<(u64, &'static str, PathBuf, u64)> = places(policy)
            .into_iter()
            .filter_map(|(what, path)| {
                let device = std::fs::metadata(&path).ok()?.dev();
                Some((device, what, path.clone(), free(&path)?))
            })
            .collect();
        let folders = near_full(policy, &|folder| vault.folder(folder));
        self.take(&found, folders, policy.quarantine.disk, now_ms);
    }

    /// What was found, against what was found before.
    fn take(
        &self,
        found: &[(u64, &'static str, PathBuf, u64)],
        near: Vec<(String, u64)>,
        marks: Disk,
        now_ms: i64,
    ) {
        let mut volumes: BTreeMap<u64, Volume> = BTreeMap::new();
        for (device, what, path, free) in found {
            let new = || Volume {
                holds: Vec::new(),
                path: path.clone(),
                free: *free,
                level: level(*free, marks),
                since_unix_ms: now_ms,
            };
            volumes.entry(*device).or_insert_with(new).holds.push((*what).to_owned());
        }
        let mut volumes: Vec<Volume> = volumes.into_values().collect();
        let mut seen = self.seen();
        for volume in &mut volumes {
            let before = seen.volumes.iter().find(|v| v.holds == volume.holds);
            match before {
                Some(before) if before.level == volume.level => volume.since_unix_ms = before.since_unix_ms,
                Some(before) => tell(volume, before.level),
                None if volume.level != Level::Good => tell(volume, Level::Good),
                None => {}
            }
        }
        let since = |folder: &str| {
            let before = seen.folders.iter().find(|f| *f.folder == *folder);
            before.map_or(now_ms, |f| f.since_unix_ms)
        };
        let folders = near
            .into_iter()
            .map(|(folder, percent)| NearFull { since_unix_ms: since(&folder), folder, percent })
            .collect();
        // Where nothing could be looked at, what was known stays.
        if !volumes.is_empty() {
            self.full.store(volumes.iter().any(|v| v.level == Level::Full), Ordering::Relaxed);
            seen.volumes = volumes;
        }
        seen.folders = folders;
    }

    /// Volumes, and folders that are nearly full.
    #[must_use]
    pub fn report(&self) -> (Vec<Volume>, Vec<NearFull>) {
        let seen = self.seen();
        (seen.volumes.clone(), seen.folders.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level(free: u64, marks: Disk) -> Level {
    if free < marks.full {
        Level::Full
    } else if free < marks.warn {
        Level::Low
    } else {
        Level::Good
    }
}

fn tell(volume: &Volume, before: Level) {
    let (path, free) = (volume.path.display(), volume.free);
    match volume.level {
        Level::Good => tracing::info!(%path, free, "enough free space again"),
        Level::Low if before == Level::Full => {
            tracing::warn!(%path, free, "mail is taken again; free space is below [disk] warn")
        }
        Level::Low => tracing::warn!(%path, free, "free space is below [disk] warn"),
        Level::Full => tracing::error!(%path, free, "free space is below [disk] full: mail is put off (452)"),
    }
}

/// What we write, and where.
fn places(policy: &Policy) -> Vec<(&'static str, PathBuf)> {
    let state = &policy.state_dir;
    let mut places = vec![
        ("state", state.clone()),
        ("quarantine", state.join("vault")),
        ("temporary files", state.join("tmp")),
    ];
    if let AuditTarget::File(file) = &policy.audit {
        places.extend(file.parent().map(|parent| ("audit log", parent.to_owned())));
    }
    places
}

/// Octets that we may still write there.
fn free(path: &Path) -> Option<u64> {
    let about = statvfs(path).ok()?;
    Some(about.blocks_available().saturating_mul(about.fragment_size()))
}

/// Folders that are nearly full, with how full they are. Those whose oldest go are never.
fn near_full(policy: &Policy, have: &dyn Fn(&str) -> (u64, u64)) -> Vec<(String, u64)> {
    use crate::config::model::{Overflow, QuarantineFolder};
    let rules = &policy.quarantine;
    let own = rules.folders.iter().filter(|f| f.overflow == Overflow::Tempfail);
    let own = own.map(|f| (&*f.name, f.max_items, f.max_octets));
    let spool = (QuarantineFolder::SPOOL, rules.spool.max_items, rules.spool.max_octets);
    let percent = |(folder, items, octets): (&str, u64, u64)| {
        let (have_items, have_octets) = have(folder);
        let of = |have: u64, most: u64| have.saturating_mul(100) / most.max(1);
        let percent = of(have_items, items).max(of(have_octets, octets));
        (percent >= NEAR_PERCENT).then(|| (folder.to_owned(), percent))
    };
    own.chain([spool]).filter_map(percent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Moment, Sources, parse_files};

    const MARKS: Disk = Disk { warn: 1000, full: 100 };

    fn found(device: u64, what: &'static str, free: u64) -> (u64, &'static str, PathBuf, u64) {
        (device, what, PathBuf::from("/v"), free)
    }

    #[test]
    fn levels_and_since_when() {
        let space = Space::default();
        let at = |free, now| {
            space.take(&[found(1, "state", 5000), found(2, "audit log", free)], Vec::new(), MARKS, now);
            let (volumes, _) = space.report();
            let shown: Vec<_> = volumes.iter().map(|v| (v.level, v.since_unix_ms)).collect();
            (shown, space.is_full())
        };
        use Level::{Full, Good, Low};
        assert_eq!(at(5000, 1), (vec![(Good, 1), (Good, 1)], false));
        assert_eq!(at(999, 2), (vec![(Good, 1), (Low, 2)], false));
        assert_eq!(at(500, 3), (vec![(Good, 1), (Low, 2)], false));
        assert_eq!(at(99, 4), (vec![(Good, 1), (Full, 4)], true));
        assert_eq!(at(100, 5), (vec![(Good, 1), (Low, 5)], false));
        // What cannot be looked at is as it was.
        space.take(&[], Vec::new(), MARKS, 6);
        assert_eq!(space.report().0.len(), 2);
        // What lies on one volume is named together.
        space.take(&[found(1, "state", 50), found(1, "audit log", 50)], Vec::new(), MARKS, 7);
        assert_eq!(space.report().0[0].holds, ["state", "audit log"]);
        assert!(space.is_full());
    }

    #[test]
    fn folders_near_their_caps() {
        let gateway = "hostname = \"mx.example.net\"\nstate_dir = \"/s\"\n\
             listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" }]\n\
             downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n[relay]\ndomains = [\"example.net\"]\n";
        let rules = "[[folder]]\nname = \"own\"\nmax_messages = 100\nmax_bytes = \"1M\"\n\
                     [[folder]]\nname = \"spam\"\nmax_messages = 1\n[spool]\nmax_messages = 10\n";
        let sources = Sources::of(&[("gateway.toml", gateway), ("quarantine.toml", rules)]);
        let (policy, problems) = parse_files(&sources, Path::new("/rules"), Moment::at(0));
        let policy = policy.unwrap_or_else(|| panic!("{problems:?}"));
        let near = |have: (u64, u64)| near_full(&policy, &|_| have);
        assert_eq!(near((8, 0)), []);
        assert_eq!(near((9, 0)), [("spool".to_owned(), 90)]);
        let octets = (1 << 20) * 95 / 100;
        assert_eq!(near((0, octets)), [("own".to_owned(), 94)]);
        let space = Space::default();
        space.take(&[], vec![("own".into(), 94)], MARKS, 5);
        space.take(&[], vec![("own".into(), 97)], MARKS, 9);
        let (_, folders) = space.report();
        assert_eq!((folders[0].percent, folders[0].since_unix_ms), (97, 5));
    }

    #[test]
    fn this_volume_has_some_space() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free(dir.path()).unwrap() > 0);
        assert_eq!(free(&dir.path().join("none")), None);
    }
}
