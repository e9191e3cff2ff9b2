//! What the octets of an engine mean: the codecs, for whoever wants to try them without an engine.

use super::verdict::ScanVerdict;
use super::{clamd, rspamd, spamd};
use crate::config::model::Engine;

/// Reads a whole answer of an engine to a message. `after_all`: it came after all of the message was sent. A program
/// has no such answer.
#[must_use]
pub fn answer(engine: &Engine, octets: &[u8], after_all: bool) -> ScanVerdict {
    match engine {
        Engine::Clamd(_) => clamd::verdict(octets, after_all),
        Engine::Rspamd(_) => rspamd::verdict(octets, after_all),
        Engine::Spamd { .. } => spamd::verdict(octets, after_all),
        Engine::Command(_) => ScanVerdict::Error("a program answers with its exit code".to_owned()),
    }
}
