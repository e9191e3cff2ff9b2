//! Looking a subject up in the lists of the policy.

use super::common::in_mode;
use crate::mail::Path;
use crate::rules::{Hit, Kind, List, Mode, Subject};
use crate::verdict::{Facts, Finding, Source, Stage, Verdict};
use std::sync::Arc;

/// The path as lists look for it.
pub(super) fn subject(path: &Path) -> Subject<'_> {
    path.mailbox().map_or(Subject::Null, Subject::Mailbox)
}

/// The entries that match, one of each list, in the order of the lists; those that are switched off are as if they
/// were not there.
pub(super) fn hits<'l>(
    lists: &'l [Arc<List>],
    kind: Kind,
    subject: Subject<'l>,
    facts: &Facts<'_>,
) -> impl Iterator<Item = (&'l List, Hit<'l>)> {
    let (direction, now) = (facts.direction, facts.now);
    lists.iter().filter_map(move |list| {
        let hit = list.find(kind, subject, direction, now)?;
        (hit.attributes.mode != Mode::Off).then_some((&**list, hit))
    })
}

/// A finding that an entry gives.
pub(super) fn finding(id: &str, stage: Stage, verdict: Verdict, list: &List, hit: Hit<'_>) -> Finding {
    let about = hit.attributes;
    let mut reason = format!("in the list {}", list.name);
    if let Some(note) = &about.note {
        reason.push_str(": ");
        reason.push_str(note);
    }
    let source = Source { file: Arc::clone(&list.file), line: hit.line };
    in_mode(Finding::new(id, stage, verdict, source, reason), about.mode)
}

/// Whether some list has an entry of this kind.
pub(super) fn ask_for(lists: &[Arc<List>], kind: Kind) -> bool {
    lists.iter().any(|list| list.has(kind))
}
