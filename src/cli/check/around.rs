//! The gateway that may run with these rules, beside the check: asked over its socket, else known by its lock.

use super::report::Report;
use crate::control::{Answer, ControlError, Request, ask};
use crate::gateway::Status;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What runs.
pub(in crate::cli) struct Around {
    status: Option<Box<Status>>,
    /// The process that holds the state directory.
    holder: Option<u32>,
    trouble: Option<String>,
}

impl Around {
    /// Looks, without touching the lock: a daemon that starts at this moment must get it.
    pub(in crate::cli) fn look(state_dir: &Path) -> Self {
        let (status, trouble) = match ask(state_dir, &Request::Status {}) {
            Ok(Answer::Status(status)) => (Some(status), None),
            Ok(_) => (None, Some("the gateway gave an answer to another question".to_owned())),
            Err(ControlError::NoSocket(_) | ControlError::Stale(_)) => (None, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let holder = status.as_ref().map(|s| s.pid).or_else(|| holder(&state_dir.join("lock")));
        Self { status, holder, trouble }
    }

    pub(super) fn tell(&self, report: &mut Report) {
        match (&self.status, self.holder) {
            (Some(status), _) => report.ok(format!(
                "runs as process {} with generation {} of its rules; that does not disturb this check",
                status.pid, status.generation
            )),
            (None, Some(pid)) => report.note(format!(
                "process {pid} holds the state directory; most likely the gateway, but it gave no answer"
            )),
            (None, None) => report.note("does not run"),
        }
        if let Some(trouble) = &self.trouble {
            report.warning(trouble.as_str());
        }
        if self.status.as_ref().is_some_and(|s| s.last_reload_error.is_some()) {
            report.warning(
                "its last reload was refused: it runs with older rules (`portcullis status` says why); if these here are good, `portcullis reload`",
            );
        }
    }

    /// What the gateway says of itself, where it answers.
    pub(in crate::cli) fn status(&self) -> Option<&Status> {
        self.status.as_deref()
    }

    /// Why it could not be asked, where something is there to be asked.
    pub(in crate::cli) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The process, if one is known.
    pub(in crate::cli) fn pid(&self) -> Option<u32> {
        self.holder
    }

    /// The addresses that it listens on.
    pub(in crate::cli) fn listens_on(&self) -> impl Iterator<Item = SocketAddr> {
        self.status.iter().flat_map(|s| &s.listeners).map(|listener| listener.address)
    }
}

/// The process that holds the lock, by the kernel's list of locks.
fn holder(lock: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(lock).ok()?.trim().parse().ok()?;
    let inode = fs::metadata(lock).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    held_by(&locks, pid, inode).then_some(pid)
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:01:131090 0 EOF`: number, kind, how, pid, device and inode.
fn held_by(locks: &str, pid: u32, inode: u64) -> bool {
    locks.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let kind = words.next();
        let holder = words.nth(2).and_then(|w| w.parse().ok());
        let file = words.next().and_then(|w| w.rsplit(':').next()?.parse().ok());
        kind == Some("FLOCK") && holder == Some(pid) && file == Some(inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StateLock;

    #[test]
    fn a_holder_is_known_by_the_list_of_locks() {
        let locks =
            "1: FLOCK  ADVISORY  WRITE 4711 fe:01:131090 0 EOF\n2: POSIX ADVISORY WRITE 5 0:1:9 0 EOF\n";
        assert!(held_by(locks, 4711, 131_090));
        for (pid, inode) in [(4712, 131_090), (4711, 131_091), (5, 9)] {
            assert!(!held_by(locks, pid, inode));
        }
    }

    #[test]
    fn looking_leaves_the_lock_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Around::look(dir.path()).pid(), None);
        let lock = StateLock::acquire(dir.path()).unwrap();
        let around = Around::look(dir.path());
        // Where /proc/locks is hidden nothing is known, which is no mistake either.
        assert!(around.pid().is_none_or(|pid| pid == std::process::id()));
        assert!(around.trouble.is_none());
        drop(lock);
        assert_eq!(Around::look(dir.path()).pid(), None);
    }
}
