//! Privileges and limits of the process, set while it has one thread.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use std::path::Path;

/// Why privileges cannot be dropped.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrivilegeError {
    /// No such user.
    #[error(
        "user \"{0}\" does not exist; create it (`useradd --system {0}`) or remove `user` from gateway.toml"
    )]
    NoUser(String),
    /// We are not root.
    #[error("`user = \"{0}\"` needs a start as root (or remove `user` and start as that user)")]
    NotRoot(String),
    /// The kernel refused.
    #[error("cannot become \"{user}\": {step}: {source}")]
    Refused {
        /// Whom.
        user: String,
        /// In what.
        step: &'static str,
        /// Why.
        source: nix::errno::Errno,
    },
}

/// Finds the user that the gateway is to become; `None` when it already is that user.
pub(super) fn target(name: &str) -> Result<Option<User>, PrivilegeError> {
    let found = User::from_name(name).ok().flatten().ok_or_else(|| PrivilegeError::NoUser(name.into()))?;
    if found.uid == Uid::effective() {
        return Ok(None);
    }
    if !Uid::effective().is_root() {
        return Err(PrivilegeError::NotRoot(name.into()));
    }
    Ok(Some(found))
}

/// Becomes `user`, for good: groups, then group, then user.
pub(super) fn become_user(user: &User) -> Result<(), PrivilegeError> {
    let refused = |step| move |source| PrivilegeError::Refused { user: user.name.clone(), step, source };
    let name = std::ffi::CString::new(user.name.as_bytes())
        .map_err(|_| PrivilegeError::NoUser(user.name.clone()))?;
    initgroups(&name, user.gid).map_err(refused("initgroups"))?;
    setgid(user.gid).map_err(refused("setgid"))?;
    setuid(user.uid).map_err(refused("setuid"))?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(refused("root could be had again")(nix::errno::Errno::EPERM));
    }
    Ok(())
}

/// Gives `path` to `user`, so that what root created stays writable.
pub(super) fn hand_over(path: &Path, user: &User) -> nix::Result<()> {
    nix::unistd::chown(path, Some(user.uid), Some(user.gid))
}

/// Open files that `connections` need: one towards the client, one towards the downstream.
pub(super) fn open_files_needed(connections: usize) -> u64 {
    connections as u64 * 2
}

/// Raises the limit of open files to what `connections` need, and some. Returns the limit that holds.
pub(super) fn raise_open_files(connections: usize) -> u64 {
    let wanted = open_files_needed(connections) + 256;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft >= wanted {
        return soft;
    }
    // Root may raise the hard limit too.
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return wanted;
    }
    let most = hard.min(wanted);
    if setrlimit(Resource::RLIMIT_NOFILE, most, hard).is_ok() { most } else { soft }
}
