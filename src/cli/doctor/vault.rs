//! The quarantine: what its gateway says of it, or where none runs, what its files do.

use super::report::Report;
use crate::cli::check::Around;
use crate::config::model::Policy;
use crate::store::StateLock;
use crate::vault::{RebuildReport, Vault, VaultReport};

const EXCLUDE: &str = "another program changes, locks or removes files there: exclude the folder `vault` of state_dir from \
    on-access scanning and from clean-up jobs";

pub(super) fn check(report: &mut Report, policy: &Policy, around: &Around) {
    if let Some(status) = around.status() {
        tell(report, &status.vault);
        return;
    }
    if around.pid().is_some() || !policy.state_dir.join("vault").is_dir() {
        return;
    }
    // Nobody runs: the lock is ours for a moment.
    let lock = match StateLock::acquire(&policy.state_dir) {
        Ok(lock) => lock,
        Err(error) => {
            report.warn(
                "quarantine",
                format!("it cannot be looked at: {error}"),
                "run this as root, or as the gateway's user",
            );
            return;
        }
    };
    match Vault::open(&policy.state_dir) {
        Ok((vault, mut writer)) => {
            let canary = vault.canary();
            tell(report, &VaultReport { canary, ..vault.report() });
            drop(vault);
            writer.close();
        }
        Err(error) => {
            report.bad("quarantine", error.to_string(), "see the error; the log of the last run may say more")
        }
    }
    drop(lock);
}

fn tell(report: &mut Report, vault: &VaultReport) {
    match &vault.canary {
        Some(trouble) => {
            report.bad("quarantine", format!("the canary file did not survive: {trouble}"), EXCLUDE)
        }
        None => report.ok(
            "quarantine",
            format!(
                "{} messages, {} to deliver, {} held; the canary file is as it was",
                vault.items, vault.spooled, vault.held
            ),
        ),
    }
    if vault.damaged_count > 0 {
        let first = vault.damaged.first().map_or("", String::as_str);
        report.bad("quarantine", format!("{} damaged files, such as {first}", vault.damaged_count), EXCLUDE);
    }
    for trouble in &vault.troubles {
        report.bad("quarantine", trouble.as_str(), hint(trouble, vault.rebuild.as_ref()));
    }
}

/// What to do about it.
fn hint(trouble: &str, rebuild: Option<&RebuildReport>) -> &'static str {
    match rebuild.filter(|_| trouble.contains("the index of the quarantine")) {
        Some(RebuildReport { error: None, .. }) => {
            "wait until it is complete; `portcullis status` says how far it is"
        }
        Some(RebuildReport { error: Some(_), .. }) => {
            "mend what it names (make room, mend the disk): it is made anew by itself then"
        }
        None => "see the log; `portcullis quarantine rebuild` makes a broken index anew",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_about_an_index_depends_on_whether_it_is_being_made() {
        let running = RebuildReport { running: true, ..RebuildReport::default() };
        let failed = RebuildReport { error: Some("no space".into()), ..RebuildReport::default() };
        let of_index = "making the index of the quarantine anew failed: no space";
        assert!(hint(of_index, Some(&running)).starts_with("wait"));
        assert!(hint(of_index, Some(&failed)).starts_with("mend what it names"));
        assert!(hint("messages are put off: no space", Some(&failed)).starts_with("see the log"));
        assert!(hint("anything", None).starts_with("see the log"));
    }
}
