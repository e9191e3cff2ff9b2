//! Every reading that mail programs give to a message: its parts, their names, their octets.
//!
//! Purpose: what rules and scanners look at, so that no program behind us finds a file in a message that we did not see.
//! State: none beyond one walk. Nothing fails: what is over a bound or not as it should be is said, and never passed over.

mod part;

pub use part::{PartInfo, Reading, Visitor};
