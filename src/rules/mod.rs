//! Matchers over facts, the same everywhere: domains, networks, recipients; and the words in which a
//! mistake in a rule file is told.
//!
//! Pure values, built once per policy generation and then only read. What is wrong with an entry is an
//! error that says what was expected; the caller adds where it stood ([`Problem`]).

mod domains;
mod list;
mod matcher;
mod nearest;
mod nets;
mod problem;
mod recipients;
mod units;

pub use domains::{DomainEntryError, DomainSet};
pub use list::{Attributes, BlockAction, Hit, Kind, List, Lists, Mode, Subject};
pub use matcher::{Matcher, MatcherError};
pub use nearest::nearest;
pub use nets::{Net, NetError, NetSet};
pub use problem::{Position, Problem, Severity};
pub use recipients::{RecipientError, RecipientTable};
pub use units::{UnitError, parse_duration, parse_size};
