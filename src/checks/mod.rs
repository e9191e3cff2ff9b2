//! Checks: pure functions from facts and policy to findings, one file each, one table.
//!
//! Owner: none; a check keeps no state. Failure: a check that panics is a temporary failure with the check's
//! name in its finding, never a pass (promise P4).

mod check;
mod hops;
mod recipients;
mod relay;
mod size;
mod table;

pub use check::Check;
pub use table::{CHECKS, run};
