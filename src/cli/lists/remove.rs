//! `portcullis unblock` and `portcullis unallow`.

use super::add::{code, finish, in_force};
use super::change::{self, Job};
use super::matched::{self, Texts};
use super::options::Remove;
use crate::cli::exit::NOTHING;
use crate::cli::out::{self, Ink, Paint};
use crate::config::model::Policy;
use crate::rules::List;
use crate::rules::edit::{Change, Typed, remove};
use crate::verdict::Direction;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs `portcullis unblock`.
pub(in crate::cli) fn unblock(rules: &Path, options: &Remove) -> ExitCode {
    finish(run(rules, options, "blocks", |policy| &policy.protocol.block))
}

/// Runs `portcullis unallow`.
pub(in crate::cli) fn unallow(rules: &Path, options: &Remove) -> ExitCode {
    finish(run(rules, options, "allow", |policy| &policy.protocol.allow))
}

fn run(
    rules: &Path,
    options: &Remove,
    usual: &str,
    lists: impl Fn(&Policy) -> &Vec<Arc<List>>,
) -> Result<ExitCode, String> {
    let typed = Typed::parse(&options.entry)?;
    let now = Timestamp::now().as_second();
    let list = options.place.list.as_deref().unwrap_or(usual);
    let dry_run = options.place.dry_run;
    let job = Job { rules, list, dry_run };
    let done = change::make(&job, |text| remove(text, &typed), |_| Ok(()))?;
    let texts = Texts { rules, edited: (&done.file, &done.texts.1) };
    let still = matched::by(texts, lists(&done.policy), &typed, Direction::Inbound, now);
    let Change::Removed { lines } = &done.change else {
        let mut words = format!("{} has no entry {typed}", done.file);
        if let Some(still) = still {
            words.push_str(&format!(
                "; it is matched by {still}, and an entry \"!{typed}\" would be an exception"
            ));
        }
        complain!("portcullis: {words}");
        return Ok(NOTHING.into());
    };
    let would = if dry_run { "would be " } else { "" };
    let mut text: String =
        lines.iter().map(|(line, was)| format!("{}:{line}: {would}removed: {was}\n", done.file)).collect();
    let paint = Paint::of_stdout();
    if let Some(still) = still {
        text.push_str(&format!("{}: still matched by {still}\n", paint.ink(Ink::Warn, "warning")));
    }
    text.push_str(&in_force(&done, dry_run, paint));
    out::print(&text);
    Ok(code(&done))
}
