//! The verb.

use super::find::{Answer, CANDIDATES_MAX, Candidate, Story, find};
use super::text::text;
use super::today::{Today, today};
use crate::cli::asked;
use crate::cli::exit::NOTHING;
use crate::cli::out::{self, Paint};
use crate::gateway::load_rules;
use crate::mail::Id;
use crate::records::{Seen, Transcript};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// The reference in a refusal (`[ref 7F3K9QAB]`), of a session or a message; 4 characters or more of it
    #[arg(value_name = "REF")]
    reference: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The whole, for scripts.
#[derive(serde::Serialize)]
struct Report<'s> {
    session: &'s str,
    records: Vec<Value>,
    transcript: Option<&'s Transcript>,
    missed_since: u64,
    today: Vec<Today>,
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let begin = match Id::prefix(bare(&options.reference)) {
        Ok(begin) => begin,
        Err(error) => return asked::refused(&format!("{error}; 4 characters or more are enough")),
    };
    let dir = match asked::folder(rules) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    match find(&dir, &begin) {
        Ok(Answer::Story(story)) => {
            tell(&story, rules, options.json);
            ExitCode::SUCCESS
        }
        Ok(Answer::Candidates(found)) => {
            complain!("{}", ambiguous(&begin, &found).trim_end());
            NOTHING.into()
        }
        Ok(Answer::Nothing(seen)) => {
            complain!("portcullis: {}", nothing(&begin, seen));
            NOTHING.into()
        }
        Err(error) => asked::unreadable(&dir, &error),
    }
}

/// The reference of `[ref 7F3K9QAB]`, which is how a refusal has it, and so how it is pasted.
fn bare(typed: &str) -> &str {
    let inner = typed.trim().trim_start_matches('[').trim_end_matches(']').trim();
    inner.strip_prefix("ref ").map_or(inner, str::trim)
}

fn tell(story: &Story, rules: &Path, json: bool) {
    let now = Timestamp::now().as_second();
    let (policy, problems) = load_rules(rules, None);
    if policy.is_none() {
        let errors = out::count(problems.iter().filter(|p| p.is_error()).count(), "error");
        complain!(
            "portcullis: what today's rules would say is not known: they have {errors}, see `portcullis check`"
        );
    }
    let today = policy.map(|policy| today(story, &policy, now)).unwrap_or_default();
    if !json {
        out::print(&text(story, &today, Paint::of_stdout()));
        return;
    }
    out::json(&Report {
        session: &story.session,
        records: story.lines.iter().filter_map(|l| serde_json::from_slice(l).ok()).collect(),
        transcript: story.transcript.as_ref(),
        missed_since: story.missed_since,
        today,
    });
}

fn ambiguous(begin: &str, found: &BTreeMap<String, Candidate>) -> String {
    let mut out = format!("portcullis: more than one reference begins with {begin}:\n");
    for (reference, candidate) in found.iter().take(CANDIDATES_MAX) {
        let _ = writeln!(out, "  {reference}  {}", candidate.words);
    }
    if found.len() > CANDIDATES_MAX {
        out.push_str("  and more\n");
    }
    out
}

fn nothing(begin: &str, seen: Seen) -> String {
    format!(
        "nothing is kept of {begin}: none of the {} records has it. It may be older than they are, of another gateway, or one of a flood that was refused at the door and only counted",
        seen.lines
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_may_be_pasted_as_a_refusal_has_it() {
        for typed in ["7F3K9QAB", "[ref 7F3K9QAB]", "ref 7F3K9QAB", " [7F3K9QAB] "] {
            assert_eq!(bare(typed), "7F3K9QAB", "{typed:?}");
        }
        assert_eq!(bare("REFX"), "REFX");
    }

    #[test]
    fn candidates_are_listed_and_cut() {
        let found = (0..30)
            .map(|n| {
                let candidate = Candidate { session: "S".into(), words: format!("words {n}") };
                (format!("7F3K{n:04}"), candidate)
            })
            .collect();
        let text = ambiguous("7F3K", &found);
        assert_eq!(text.lines().count(), 22);
        assert!(text.contains("  7F3K0007  words 7\n") && text.ends_with("  and more\n"), "{text}");
        assert!(nothing("7F3K", Seen { lines: 12, damaged: 0 }).contains("none of the 12 records"));
    }
}
