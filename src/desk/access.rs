//! Who may release from a folder.

use crate::config::model::QuarantineFolder;
use nix::unistd::{Group, User, getgrouplist};
use std::ffi::CString;

/// Whether `by`, a user of this machine, may release from a folder that names who may: users, or `@group`. Nobody
/// else may, not root either: whoever may edit the rules can name himself.
pub(super) fn may_release(folder: &QuarantineFolder, by: &str) -> bool {
    folder.release.is_empty()
        || folder.release.iter().any(|entry| match entry.strip_prefix('@') {
            None => **entry == *by,
            Some(group) => is_in(by, group),
        })
}

/// By the group's list of members, and by the user's own (first) group.
fn is_in(user: &str, group: &str) -> bool {
    let Ok(Some(group)) = Group::from_name(group) else { return false };
    if group.mem.iter().any(|member| member == user) {
        return true;
    }
    let Ok(Some(user)) = User::from_name(user) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    user.gid == group.gid || getgrouplist(&name, user.gid).is_ok_and(|all| all.contains(&group.gid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Overflow;

    #[test]
    fn only_those_who_are_named_release() {
        let mut folder = QuarantineFolder {
            name: "x".into(),
            note: "".into(),
            keep: None,
            max_octets: 0,
            max_items: 0,
            overflow: Overflow::Oldest,
            release: Vec::new(),
            rescan: false,
        };
        assert!(may_release(&folder, "anybody"));
        folder.release = vec!["alice".into(), "@root".into(), "@no-such-group".into()];
        assert!(may_release(&folder, "alice") && !may_release(&folder, "bob"));
        // root's own group is root, whether or not it is listed as a member.
        assert!(may_release(&folder, "root"));
        folder.release = vec!["alice".into()];
        assert!(!may_release(&folder, "root"));
    }
}
