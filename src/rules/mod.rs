//! Matchers over facts, the same everywhere: domains, networks, recipients; and the words in which a
//! mistake in a rule file is told.
//!
//! Pure values, built once per policy generation and then only read. What is wrong with an entry is an
//! error that says what was expected; the caller adds where it stood ([`Problem`]).

mod attributes;
mod canon;
mod domains;
pub mod edit;
mod entry;
mod expressions;
mod fence;
mod glob;
mod index;
mod kind;
mod list;
mod matcher;
mod names;
mod nearest;
mod nets;
mod pattern;
mod problem;
mod ranges;
mod recipients;
mod signatures;
mod swept;
mod texts;
mod units;

pub use attributes::{Attributes, BlockAction, Mode, Sweep, parse_until};
pub use domains::{DomainEntryError, DomainSet};
pub use expressions::{Candidates, Expression, ExpressionError, Expressions, fold, folded};
pub use fence::{Fence, Hull, Prepared, Trail};
pub use kind::{Kind, Subject};
pub use list::{Hit, List, Lists};
pub use matcher::{Matcher, MatcherError};
pub use nearest::nearest;
pub use nets::{Net, NetError, NetSet};
pub use problem::{Position, Problem, Severity};
pub use recipients::{RecipientError, RecipientTable};
pub use signatures::{GivenUp, SignatureText, Signatures, Signed};
pub use swept::{Source, Swept};
pub use texts::TextMatcher;
pub use units::{UnitError, parse_duration, parse_size, parse_thousandths, thousandths};

#[cfg(test)]
mod edit_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod matcher_tests;
#[cfg(test)]
mod million;
