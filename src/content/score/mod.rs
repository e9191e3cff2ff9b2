//! The score: what the rules of `content.toml` find in header, text, links and structure of a message.
//!
//! Purpose: symbols, each with what it adds; what follows from the sum is the policy's. State: one [`Collector`] a message,
//! which keeps the decoded text (bounded by `[score] max_text`), the links (by `max_urls`) and the facts; nothing outlives
//! the message but expressions that were compiled. Everything is linear in the octets that are looked at. Nothing fails:
//! what lies beyond a bound is not looked at here, and scanners and attachment rules look at it all the same.
//!
//! A [`Collector`] reads the header when it is made, is a [`crate::message::content::Visitor`] of parts and their octets,
//! and [`Collector::finish`] asks the rules in file order.

mod addresses;
mod collector;
mod evaluate;
mod expect;
mod fields;
mod header;
mod html;
mod link;
mod links;
mod normal;

pub use collector::Collector;
pub use evaluate::{Inputs, Scored};
pub use expect::run_all as run_expects;
