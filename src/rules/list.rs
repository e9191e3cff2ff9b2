//! Lists: `lists/NAME.list`, one entry a line, most specific wins. See `rules/README.md` for the form.
//!
//! Pure values, built once per policy generation and then only read. An entry past its `until` does not
//! match; nobody has to remove it.

use super::attributes::{Attributes, Mode};
use super::entry::Line;
use super::index::{Ask, Builder, Full, GLOBS_MAX, Index, REGEXES_MAX, Terms};
use super::kind::{Kind, Subject};
use super::pattern::Mistake;
use super::problem::{Position, Problem, Severity};
use super::swept::{self, SWEPT_MAX, Swept};
use crate::mail::Domain;
use crate::verdict::Direction;
use std::collections::HashMap;
use std::sync::Arc;

/// Longest line in octets.
const LINE_OCTETS_MAX: usize = 8192;
/// Problems of one class that are told before the rest is counted.
const TOLD_MAX: usize = 20;

/// An entry that matched.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'l> {
    /// Its line, from 1.
    pub line: u32,
    /// Its attributes.
    pub attributes: &'l Attributes,
}

/// One list.
#[derive(Debug, Default)]
pub struct List {
    /// `blocks` of `lists/blocks.list`.
    pub name: Arc<str>,
    /// File relative to the rules directory.
    pub file: Arc<str>,
    index: Index,
    swept: Vec<Swept>,
}

/// The lists of a generation by name.
pub type Lists = HashMap<Arc<str>, Arc<List>>;

impl List {
    /// Reads a list. All problems are told; of equal kinds the first 20 and then a count. A list with an error must
    /// not be used.
    #[must_use]
    pub fn parse(name: &str, file: &str, text: &str, now: i64) -> (Self, Vec<Problem>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut problems = Problems { file, told: Vec::new(), more: HashMap::new() };
        let (mut builder, mut swept) = (Builder::default(), Vec::new());
        for (line, number) in text.lines().zip(1..) {
            swept.extend(read_line(line, number, now, &mut builder, &mut problems));
        }
        if let Some(first) = swept.get(SWEPT_MAX) {
            let message = format!("a list has at most {SWEPT_MAX} entries with `sweep`");
            problems.push(Severity::Error, first.line, "", 0, &Mistake::new("too many", message));
        }
        let index = builder.build(&mut |line, before| problems.again(line, before));
        (Self { name: name.into(), file: file.into(), index, swept }, problems.all())
    }

    /// The most specific entry that matches now, in a list that says of itself what its entries are about
    /// (`[access]`): entries of that kind, and for [`Kind::Sender`] also those without a prefix. `None` also where
    /// that entry is an exception (`!`). Entries of `mode=off` are as if they were not there; those of `mode=log` are
    /// given, and the caller only tells them.
    #[must_use]
    pub fn find(&self, kind: Kind, subject: Subject<'_>, dir: Direction, now: i64) -> Option<Hit<'_>> {
        self.look_up(kind, kind == Kind::Sender, subject, dir, now)
    }

    /// The same for a list that a field names (`hello = ["@names"]`): entries without a prefix are about that field.
    #[must_use]
    pub fn find_in_field(
        &self,
        kind: Kind,
        subject: Subject<'_>,
        dir: Direction,
        now: i64,
    ) -> Option<Hit<'_>> {
        self.look_up(kind, true, subject, dir, now)
    }

    fn look_up(
        &self,
        kind: Kind,
        bare: bool,
        subject: Subject<'_>,
        dir: Direction,
        now: i64,
    ) -> Option<Hit<'_>> {
        let in_force = |terms: &Terms| terms.attributes.in_force(dir, now);
        let found = self.index.find(Ask { kind, bare, in_force: &in_force }, subject)?;
        let terms = found.terms;
        (!terms.exception).then_some(Hit { line: found.line, attributes: &terms.attributes })
    }

    /// Entries that sweep, those included that are not in force.
    #[must_use]
    pub fn swept(&self) -> &[Swept] {
        &self.swept
    }

    /// Entries, those included that are not in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`find`](Self::find) of that kind could find something.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.index.is_about(kind, kind == Kind::Sender)
    }

    /// Whether some entry could match when this field names the list.
    #[must_use]
    pub fn is_about(&self, kind: Kind) -> bool {
        self.index.is_about(kind, true)
    }

    /// The line of an entry that lets a sender of this domain match (for the check that our own are no allow
    /// entries): the domain, a parent, a mailbox in it, a pattern.
    #[must_use]
    pub fn covers_sender_domain(&self, domain: &Domain) -> Option<u32> {
        let in_force = |terms: &Terms| terms.attributes.mode != Mode::Off;
        self.index.covers_sender_domain(Ask { kind: Kind::Sender, bare: true, in_force: &in_force }, domain)
    }
}

impl List {
    /// Entries about senders that do not say `auth=any`: the line of the first, and how many there are (for the
    /// warning that such an allow entry counts only for a sender that is proved).
    #[must_use]
    pub fn unproved_senders(&self) -> Option<(u32, usize)> {
        let unproved = |terms: &Terms| {
            let attributes = &terms.attributes;
            !terms.exception && !attributes.auth_any && attributes.mode != Mode::Off
        };
        let ask = Ask { kind: Kind::Sender, bare: true, in_force: &unproved };
        let (first, count) =
            self.index.lines(ask).fold((u32::MAX, 0), |(first, count), line| (first.min(line), count + 1));
        (count > 0).then_some((first, count))
    }
}

/// Puts the entry of a line in. What it sweeps.
fn read_line(
    line: &str,
    number: u32,
    now: i64,
    builder: &mut Builder,
    problems: &mut Problems<'_>,
) -> Option<Swept> {
    if line.len() > LINE_OCTETS_MAX {
        let mistake = Mistake::new("line", format!("a line of over {LINE_OCTETS_MAX} octets"));
        problems.push(Severity::Error, number, "", 0, &mistake);
        return None;
    }
    let cut = Line::cut(line)?;
    let (entry, told) = cut.read();
    let good = told.errors.is_empty();
    for (at, mistake) in told.errors {
        problems.push(Severity::Error, number, line, at, &mistake);
    }
    for (at, mistake) in told.warnings {
        problems.push(Severity::Warning, number, line, at, &mistake);
    }
    let entry = entry.filter(|_| good)?;
    if entry.attributes.until.is_some_and(|until| until <= now) {
        let message = "`until` is past: the entry does not match; take it out, or give it a new date";
        problems.push(Severity::Warning, number, line, cut.at, &Mistake::new("expired", message));
    }
    let swept = swept::of_entry(&entry, number).unwrap_or_else(|mistake| {
        problems.push(Severity::Error, number, line, cut.at, &mistake);
        None
    });
    let terms = Terms { exception: entry.exception, attributes: entry.attributes };
    match builder.add(entry.kind, entry.pattern, terms, number) {
        Ok(None) => {}
        Ok(Some(before)) => problems.again(number, before),
        Err(full) => problems.push(Severity::Error, number, line, cut.at, &too_many(full)),
    }
    swept
}

fn too_many(full: Full) -> Mistake {
    Mistake::new(
        "too many",
        match full {
            Full::Globs => format!("a list has at most {GLOBS_MAX} patterns with * or ? within"),
            Full::Regexes => {
                format!("a list has at most {REGEXES_MAX} expressions; join some of them with |")
            }
            Full::Names => "the list has more text than 4 GB".to_owned(),
        },
    )
}

/// Problems of one file, the first of each class.
struct Problems<'f> {
    file: &'f str,
    told: Vec<Problem>,
    /// Of each class, how many there are, and of those that are not told the first and last line.
    more: HashMap<(&'static str, Severity), (usize, u32, u32)>,
}

impl Problems<'_> {
    fn push(&mut self, severity: Severity, number: u32, line: &str, at: usize, mistake: &Mistake) {
        let (count, first, last) = self.more.entry((mistake.class, severity)).or_insert((0, 0, 0));
        *count += 1;
        if *count > TOLD_MAX {
            *first = if *count == TOLD_MAX + 1 { number } else { *first };
            *last = number;
            return;
        }
        let position = Position { line: number, column: Position::of(line, at).column };
        self.told.push(match severity {
            Severity::Error => Problem::error(self.file, position, &mistake.message),
            Severity::Warning => Problem::warning(self.file, position, &mistake.message),
        });
    }

    fn again(&mut self, line: u32, before: u32) {
        let message = format!("the same entry as in line {before}; this one counts");
        self.push(Severity::Warning, line, "", 0, &Mistake::new("again", message));
    }

    /// In the order of the lines, and what is only counted at the end.
    fn all(mut self) -> Vec<Problem> {
        self.told.sort_by_key(|problem| (problem.line, problem.column));
        let mut more: Vec<_> = self.more.into_iter().filter(|(_, (count, ..))| *count > TOLD_MAX).collect();
        more.sort_unstable_by_key(|&(class, (_, first, _))| (first, class));
        for ((class, severity), (count, first, last)) in more {
            let at = Position { line: first, column: 1 };
            let message =
                format!("and {} more like those above ({class}), up to line {last}", count - TOLD_MAX);
            self.told.push(match severity {
                Severity::Error => Problem::error(self.file, at, message),
                Severity::Warning => Problem::warning(self.file, at, message),
            });
        }
        self.told
    }
}
