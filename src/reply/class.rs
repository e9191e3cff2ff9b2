//! The class of a reply: its first digit (RFC 5321 section 4.2.1).

/// First digit of a reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 2yz: done.
    Success,
    /// 3yz: go on with the next part.
    Intermediate,
    /// 4yz: not now; the client tries again.
    Temporary,
    /// 5yz: not so; the client gives up.
    Permanent,
}

impl Class {
    /// The class of `code`, or `None` for a number that no reply has (RFC 5321 section 4.2: 2 to 5, then
    /// 0 to 5, then any digit; a second digit above 5 is let pass, some servers use it).
    #[must_use]
    pub const fn of(code: u16) -> Option<Self> {
        match code {
            200..=299 => Some(Self::Success),
            300..=399 => Some(Self::Intermediate),
            400..=499 => Some(Self::Temporary),
            500..=599 => Some(Self::Permanent),
            _ => None,
        }
    }
}
