//! SPF (RFC 7208). An evaluator of our own, because the limits are ours to keep: ten mechanisms that ask, two answers
//! that say "nothing there", ten exchangers and names; and because several records, labels that are too long, and DNS
//! trouble have results that the RFC names and libraries do not. `exp=` is checked for its form and never asked for:
//! a text that a stranger writes has no place in our replies. State: one evaluation. Every mistake of a record is
//! `permerror`, DNS trouble `temperror`.

mod check;
mod macros;
mod record;

pub use check::{Outcome, Subject, check};
