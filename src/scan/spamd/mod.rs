//! spamd of `SpamAssassin`: the SPAMC protocol.

mod scan;
mod wire;

pub(super) use scan::{ping, scan};
pub(super) use wire::verdict;
