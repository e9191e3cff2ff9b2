//! Many expressions over one text: which of them are found there.
//!
//! Purpose: a thousand content rules at the price of one pass. Each expression names literals of which one must stand in
//! whatever it matches; an automaton finds those of all expressions together, and only the few whose literals are there
//! are tried. State: an expression is compiled when it is first tried. Failure: an expression that would not compile, or
//! is too large, is a mistake of the rule file; nothing fails when a text is searched.

mod expression;
mod fold;
mod literal;
mod set;

pub use expression::{Expression, ExpressionError};
pub use fold::{fold, folded};
pub use set::{Candidates, Expressions};
