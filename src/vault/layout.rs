//! Where everything lies. No folder has over 1,000 entries before there are 30 million items.
//!
//! ```text
//! vault/items/7/F/3/7F3K9QAB.item    vault/bodies/ab/cd/<digest>.body    vault/journal/00000001.log
//! vault/incoming/    bodies and files on their way      vault/canary/      vault/rebuilding   the index is not complete
//! vault/marks.log    marks that are not in the item files                   vault/leftovers    bodies may be without items
//! ```
//! Pure: paths only.

use crate::mail::Id;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) items: PathBuf,
    pub(super) bodies: PathBuf,
    pub(super) journal: PathBuf,
    pub(super) incoming: PathBuf,
    pub(super) index: PathBuf,
}

impl Layout {
    pub(super) fn new(state_dir: &Path) -> Self {
        let root = state_dir.join("vault");
        Self {
            items: root.join("items"),
            bodies: root.join("bodies"),
            journal: root.join("journal"),
            incoming: root.join("incoming"),
            index: state_dir.join("vault.db"),
            root,
        }
    }

    pub(super) fn item(&self, id: Id) -> PathBuf {
        let name = id.to_string();
        let mut path = self.items.clone();
        for at in 0..3 {
            path.push(name.get(at..=at).unwrap_or("0"));
        }
        path.push(format!("{name}.item"));
        path
    }

    /// `None` for what is no digest: it would be part of a path.
    pub(super) fn body(&self, digest: &str) -> Option<PathBuf> {
        if digest.len() != 64 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut path = self.bodies.join(digest.get(..2)?);
        path.push(digest.get(2..4)?);
        path.push(format!("{digest}.body"));
        Some(path)
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.journal.join(format!("{number:08}.log"))
    }

    /// The number of a segment by its file name.
    pub(super) fn segment_number(path: &Path) -> Option<u64> {
        path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
    }

    /// A body on its way, by the name that the journal gives it.
    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        let safe: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        self.incoming.join(format!("{safe}.body"))
    }

    /// The file by way of which the applying thread, or one of its hands, writes another.
    pub(super) fn temp(&self, hand: usize) -> PathBuf {
        self.incoming.join(format!("{hand}.temp"))
    }

    /// There as long as the index is not complete.
    pub(super) fn rebuilding(&self) -> PathBuf {
        self.root.join("rebuilding")
    }

    /// There as long as there may be bodies that no item names.
    pub(super) fn leftovers(&self) -> PathBuf {
        self.root.join("leftovers")
    }

    /// Marks that are not in the files of their items.
    pub(super) fn marks(&self) -> PathBuf {
        self.root.join("marks.log")
    }

    /// By way of which it is made anew.
    pub(super) fn marks_temp(&self) -> PathBuf {
        self.incoming.join("marks.temp")
    }

    /// One that was not whole.
    pub(super) fn marks_damaged(&self) -> PathBuf {
        self.root.join("marks.log.damaged")
    }

    pub(super) fn canary(&self) -> PathBuf {
        self.root.join("canary")
    }
}

/// The reference that an item file is named after.
pub(super) fn item_id(path: &Path) -> Option<Id> {
    path.file_name()?.to_str()?.strip_suffix(".item")?.parse().ok()
}

/// The digest that a body file is named after.
pub(super) fn body_digest(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".body").filter(|digest| digest.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_into_the_vault_only() {
        let layout = Layout::new(Path::new("/s"));
        let id: Id = "7F3K9QAB".parse().unwrap();
        assert_eq!(layout.item(id), Path::new("/s/vault/items/7/F/3/7F3K9QAB.item"));
        assert_eq!(item_id(&layout.item(id)), Some(id));
        let digest = "ab".repeat(32);
        let body = layout.body(&digest).unwrap();
        assert!(body.starts_with("/s/vault/bodies/ab/ab"));
        assert_eq!(body_digest(&body), Some(digest.as_str()));
        for none in ["", "../../etc/passwd", &"AB".repeat(32), &"/.".repeat(32)] {
            assert_eq!(layout.body(none), None, "{none}");
        }
        assert_eq!(layout.incoming("../x"), Path::new("/s/vault/incoming/x.body"));
        assert_eq!(Layout::segment_number(&layout.segment(12)), Some(12));
    }
}
