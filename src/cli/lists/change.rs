//! The way of one change: lock, read, edit, try out, write, reload.

use super::effect::{self, Effect};
use crate::config;
use crate::config::model::Policy;
use crate::gateway::load_rules_with;
use crate::rules::Problem;
use crate::rules::edit::{Change, Edit};
use crate::store::{ListFile, ListLock};
use std::path::Path;

/// Changes of others that are waited out.
const TRIES: usize = 5;

/// What is to be changed.
pub(super) struct Job<'j> {
    pub rules: &'j Path,
    /// Name of the list.
    pub list: &'j str,
    pub dry_run: bool,
}

/// What became of it.
pub(super) struct Done {
    /// File relative to the rules directory.
    pub file: String,
    /// The text that it had, and the one that it has now or would have.
    pub texts: (String, String),
    pub change: Change,
    /// The rules with it.
    pub policy: Policy,
    /// The rules without it, where they load.
    pub before: Option<Policy>,
    /// What they say now and did not say before.
    pub warnings: Vec<Problem>,
    /// None where nothing was written.
    pub effect: Option<Effect>,
}

/// Why nothing was changed, one line or several.
pub(super) type Refusal = String;

/// Changes a list. `judge` may refuse: it sees the rules as they would be.
///
/// # Errors
/// The sentence for people; nothing is changed then.
pub(super) fn make(
    job: &Job<'_>,
    edit: impl Fn(&str) -> Edit,
    judge: impl Fn(&Policy) -> Result<(), Refusal>,
) -> Result<Done, Refusal> {
    let _lock = if job.dry_run { None } else { Some(ListLock::take(job.rules)?) };
    for _ in 0..TRIES {
        let file = ListFile::read(job.rules, job.list)?;
        let Edit { text, change } = edit(&file.text);
        let Tried { policy, before, warnings } = try_out(job, &file, &text)?;
        judge(&policy)?;
        let write = !job.dry_run && change != Change::Nothing;
        if write && !file.replace(&text).map_err(|error| error.to_string())? {
            continue;
        }
        let effect = write.then(|| effect::reload(&policy.state_dir));
        if let Some(Effect::Refused(problems)) = &effect {
            return Err(taken_back(&file, &text, problems));
        }
        let texts = (file.text, text);
        return Ok(Done { file: file.shown, texts, change, policy, before, warnings, effect });
    }
    let file = config::list_file(job.list);
    Err(format!(
        "{file} changes again and again while it is to be edited: who or what writes it? Nothing was changed"
    ))
}

/// The rules as they would be and as they are.
struct Tried {
    policy: Policy,
    before: Option<Policy>,
    warnings: Vec<Problem>,
}

fn try_out(job: &Job<'_>, file: &ListFile, text: &str) -> Result<Tried, Refusal> {
    let (before, old) = load_rules_with(job.rules, None, &[(&file.shown, &file.text)]);
    // The other lists are not read twice.
    let (policy, problems) = load_rules_with(job.rules, before.as_ref(), &[(&file.shown, text)]);
    let Some(policy) = policy else {
        let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
        let why = match before {
            Some(_) => "the rules would not load with it",
            None => {
                "the rules do not load as they are; mend them first, or keep a client away with `portcullis bans add`"
            }
        };
        return Err(format!("{}\nnothing was changed: {why}", errors.join("\n")));
    };
    let new = |problem: &Problem| {
        problem.file == file.shown && !old.iter().any(|old| old.message == problem.message)
    };
    Ok(Tried { policy, before, warnings: problems.into_iter().filter(new).collect() })
}

fn taken_back(file: &ListFile, written: &str, problems: &[String]) -> Refusal {
    let end = match file.restore(written) {
        Ok(true) => format!("the gateway refused its rules with this change: {} is as it was", file.shown),
        Ok(false) => format!(
            "the gateway refused its rules, and {} was changed meanwhile: see `portcullis check`",
            file.shown
        ),
        Err(error) => {
            format!("the gateway refused its rules, and the change could not be taken back: {error}")
        }
    };
    format!("{}\n{end}", problems.join("\n"))
}
