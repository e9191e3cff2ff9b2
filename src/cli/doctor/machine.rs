//! Room, inodes, open files, the clock.

use super::report::Report;
use crate::cli::check::{Around, open_files_limit};
use crate::cli::out::octets;
use crate::config::model::{AuditTarget, Policy};
use jiff::Timestamp;
use nix::sys::statvfs::statvfs;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Less free inodes than this share of all, in percent, and no more than so many, are worth a word.
const INODES_PERCENT: u64 = 5;
const INODES: u64 = 100_000;
/// A clock that is behind our own files by more than this was put back.
const BACK_SECONDS: i64 = 120;
/// No clock is right before this: 2026-01-01.
const PAST: i64 = 1_767_225_600;

pub(super) fn open_files(report: &mut Report, policy: &Policy, around: &Around) {
    let (limit, needed, whose) = open_files_limit(policy, around);
    if limit >= needed {
        report.ok("open files", format!("limit {whose}: {limit}, needed {needed}"));
    } else {
        report.bad(
            "open files",
            format!(
                "limit {whose}: {limit}, but max_connections = {} needs {needed}",
                policy.max_connections
            ),
            "raise it (LimitNOFILE= of the systemd unit, ulimit -n), or lower max_connections",
        );
    }
}

/// Each volume that is written to, once.
pub(super) fn volumes(report: &mut Report, policy: &Policy) {
    let mut folders = vec![policy.state_dir.clone(), policy.state_dir.join("vault")];
    if let AuditTarget::File(file) = &policy.audit {
        folders.extend(file.parent().map(Path::to_owned));
    }
    let mut volumes: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for folder in folders {
        let Some(there) = folder.ancestors().find(|p| p.exists()) else { continue };
        if let Ok(about) = fs::metadata(there) {
            volumes.entry(about.dev()).or_insert_with(|| there.to_owned());
        }
    }
    for folder in volumes.values() {
        volume(report, policy, folder);
    }
}

fn volume(report: &mut Report, policy: &Policy, folder: &Path) {
    let shown = folder.display();
    let about = match statvfs(folder) {
        Ok(about) => about,
        Err(error) => {
            report.warn("disk", format!("how much room {shown} has is not known: {error}"), "see `df` there");
            return;
        }
    };
    let free = about.blocks_available() * about.fragment_size();
    let disk = &policy.quarantine.disk;
    let text = format!("{} free on the volume of {shown}", octets(free));
    if free < disk.full {
        report.bad(
            "disk",
            format!("{text}: mail is put off (452) below {}", octets(disk.full)),
            "make room: `portcullis quarantine stats` says what takes it",
        );
    } else if free < disk.warn {
        report.warn(
            "disk",
            format!("{text}: less than [disk] warn, {}", octets(disk.warn)),
            "make room, or lower `keep` of folders in quarantine.toml",
        );
    } else {
        report.ok("disk", text);
    }
    let (all, free) = (about.files(), about.files_available());
    // Some file systems have no number of inodes, and say 0.
    if all > 0 && free < INODES && free.saturating_mul(100) < all.saturating_mul(INODES_PERCENT) {
        report.bad(
            "inodes",
            format!("{free} of {all} left on the volume of {shown}"),
            "delete many small files there, or make the file system anew with more inodes",
        );
    } else if all > 0 {
        report.ok("inodes", format!("{free} of {all} left on the volume of {shown}"));
    }
}

/// Against our own files, and by what the time service of the system says.
pub(super) fn clock(report: &mut Report, policy: &Policy) {
    let now = Timestamp::now().as_second();
    let names = ["ids", "audit.jsonl", "vault.db", "lock"];
    let newest = names
        .iter()
        .filter_map(|name| fs::metadata(policy.state_dir.join(name)).ok())
        .map(|m| m.mtime())
        .max();
    match trouble(now, newest) {
        Some(text) => report.bad("clock", text, "set it right (`timedatectl set-ntp true`, chrony): dates of mail, bans, greylisting and retention go by it"),
        None if synchronised() => report.ok("clock", "right, by the time service of this machine"),
        None => report.ok("clock", format!("{}; whether a time service keeps it right is not known", crate::mail::rfc3339(now * 1000))),
    }
}

fn trouble(now: i64, newest: Option<i64>) -> Option<String> {
    if now < PAST {
        return Some(format!("it says {}, which is over", crate::mail::rfc3339(now * 1000)));
    }
    let ahead = newest? - now;
    (ahead > BACK_SECONDS)
        .then(|| format!("it is {ahead} s behind files that the gateway wrote: it was put back"))
}

fn synchronised() -> bool {
    Path::new("/run/systemd/timesync/synchronized").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_seen() {
        assert!(trouble(0, None).is_some());
        assert!(trouble(PAST + 1, Some(PAST + 1000)).unwrap().contains("999 s behind"));
        assert_eq!(trouble(PAST + 1, Some(PAST)), None);
        assert_eq!(trouble(PAST + 1, None), None);
    }
}
