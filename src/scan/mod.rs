//! Scanners: whatever looks at a whole message and may take time, one kind of I/O each.
//!
//! Owner of: connections to scanning engines. Failure: a scanner that errs, panics or is late is *not* a
//! pass and not "infected"; what it leads to is the admin's choice, a temporary refusal by default.

mod run;
mod table;

pub use run::scan;
pub use table::{OnError, ScanFuture, ScanVerdict, Scanner, Scanners, built_in};
