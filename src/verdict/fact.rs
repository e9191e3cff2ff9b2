//! A fact: known, absent, or not to be had. Unknown is neither yes nor no, and nothing turns it into one.

/// Why a fact could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No answer in time.
    Timeout,
    /// The service said that it failed.
    Failure,
    /// Nobody asked yet at this stage.
    NotAsked,
}

/// A fact: known, known to be absent, or not to be had. Unknown is neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact<T> {
    /// The value.
    Known(T),
    /// There is none.
    Absent,
    /// It could not be found out.
    Unknown(Cause),
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::Unknown(Cause::NotAsked)
    }
}

impl<T> Fact<T> {
    /// The value, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether nobody has asked for it yet.
    #[must_use]
    pub fn is_not_asked(&self) -> bool {
        matches!(self, Self::Unknown(Cause::NotAsked))
    }
}
