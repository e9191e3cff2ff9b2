//! rspamd: HTTP `/checkv2`. Its symbols are facts with a weight; what it would do is advice.

mod http;
mod scan;
mod wire;

pub(super) use scan::{ping, scan};
pub(super) use wire::verdict;
