//! `portcullis block` and `portcullis allow`.

use super::change::{self, Done, Job};
use super::effect::Effect;
use super::matched::{self, Texts};
use super::options::{self, Allow, Block, Place};
use super::warn;
use crate::cli::asked::refused;
use crate::cli::exit::{REFUSED, UNREACHABLE};
use crate::cli::out::{self, Ink, Paint};
use crate::config::model::Policy;
use crate::rules::Attributes;
use crate::rules::edit::{Change, Typed, add};
use crate::verdict::Direction;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;

/// Which kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Block,
    Allow,
}

/// Runs `portcullis block`.
pub(in crate::cli) fn block(rules: &Path, options: &Block) -> ExitCode {
    let now = Timestamp::now();
    let entry = Typed::parse(&options.entry).and_then(|typed| {
        let (action, sweep) = (options::action(&options.action), options.sweep.clone());
        Ok((typed, Attributes { action, sweep, ..options.terms.attributes(now)? }))
    });
    let place = Where { rules, place: &options.place, now: now.as_second(), force: options.force };
    finish(entry.and_then(|(typed, attributes)| run(&place, Use::Block, &typed, &attributes)))
}

/// Runs `portcullis allow`.
pub(in crate::cli) fn allow(rules: &Path, options: &Allow) -> ExitCode {
    let now = Timestamp::now();
    let entry = Typed::parse(&options.entry).and_then(|typed| {
        Ok((typed, Attributes { auth_any: options.auth_any, ..options.terms.attributes(now)? }))
    });
    let place = Where { rules, place: &options.place, now: now.as_second(), force: true };
    finish(entry.and_then(|(typed, attributes)| run(&place, Use::Allow, &typed, &attributes)))
}

/// The exit code; where nothing was done, standard error says why.
pub(super) fn finish(done: Result<ExitCode, String>) -> ExitCode {
    done.unwrap_or_else(|refusal| refused(&refusal))
}

struct Where<'w> {
    rules: &'w Path,
    place: &'w Place,
    now: i64,
    force: bool,
}

fn run(place: &Where<'_>, kind: Use, typed: &Typed, attributes: &Attributes) -> Result<ExitCode, String> {
    let usual = if kind == Use::Block { "blocks" } else { "allow" };
    let list = place.place.list.as_deref().unwrap_or(usual);
    let job = Job { rules: place.rules, list, dry_run: place.place.dry_run };
    let judge = |policy: &Policy| {
        if place.force { Ok(()) } else { warn::trusted(policy, typed, attributes) }
    };
    let done = change::make(&job, |text| add(text, typed, attributes), judge)?;
    let paint = Paint::of_stdout();
    let mut text = String::new();
    for warning in warnings(place, kind, typed, attributes, &done) {
        text.push_str(&format!("{}: {warning}\n", paint.ink(Ink::Warn, "warning")));
    }
    text.push_str(&said(&done, &typed.line(attributes), job.dry_run));
    text.push_str(&in_force(&done, job.dry_run, paint));
    out::print(&text);
    Ok(code(&done))
}

fn warnings(
    place: &Where<'_>,
    kind: Use,
    typed: &Typed,
    attributes: &Attributes,
    done: &Done,
) -> Vec<String> {
    let mut out: Vec<String> = done.warnings.iter().map(|problem| problem.message.clone()).collect();
    out.extend(typed.warning().map(str::to_owned));
    out.extend(warn::wide(typed));
    match kind {
        Use::Block => out.extend(warn::own_sender(&done.policy, typed, attributes)),
        // Says what to type, where the warning of the file says what to write.
        Use::Allow => {
            if let Some(claimed) = typed.claimed(attributes) {
                out.retain(|said| !said.starts_with("anybody can write this sender"));
                out.push(claimed.to_owned());
            }
        }
    }
    let named = if kind == Use::Block { &done.policy.protocol.block } else { &done.policy.protocol.allow };
    if !named.iter().any(|list| *list.file == *done.file) {
        let word = if kind == Use::Block { "block" } else { "allow" };
        out.push(format!(
            "{} is no {word} list: only rules that name it use it, until [access] in protocol.toml does",
            done.file
        ));
    }
    let Some(before) = &done.before else { return out };
    let texts = Texts { rules: place.rules, edited: (&done.file, &done.texts.0) };
    let dir = attributes.dir.unwrap_or(Direction::Inbound);
    let (same, other) = match kind {
        Use::Block => (&before.protocol.block, Some(&before.protocol.allow)),
        Use::Allow => (&before.protocol.allow, None),
    };
    if !typed.is_exception() {
        let found = matched::by(texts, same, typed, dir, place.now);
        out.extend(found.map(|found| format!("already matched by {found}")));
        let found = other.and_then(|lists| matched::by(texts, lists, typed, dir, place.now));
        out.extend(found.map(|found| format!("allowed by {found}, and who is allowed is not blocked")));
    }
    out
}

/// What changed, with file and line.
fn said(done: &Done, new: &str, dry_run: bool) -> String {
    let file = &done.file;
    let would = if dry_run { "would be " } else { "" };
    match &done.change {
        Change::Added { line } => format!("{file}:{line}: {would}added: {new}\n"),
        Change::Replaced { line, before } => {
            format!("{file}:{line}: {would}replaced: {before}\n{file}:{line}: by: {new}\n")
        }
        Change::Removed { .. } | Change::Nothing => format!("{file}: it says that already: {new}\n"),
    }
}

/// When it takes effect.
pub(super) fn in_force(done: &Done, dry_run: bool, paint: Paint) -> String {
    let words = match &done.effect {
        None if dry_run => "nothing was changed (--dry-run); the rules would load".to_owned(),
        None => return String::new(),
        Some(Effect::InForce(generation)) => {
            paint.ink(Ink::Good, &format!("reloaded: generation {generation} is in force"))
        }
        Some(Effect::NotRunning) => "no gateway runs: it takes effect at the next start".to_owned(),
        Some(Effect::Unreachable(error)) => {
            let words = format!("the file is changed, but the gateway could not be told to read it: {error}");
            paint.ink(Ink::Bad, &words)
        }
        Some(Effect::Refused(_)) => return String::new(),
    };
    words + "\n"
}

/// The exit code of a change that was made.
pub(super) fn code(done: &Done) -> ExitCode {
    match &done.effect {
        Some(Effect::Unreachable(_)) => UNREACHABLE.into(),
        Some(Effect::Refused(_)) => REFUSED.into(),
        Some(Effect::InForce(_) | Effect::NotRunning) | None => ExitCode::SUCCESS,
    }
}
