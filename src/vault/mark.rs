//! A mark: a change of an item that touches neither what it is nor where it goes, so that its file need not be read nor
//! written for it. Into the trash, and out of it.
//!
//! Pure. Only items that nothing waits for are marked (kept ones and copies): then what the index says of one that comes
//! back is known without its file. Everything else is changed by writing the file, as ever.

use super::item::{Item, Trash};
use crate::query::State;
use serde::{Deserialize, Serialize};

/// What was done, by whom, when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// A user of this machine, or `portcullis`.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
    /// It is on a copy. Given by the vault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copy: bool,
}

/// What is done to an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "lowercase")]
pub enum Deed {
    /// Into the trash.
    Trash {
        /// What moves it there, so that one command is undone as a whole.
        batch: String,
    },
    /// Out of it.
    Untrash,
}

impl Mark {
    /// Does it. What an item looks like afterwards is the same whether it was marked or written.
    pub fn apply(&self, item: &mut Item) {
        match &self.deed {
            Deed::Trash { batch } => {
                item.trash = Some(Trash { at_ms: self.at_ms, by: self.by.clone(), batch: batch.clone() });
                item.happened(self.at_ms, &self.by, format!("deleted ({batch})"));
            }
            Deed::Untrash => {
                item.trash = None;
                item.happened(self.at_ms, &self.by, "taken out of the trash");
            }
        }
    }

    /// The state of what is marked, afterwards.
    pub(super) fn state(&self) -> State {
        match &self.deed {
            Deed::Trash { .. } => State::Trash,
            Deed::Untrash if self.copy => State::Copy,
            Deed::Untrash => State::Kept,
        }
    }

    /// When it went into the trash, if that is where it is afterwards.
    pub(super) fn trash_at(&self) -> Option<i64> {
        (self.state() == State::Trash).then_some(self.at_ms)
    }

    /// The mark for an item of this state whose newest mark is `newest`; `None` where it has to be written.
    pub(super) fn on(&self, state: State, newest: Option<&Self>) -> Option<Self> {
        let copy = match (&self.deed, state) {
            (Deed::Trash { .. }, State::Kept) => false,
            (Deed::Trash { .. }, State::Copy) => true,
            // Put there by a mark: then it was one of these.
            (Deed::Untrash, State::Trash) => newest.filter(|mark| mark.state() == State::Trash)?.copy,
            (Deed::Trash { .. } | Deed::Untrash, _) => return None,
        };
        Some(Self { copy, ..self.clone() })
    }

    /// As logs keep it.
    pub(super) fn octets(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// And back.
    pub(super) fn of_octets(octets: &[u8]) -> Option<Self> {
        serde_json::from_slice(octets).ok()
    }
}
