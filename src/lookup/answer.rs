//! Questions and answers of DNS, in our own words: pure values, no state. What cannot be told apart from outside
//! (NXDOMAIN, no record of this kind, no answer) stays apart here.

use crate::verdict::{Cause, Fact};
use std::net::IpAddr;
use std::sync::Arc;

pub use crate::authentication::{Data, Kind, Question};

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// At least one record, at most 64 addresses, 16 names, or 64 texts of 64 KiB in all.
    Records(Arc<[Data]>),
    /// The name is there and has no such record (NODATA, RFC 2308).
    NoRecords,
    /// The name is not there at all (NXDOMAIN).
    NoName,
    /// Nobody knows.
    Unknown(Cause),
}

impl Answer {
    /// The records; none where there are none, for whatever reason.
    #[must_use]
    pub fn records(&self) -> &[Data] {
        match self {
            Self::Records(records) => records,
            Self::NoRecords | Self::NoName | Self::Unknown(_) => &[],
        }
    }

    /// Addresses among the records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().iter().filter_map(|data| match data {
            Data::Address(ip) => Some(*ip),
            Data::Name(_) | Data::Text(_) => None,
        })
    }

    /// Names among the records.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records().iter().filter_map(|data| match data {
            Data::Name(name) => Some(&**name),
            Data::Address(_) | Data::Text(_) => None,
        })
    }
}

/// Whether any of these answers has a record: a yes outweighs what is unknown, and that outweighs a no.
pub(super) fn any(answers: &[Answer]) -> Fact<bool> {
    if answers.iter().any(|answer| matches!(answer, Answer::Records(_))) {
        return Fact::Known(true);
    }
    let cause = answers.iter().find_map(|answer| match answer {
        Answer::Unknown(cause) => Some(*cause),
        Answer::Records(_) | Answer::NoRecords | Answer::NoName => None,
    });
    cause.map_or(Fact::Absent, Fact::Unknown)
}
