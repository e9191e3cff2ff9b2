//! Counts by folder, as the index has them: at start, and when it was made anew.

use super::error::VaultError;
use super::index::Index;
use super::tally::Tally;
use super::view::Scope;
use crate::query::{Query, State, Term, What};

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What there is.
pub(super) fn count(index: &Index) -> Result<Tally, VaultError> {
    let in_state = |state| {
        let query = Query { terms: vec![Term { not: false, what: What::State(state) }] };
        index.count(&query, Scope::Everything).map(|(items, _)| signed(items))
    };
    let held = in_state(State::Held)?;
    let totals = index.totals()?.into_iter();
    Ok(Tally {
        folders: totals.map(|(name, (items, octets))| (name, (signed(items), signed(octets)))).collect(),
        items: signed(index.count(&Query::default(), Scope::Everything)?.0),
        spooled: in_state(State::Spooled)? + held,
        held,
    })
}
