//! The folders that the gateway writes to: a small file is created, written, synced, renamed and deleted in
//! each, as the user that will do so later.
//!
//! `run` creates a missing state directory with the rights that it is started with, and gives an existing one
//! to its user; so these two cases are tried before the rights go, and everything else after.

use super::report::Report;
use crate::cli::out;
use crate::config::model::{AuditTarget, Policy};
use crate::store::probe_dir;
use nix::sys::statvfs::statvfs;
use nix::unistd::User;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What `run` makes in the state directory.
const OURS: [&str; 11] = [
    "lock",
    "key",
    "ids",
    "tmp",
    "generations",
    "audit.jsonl",
    "records",
    "transcripts",
    "vault",
    "vault.db",
    "accepted",
];

/// With the rights of the start. `user`: whom `run` becomes.
pub(super) fn as_started(report: &mut Report, policy: &Policy, user: Option<&User>) {
    let dir = &policy.state_dir;
    if missing(dir) {
        let Some(parent) = dir.ancestors().find(|p| !missing(p)) else { return };
        match probe_dir(parent) {
            Ok(()) => report.ok(format!(
                "state_dir {} does not exist yet; `run` creates it: {} can be written to",
                dir.display(),
                parent.display()
            )),
            Err(error) => report.warning(format!(
                "state_dir {} does not exist, and `run` cannot create it: {error}",
                dir.display()
            )),
        }
    } else if let Some(user) = user.filter(|user| owner(dir) != Some(user.uid.as_raw())) {
        probe(report, "state_dir", dir, &format!("; `run` gives it to user \"{}\"", user.name));
        contents(report, dir, user);
    }
    space(report, policy);
}

/// With the rights that stay.
pub(super) fn as_run(report: &mut Report, policy: &Policy, user: Option<&User>) {
    let dir = &policy.state_dir;
    let given_later = user.is_some_and(|user| owner(dir) != Some(user.uid.as_raw()));
    if !missing(dir) {
        modes(report, dir);
        if !given_later {
            probe(report, "state_dir", dir, "");
            let tmp = dir.join("tmp");
            if !missing(&tmp) {
                probe(report, "temporary files", &tmp, "");
            }
        }
    }
    audit(report, policy);
}

fn audit(report: &mut Report, policy: &Policy) {
    let AuditTarget::File(file) = &policy.audit else {
        report.ok("audit log: standard output");
        return;
    };
    let folder = file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    if folder != policy.state_dir {
        probe(report, "audit log", &folder, "");
    }
    if file.is_dir() {
        report.warning(format!("audit log {}: this is a folder; name a file", file.display()));
    } else if !missing(file)
        && let Err(error) = fs::OpenOptions::new().append(true).open(file)
    {
        report.warning(format!("audit log {} cannot be written to: {error}", file.display()));
    }
}

fn probe(report: &mut Report, what: &str, dir: &Path, more: &str) {
    match probe_dir(dir) {
        Ok(()) => report.ok(format!("{what}: {} can be written to{more}", dir.display())),
        Err(error) => report.warning(format!("{what}: {error}")),
    }
}

/// What a start as somebody else left there would not be writable later.
fn contents(report: &mut Report, dir: &Path, user: &User) {
    let foreign = |path: &PathBuf| owner(path).is_some_and(|uid| uid != user.uid.as_raw());
    // `run` gives the lock away itself.
    let others: Vec<_> =
        OURS.iter().filter(|name| **name != "lock").map(|n| dir.join(n)).filter(foreign).collect();
    if let Some(first) = others.first() {
        report.warning(format!(
            "{} belongs to another user than \"{}\", who could not use it: chown -R {} {}",
            first.display(),
            user.name,
            user.name,
            dir.display()
        ));
    }
}

/// What `run` refuses.
fn modes(report: &mut Report, dir: &Path) {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |about| about.permissions().mode() & 0o7777);
    let (own, tmp) = (mode(dir), dir.join("tmp"));
    if own & 0o002 != 0 {
        report.warning(format!(
            "state_dir {} is open to other users (mode {own:o}), `run` refuses that: chmod o-w it",
            dir.display()
        ));
    }
    if mode(&tmp) & 0o077 != 0 {
        report.warning(format!(
            "{} is open to other users (mode {:o}), `run` refuses that: chmod 700 it",
            tmp.display(),
            mode(&tmp)
        ));
    }
}

/// Room for what `disk` promises.
fn space(report: &mut Report, policy: &Policy) {
    let Some(dir) = policy.state_dir.ancestors().find(|p| !missing(p)) else { return };
    let Ok(about) = statvfs(dir) else { return };
    let free = about.blocks_available() * about.fragment_size();
    let disk = policy.disk_octets;
    if free < disk {
        report.warning(format!(
            "state_dir: {} free, but `disk` lets message bodies take {}; make room, or lower `disk`",
            out::octets(free),
            out::octets(disk)
        ));
    }
}

fn missing(path: &Path) -> bool {
    // A folder that may not be entered is there: the probe says what is wrong with it.
    matches!(fs::exists(path), Ok(false))
}

fn owner(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|about| about.uid())
}
