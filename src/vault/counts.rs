//! Counts by folder, as the index has them: at start, and when it was made anew.

use super::error::VaultError;
use super::standin::Index;
use super::tally::Tally;
use super::view::Scope;
use crate::query::{Query, State, Term, What};

fn query(terms: Vec<(bool, What)>) -> Query {
    Query { terms: terms.into_iter().map(|(not, what)| Term { not, what }).collect() }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What there is.
pub(super) fn count(index: &Index) -> Result<Tally, VaultError> {
    let mut tally = Tally::default();
    for folder in index.folders()? {
        let outside =
            query(vec![(false, What::Folder(folder.folder.clone())), (true, What::State(State::Trash))]);
        let (items, octets) = index.count(&outside, Scope::Everything)?;
        tally.items += signed(folder.items);
        tally.folders.insert(folder.folder, (signed(items), signed(octets)));
    }
    tally.held = signed(index.count(&query(vec![(false, What::State(State::Held))]), Scope::Everything)?.0);
    let waiting = index.count(&query(vec![(false, What::State(State::Spooled))]), Scope::Everything)?.0;
    tally.spooled = signed(waiting) + tally.held;
    Ok(tally)
}
