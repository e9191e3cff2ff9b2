//! From the rules to scanners. To add a kind of engine: a folder with its codec, and an arm here or in `remote`.

use super::command::Program;
use super::remote::Remote;
use super::scanner::{Scanner, Scanners};
use super::switches::Switches;
use crate::config::model::{Engine, ScannerRules, Scanning};
use std::sync::Arc;

/// The scanners of a generation. Of `before` those are kept whose rules are the same.
#[must_use]
pub fn build(scanning: &Scanning, before: Option<&Scanners>) -> Scanners {
    let same =
        |before: &&Scanners| (before.cache(), before.deadline()) == (scanning.cache, scanning.deadline);
    let alike = before.filter(same);
    let kept = |rules: &Arc<ScannerRules>| {
        alike?.get(&rules.name).filter(|old| old.rules() == rules).map(Arc::clone)
    };
    let all = scanning.scanners.iter().map(|rules| kept(rules).unwrap_or_else(|| one(rules, scanning)));
    let switches: Arc<Switches> = before.map_or_else(Arc::default, |before| Arc::clone(before.switches()));
    Scanners::new(all.collect(), scanning, switches)
}

fn one(rules: &Arc<ScannerRules>, scanning: &Scanning) -> Arc<dyn Scanner> {
    match &rules.engine {
        Engine::Command(line) => Arc::new(Program::new(Arc::clone(rules), line.clone())),
        Engine::Clamd(_) | Engine::Rspamd(_) | Engine::Spamd { .. } => {
            Arc::new(Remote::new(Arc::clone(rules), scanning.cache, scanning.deadline))
        }
    }
}
