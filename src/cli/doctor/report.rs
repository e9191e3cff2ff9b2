//! What was found.

use crate::cli::out::{self, Ink, Paint, count};
use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Good.
    Ok,
    /// Not as it should be, or not known.
    Warn,
    /// Mail does not flow, or will stop.
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    area: &'static str,
    level: Level,
    text: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    fix: String,
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Report {
    findings: Vec<Finding>,
    /// `None`: JSON at the end.
    live: Option<Paint>,
}

impl Report {
    /// `live`: how lines are printed as they come.
    pub(super) fn new(live: Option<Paint>) -> Self {
        Self { findings: Vec::new(), live }
    }

    pub(super) fn ok(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(area, Level::Ok, text.into(), String::new());
    }

    pub(super) fn warn(&mut self, area: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(area, Level::Warn, text.into(), fix.into());
    }

    pub(super) fn bad(&mut self, area: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(area, Level::Bad, text.into(), fix.into());
    }

    fn add(&mut self, area: &'static str, level: Level, text: String, fix: String) {
        if let Some(paint) = self.live {
            let (word, ink) = match level {
                Level::Ok => ("ok", Ink::Good),
                Level::Warn => ("warn", Ink::Warn),
                Level::Bad => ("BAD", Ink::Bad),
            };
            out::print(&format!("{} {area:<12} {text}\n", paint.ink(ink, &format!("{word:<5}"))));
            if !fix.is_empty() {
                out::print(&format!("{:19}{} {fix}\n", "", paint.ink(Ink::Title, "fix:")));
            }
        }
        self.findings.push(Finding { area, level, text, fix });
    }

    /// Prints the end; the worst that was found.
    pub(super) fn finish(self) -> Level {
        let number = |level| self.findings.iter().filter(|f| f.level == level).count();
        let (bad, warn) = (number(Level::Bad), number(Level::Warn));
        let worst = self.findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok);
        match self.live {
            None => out::json(
                &serde_json::json!({ "worst": worst, "bad": bad, "warn": warn, "findings": self.findings }),
            ),
            Some(paint) => {
                let ink = match worst {
                    Level::Ok => Ink::Good,
                    Level::Warn => Ink::Warn,
                    Level::Bad => Ink::Bad,
                };
                let words = format!(
                    "{bad} bad, {}, {} looked at",
                    count(warn, "warning"),
                    count(self.findings.len(), "thing")
                );
                out::print(&format!("\n{}\n", paint.ink(ink, &words)));
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides() {
        for (warn, bad, want) in
            [(false, false, Level::Ok), (true, false, Level::Warn), (true, true, Level::Bad)]
        {
            let mut report = Report::new(None);
            report.ok("x", "fine");
            if warn {
                report.warn("x", "hm", "do");
            }
            if bad {
                report.bad("x", "no", "do");
            }
            assert_eq!(report.finish(), want);
        }
    }
}
