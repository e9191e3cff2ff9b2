//! clamd: `INSTREAM` over its own exchange.

mod scan;
mod wire;

pub(super) use scan::{scan, version};
pub(super) use wire::verdict;
