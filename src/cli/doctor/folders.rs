//! Every folder that the gateway writes to: a file is made, written, made durable, renamed and deleted in each.

use super::report::Report;
use crate::config::model::{AuditTarget, Policy};
use crate::store::probe_dir;
use std::path::{Path, PathBuf};

/// Below the state directory; those that are there.
const BELOW: [&str; 9] = [
    "tmp",
    "vault",
    "vault/items",
    "vault/bodies",
    "vault/journal",
    "vault/incoming",
    "generations",
    "records",
    "transcripts",
];

pub(super) fn check(report: &mut Report, policy: &Policy) {
    let mut folders = vec![policy.state_dir.clone()];
    folders.extend(BELOW.iter().map(|name| policy.state_dir.join(name)).filter(|path| path.is_dir()));
    if let AuditTarget::File(file) = &policy.audit {
        let folder = file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let mut good = Vec::new();
    for folder in folders {
        match probe_dir(&folder) {
            Ok(()) => good.push(folder.display().to_string()),
            Err(error) => report.bad("folders", error.to_string(), fix(&folder, policy)),
        }
    }
    if !good.is_empty() {
        report.ok("folders", format!("written, renamed, made durable and deleted in {}", good.join(", ")));
    }
}

fn fix(folder: &Path, policy: &Policy) -> String {
    let owner = policy.user.as_deref().unwrap_or("the user that the gateway runs as");
    format!(
        "{} has to belong to {owner} (`chown -R`), its volume must not be mounted read-only or be full, and no other program (antivirus, backup) may lock or remove files there: exclude it from on-access scanning",
        folder.display()
    )
}
