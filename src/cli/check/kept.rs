//! What `quarantine.toml` takes for granted of this machine: users that may release, and a disk that holds what the caps
//! allow.

use super::report::Report;
use crate::cli::out;
use crate::config::model::Policy;
use nix::sys::statvfs::statvfs;
use nix::unistd::{Group, User};
use std::collections::BTreeSet;

/// Folders that are named in one line.
const NAMED_MAX: usize = 5;

pub(super) fn check(report: &mut Report, policy: &Policy) {
    users(report, policy);
    caps(report, policy);
}

/// Names that nobody has would let nobody release.
fn users(report: &mut Report, policy: &Policy) {
    let names: BTreeSet<&str> =
        policy.quarantine.folders.iter().flat_map(|f| &f.release).map(|n| &**n).collect();
    for name in names {
        // What cannot be looked up is not said to be missing.
        let known = match name.strip_prefix('@') {
            Some(group) => Group::from_name(group).map_or(true, |found| found.is_some()),
            None => User::from_name(name).map_or(true, |found| found.is_some()),
        };
        if !known {
            let what = if name.starts_with('@') { "group" } else { "user" };
            let bare = name.trim_start_matches('@');
            report.warning(format!(
                "quarantine.toml: `release` names the {what} \"{bare}\", which this machine does not have"
            ));
        }
    }
}

/// A cap beyond the disk never helps: before it the watermark puts all mail off.
fn caps(report: &mut Report, policy: &Policy) {
    let Some(dir) = policy.state_dir.ancestors().find(|p| p.is_dir()) else { return };
    let Ok(about) = statvfs(dir) else { return };
    let size = about.blocks() * about.fragment_size();
    let rules = &policy.quarantine;
    if size <= rules.disk.full {
        report.warning(format!(
            "quarantine.toml: [disk] full is {}, but the volume of {} has {} in all: all mail would be put off (452)",
            out::octets(rules.disk.full),
            dir.display(),
            out::octets(size)
        ));
    }
    let spool = [("spool", rules.spool.max_octets)];
    let all = rules.folders.iter().map(|f| (&*f.name, f.max_octets)).chain(spool);
    let beyond: Vec<&str> = all.filter(|(_, most)| *most > size).map(|(name, _)| name).collect();
    if !beyond.is_empty() {
        let named = beyond.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = if beyond.len() > NAMED_MAX { ", …" } else { "" };
        report.warning(format!(
            "quarantine.toml: max_bytes of {named}{more} is more than the volume of {} has in all ({}): lower it, or a full disk comes first",
            dir.display(),
            out::octets(size)
        ));
    }
}
