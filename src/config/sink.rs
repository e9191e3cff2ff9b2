//! Collects what is wrong in one file. A reader tells a mistake here and goes on.

use crate::rules::{Position, Problem, Severity};
use std::cell::RefCell;
use std::ops::Range;

/// Problems kept of one load; a file with more is not read by anybody to the end.
const PROBLEMS_MAX: usize = 500;

/// The problems of one file, and of the lists that it names.
#[derive(Debug)]
pub struct Sink<'t> {
    file: &'t str,
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    /// The first problem beyond the bound (the first error, if there is one), and how many there were.
    left_off: RefCell<Option<(Problem, usize)>>,
}

impl<'t> Sink<'t> {
    /// An empty one for a file (name relative to the rules directory) with this text.
    #[must_use]
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, problems: RefCell::default(), left_off: RefCell::default() }
    }

    /// Tells an error at a span of the text.
    pub fn error(&self, span: &Range<usize>, message: impl Into<String>) {
        self.other(Problem::error(self.file, self.shown_position(span, Severity::Error), message));
    }

    /// Tells a warning at a span of the text.
    pub fn warning(&self, span: &Range<usize>, message: impl Into<String>) {
        self.other(Problem::warning(self.file, self.shown_position(span, Severity::Warning), message));
    }

    /// Takes a problem of another file.
    pub fn other(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_MAX {
            problems.push(problem);
            return;
        }
        let mut left_off = self.left_off.borrow_mut();
        *left_off = Some(match left_off.take() {
            None => (problem, 1),
            Some((first, count)) if problem.is_error() && !first.is_error() => (problem, count + 1),
            Some((first, count)) => (first, count + 1),
        });
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &'t str {
        self.file
    }

    /// Whether an error was told.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        let left_off = self.left_off.borrow();
        self.problems.borrow().iter().chain(left_off.iter().map(|(first, _)| first)).any(Problem::is_error)
    }

    /// The line of a span, from 1.
    #[must_use]
    pub fn line(&self, span: &Range<usize>) -> u32 {
        self.position(span).line
    }

    /// The text at a span.
    #[must_use]
    pub fn text_at(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// All problems: this file's first, then by file, line and column.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| {
            let place = |p: &Problem| (p.file != self.file, p.line, p.column, p.severity);
            let (pa, pb) = (place(a), place(b));
            pa.0.cmp(&pb.0).then_with(|| a.file.cmp(&b.file)).then(pa.cmp(&pb))
        });
        // One beyond the bound still tells by its severity whether the policy can be used.
        if let Some((mut first, count)) = self.left_off.into_inner() {
            if count > 1 {
                first.message =
                    format!("{} (and {} more problems that are not shown)", first.message, count - 1);
            }
            problems.push(first);
        }
        problems
    }

    /// Finding a line costs a walk through the text, which is saved for problems that are only counted.
    fn shown_position(&self, span: &Range<usize>, severity: Severity) -> Position {
        match &*self.left_off.borrow() {
            Some((first, _)) if severity == Severity::Warning || first.is_error() => Position::START,
            _ => self.position(span),
        }
    }

    fn position(&self, span: &Range<usize>) -> Position {
        Position::of(self.text, span.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_many_warnings_is_still_told() {
        let sink = Sink::new("a.toml", "x");
        for _ in 0..600 {
            sink.warning(&(0..1), "hm");
        }
        sink.error(&(0..1), "no");
        sink.error(&(0..1), "nor this");
        let problems = sink.into_problems();
        let last = problems.last().unwrap().to_string();
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(last, "a.toml:1:1: error: no (and 101 more problems that are not shown)");
    }
}
