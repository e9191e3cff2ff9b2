//! What was found: grouped, counted, printed as it comes.

use crate::cli::out::{self, Ink, Paint, count};
use crate::rules::Problem;
use serde::Serialize;

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// Looked at, and good.
    Ok,
    /// Worth knowing.
    Note,
    /// Probably not what is wanted.
    Warning,
    /// Wrong.
    Error,
}

#[derive(Debug, Serialize)]
struct Line {
    level: Level,
    text: String,
}

#[derive(Debug, Serialize)]
struct Section {
    title: String,
    lines: Vec<Line>,
}

/// The whole report.
#[derive(Debug)]
pub(super) struct Report {
    sections: Vec<Section>,
    strict: bool,
    /// `None`: everything as JSON at the end.
    live: Option<Paint>,
}

/// The report as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    good: bool,
    strict: bool,
    errors: usize,
    warnings: usize,
    sections: &'a [Section],
}

impl Report {
    /// `live`: how lines are printed as they come; `None` is JSON at the end.
    pub(super) fn new(strict: bool, live: Option<Paint>) -> Self {
        Self { sections: Vec::new(), strict, live }
    }

    /// What follows belongs under this title.
    pub(super) fn section(&mut self, title: &str) {
        if let Some(paint) = self.live {
            let gap = if self.sections.is_empty() { "" } else { "\n" };
            out::print(&format!("{gap}{}\n", paint.ink(Ink::Title, title)));
        }
        self.sections.push(Section { title: title.to_owned(), lines: Vec::new() });
    }

    pub(super) fn ok(&mut self, text: impl Into<String>) {
        self.line(Level::Ok, text.into());
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.line(Level::Note, text.into());
    }

    /// An error with `--strict`.
    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.line(Level::Warning, text.into());
    }

    pub(super) fn error(&mut self, text: impl Into<String>) {
        self.line(Level::Error, text.into());
    }

    /// A mistake in a file, in the form that editors jump to.
    pub(super) fn problem(&mut self, problem: &Problem) {
        let level = if problem.is_error() { Level::Error } else { Level::Warning };
        let text = problem.to_string();
        if let Some(paint) = self.live {
            let ink = if problem.is_error() { Ink::Bad } else { Ink::Warn };
            out::print(&format!("{}\n", paint.ink(ink, &text)));
        }
        self.keep(Line { level, text });
    }

    fn line(&mut self, level: Level, text: String) {
        if let Some(paint) = self.live {
            let (word, ink) = match level {
                Level::Ok => ("ok", Ink::Good),
                Level::Note => ("note", Ink::Faint),
                Level::Warning => ("warning", Ink::Warn),
                Level::Error => ("ERROR", Ink::Bad),
            };
            out::print(&format!("  {} {text}\n", paint.ink(ink, &format!("{word:<8}"))));
        }
        self.keep(Line { level, text });
    }

    fn keep(&mut self, line: Line) {
        if let Some(section) = self.sections.last_mut() {
            section.lines.push(line);
        }
    }

    fn count(&self, level: Level) -> usize {
        self.sections.iter().flat_map(|s| &s.lines).filter(|l| l.level == level).count()
    }

    fn is_good(&self) -> bool {
        self.count(Level::Error) == 0 && (!self.strict || self.count(Level::Warning) == 0)
    }

    /// Prints the end. True when all is good enough.
    pub(super) fn finish(self) -> bool {
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        let good = self.is_good();
        match self.live {
            None => {
                let Self { sections, strict, .. } = &self;
                out::json(&Whole { good, strict: *strict, errors, warnings, sections });
            }
            Some(paint) => {
                let ink = match (good, warnings) {
                    (false, _) => Ink::Bad,
                    (true, 0) => Ink::Good,
                    (true, _) => Ink::Warn,
                };
                let strict = if errors == 0 && !good { " (--strict: warnings count as errors)" } else { "" };
                let words = format!("{}, {}{strict}", count(errors, "error"), count(warnings, "warning"));
                out::print(&format!("\n{}\n", paint.ink(ink, &words)));
            }
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_errors_only_when_strict() {
        for (strict, warn, err, want) in [
            (false, false, false, true),
            (false, true, false, true),
            (true, true, false, false),
            (true, false, false, true),
            (false, false, true, false),
        ] {
            let mut report = Report::new(strict, None);
            report.section("x");
            report.ok("fine");
            report.note("so");
            if warn {
                report.warning("hm");
            }
            if err {
                report.error("no");
            }
            assert_eq!(report.is_good(), want, "{strict} {warn} {err}");
        }
    }
}
