//! Attachment rules: what files a message carries, and what `attachments.toml` says to that.
//!
//! Purpose: [`Carried`] is told every part and every file in it while the message is walked; [`judge`] then applies the rules
//! for one envelope, so that groups of recipients are judged without walking again. State: the facts of at most
//! [`FILES_MAX`] files. Nothing fails: what was not seen is a mark or a fact that rules decide on.

mod carried;
mod expect;
mod judge;

#[cfg(test)]
mod tests;

pub use carried::{Carried, FILES_MAX};
pub use expect::run_all as run_expects;
pub use judge::{Outcome, Strip, judge};
