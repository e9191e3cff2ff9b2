//! Who comes first when connections are scarce.

/// How a client stands when places are scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Trusted, authenticated, one of ours, in the middle of a transaction, or had a message delivered lately.
    Known,
    /// A stranger.
    #[default]
    Unknown,
    /// Has ban points or made errors: the first to be turned away.
    Bad,
}

impl Priority {
    pub(super) fn rank(self) -> usize {
        match self {
            Self::Known => 0,
            Self::Unknown => 1,
            Self::Bad => 2,
        }
    }
}
