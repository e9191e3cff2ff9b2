//! Every reading that mail programs give to a message: its parts, their names, their octets.
//!
//! Purpose: what rules and scanners look at, so that no program behind us finds a file in a message that we did not see.
//! Where programs differ (a header that says two things, an encoding with foreign octets, a delimiter with something
//! behind it) each reading is walked. State: none beyond one walk; a stack of what is still to be looked at, so nothing
//! recurses. Nothing fails: what is not as it should be is an [`Odd`], and what is over a bound is one too, never passed
//! over. The work is linear in the message: [`Limits`] counts in multiples of its length.

mod base64;
mod encoding;
mod fields;
mod head;
mod kinds;
mod leaves;
mod limits;
mod text_files;

mod odd;
mod page;
mod part;
mod split;
mod state;
mod task;
mod walk;

pub use limits::{Limits, Overview};
pub use odd::{Odd, Weight};
pub use part::{PartInfo, Reading, Visitor};
pub use walk::visit;

#[cfg(test)]
mod evasions;
#[cfg(test)]
mod tests;
