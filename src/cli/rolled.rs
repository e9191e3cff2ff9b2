//! What `portcullis rollback` has to say: the generations that are kept, and what was done.

use super::out::{Ink, Paint, count, octets};
use crate::gateway::{ReloadReport, Restore};
use crate::mail::rfc3339;
use crate::store::generations::{Generations, Kept, KeptFile};
use serde::Serialize;
use std::fmt::Write as _;

/// One generation that is kept.
#[derive(Debug, Serialize)]
pub(super) struct Listed<'g> {
    generation: u64,
    last: u64,
    at: String,
    in_force: bool,
    was_in_force: bool,
    rules_of: Option<u64>,
    changed: Vec<&'g str>,
    files: &'g [KeptFile],
}

/// All that are kept, newest first.
pub(super) fn listed(generations: &Generations) -> Vec<Listed<'_>> {
    let now = generations.in_force();
    let all = generations.kept();
    let befores = std::iter::once(None).chain(all.iter().map(Some));
    let mut listed: Vec<_> = all
        .iter()
        .zip(befores)
        .map(|(kept, before)| Listed {
            generation: kept.number,
            last: kept.last,
            at: rfc3339(kept.at_unix_ms),
            in_force: Some(kept) == now,
            was_in_force: kept.in_force,
            rules_of: kept.rules_of,
            changed: before.map(|before| changed(before, kept)).unwrap_or_default(),
            files: &kept.files,
        })
        .collect();
    listed.reverse();
    listed
}

/// Names of files that are not the same in both.
fn changed<'g>(before: &'g Kept, after: &'g Kept) -> Vec<&'g str> {
    let other = |one: &'g Kept, other: &'g Kept| {
        one.files.iter().filter(|file| !other.files.contains(file)).map(|file| file.name.as_str())
    };
    let mut names: Vec<_> = other(before, after).chain(other(after, before)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The same for people.
pub(super) fn table(generations: &Generations, paint: Paint) -> String {
    let listed = listed(generations);
    if listed.is_empty() {
        return "no generation is kept yet\n".to_owned();
    }
    let mut out = String::new();
    for one in &listed {
        let number = match one.last {
            last if last == one.generation => last.to_string(),
            last => format!("{}-{last}", one.generation),
        };
        let state = match (one.in_force, one.was_in_force) {
            (true, _) => paint.ink(Ink::Good, "  in force"),
            (false, true) => String::new(),
            (false, false) => paint.ink(Ink::Warn, "  edits, never in force"),
        };
        let of = one.rules_of.map(|of| format!("  the rules of generation {of}")).unwrap_or_default();
        let total = octets(one.files.iter().map(|file| file.octets).sum());
        let _ =
            writeln!(out, "{number:>7}  {}  {}, {total}{of}{state}", one.at, count(one.files.len(), "file"));
        if !one.changed.is_empty() {
            let _ = writeln!(
                out,
                "         {}",
                paint.ink(Ink::Faint, &format!("changed: {}", one.changed.join(" ")))
            );
        }
    }
    out
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    /// Whose rules they are.
    rules_of: u64,
    /// What was there before, as a generation.
    replaced: Option<u64>,
    written: Vec<String>,
    taken_away: Vec<String>,
    dry_run: bool,
    /// What the gateway made of it, where it runs.
    reload: Option<ReloadReport>,
}

impl Done {
    pub(super) fn new(replaced: u64, target: &Kept, restore: &Restore) -> Self {
        Self { replaced: Some(replaced), dry_run: false, ..Self::planned(target, restore) }
    }

    pub(super) fn planned(target: &Kept, restore: &Restore) -> Self {
        Self {
            rules_of: target.rules_of.unwrap_or(target.number),
            replaced: None,
            written: restore.write.iter().map(|file| file.name.clone()).collect(),
            taken_away: restore.take_away.clone(),
            dry_run: true,
            reload: None,
        }
    }

    pub(super) fn with(self, reload: Option<ReloadReport>) -> Self {
        Self { reload, ..self }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let rules = self.rules_of;
        let mut text = String::new();
        for line in self.reload.iter().flat_map(|report| &report.problems) {
            let _ = writeln!(text, "{line}");
        }
        let would = if self.dry_run { "would be " } else { "" };
        for name in &self.written {
            let _ = writeln!(text, "{name}: {would}written as it was in generation {rules}");
        }
        for name in &self.taken_away {
            let _ = writeln!(text, "{name}: {would}moved to {name}.rolled-back");
        }
        let back = self.replaced.map(|n| format!("; what was there is generation {n}")).unwrap_or_default();
        let _ = match &self.reload {
            Some(report) => {
                write!(
                    text,
                    "rolled back: the rules of generation {rules} are in force as generation {}{back}",
                    report.generation
                )
            }
            None if self.dry_run => write!(text, "nothing was done (--dry-run)"),
            None => {
                write!(text, "the files of generation {rules} are in place; the gateway does not run{back}")
            }
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Snapshot;
    use std::fs;

    #[test]
    fn the_list_says_what_changed_and_what_holds() {
        let (rules, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut all = Generations::open(state.path()).unwrap();
        assert_eq!(table(&all, Paint::none()), "no generation is kept yet\n");
        let file = rules.path().join("gateway.toml");
        for (number, content) in [(1, "a"), (2, "a"), (3, "bb"), (4, "a")] {
            fs::write(&file, content).unwrap();
            let snapshot = Snapshot::take(rules.path());
            all.comes_into_force(rules.path(), &snapshot.files, number, 0).1.unwrap();
        }
        fs::write(rules.path().join("limits.toml"), "x").unwrap();
        all.keep(rules.path(), &Snapshot::take(rules.path()).files, 0).unwrap();
        let text = table(&all, Paint::none());
        for words in [
            "      5  1970-01-01T00:00:00.000Z  2 files, 2 octets  edits, never in force\n         changed: limits.toml\n",
            "      4  1970-01-01T00:00:00.000Z  1 file, 1 octets  the rules of generation 1  in force\n",
            "    1-2  1970-01-01T00:00:00.000Z  1 file, 1 octets\n",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
    }
}
