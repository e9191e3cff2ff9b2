//! `portcullis rollback`: the rule files of an earlier generation, put back and read again.
//!
//! The files are this command's to write, with the rights of whoever says it: the gateway often may not. It keeps
//! what lies there first, so that a rollback can be rolled back, and reads the rules when all is in place. With
//! the gateway stopped the files are put back, and the next start reads them.

use super::exit::{NOTHING, REFUSED, UNREACHABLE};
use super::out::{self, Ink, Paint};
use super::{rolled, state_dir};
use crate::control::{Answer, ControlError, Request, ask};
use crate::gateway::load_rules;
use crate::gateway::{History, ReloadReport, Restore, Snapshot};
use crate::store::StateLock;
use crate::store::generations::{Generations, Kept};
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The generation whose rules are wanted; without it the one before those that lie there
    generation: Option<u64>,
    /// Say which generations are kept, and do nothing
    #[arg(long, conflicts_with = "generation")]
    list: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Why it was not done, and the code to end with.
struct No(u8, String);

impl<E: std::fmt::Display> From<E> for No {
    fn from(error: E) -> Self {
        Self(REFUSED, error.to_string())
    }
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    match on_state_dir(rules, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(No(code, why)) => {
            complain!("portcullis: {why}");
            code.into()
        }
    }
}

fn on_state_dir(rules: &Path, options: &Options) -> Result<(), No> {
    let rules = std::path::absolute(rules)?;
    let state_dir = state_dir::find(&rules)?;
    if options.list {
        let generations = Generations::open(&state_dir)?;
        if options.json {
            out::json(&rolled::listed(&generations));
        } else {
            out::print(&rolled::table(&generations, Paint::of_stdout()));
        }
        return Ok(());
    }
    let before = Snapshot::take(&rules);
    if let Some(why) = before.unreadable {
        return Err(No(REFUSED, why));
    }
    // Chosen before what lies there is kept, which is a generation too.
    let earlier = Generations::open(&state_dir)?;
    let target = target(&earlier, &before, options.generation)?;
    let restore = Restore::plan(&before, &target.files);
    if options.dry_run {
        tell(&rolled::Done::planned(target, &restore), options);
        return Ok(());
    }
    let daemon = Daemon::find(&state_dir)?;
    let kept = daemon.keep(&state_dir, &rules)?;
    let generations = Generations::open(&state_dir)?;
    let done = rolled::Done::new(kept, target, &restore);
    let reloaded = put_back(&rules, &restore, &generations).and_then(|()| daemon.reload(&state_dir));
    match reloaded {
        Ok(report) => {
            tell(&done.with(report), options);
            Ok(())
        }
        Err(No(code, why)) => {
            // Everything as it was, the gateway's view of it too.
            restore.undo(&rules, &before, &generations)?;
            let _ = daemon.reload(&state_dir);
            Err(No(code, format!("{why}\nnothing was rolled back: the files are as they were")))
        }
    }
}

fn tell(done: &rolled::Done, options: &Options) {
    if options.json {
        out::json(done);
    } else {
        out::print(&format!("{}\n", Paint::of_stdout().ink(Ink::Good, &done.words())));
    }
}

/// The generation that is asked for, or the one before the rules that lie there.
fn target<'g>(generations: &'g Generations, now: &Snapshot, wanted: Option<u64>) -> Result<&'g Kept, No> {
    if let Some(number) = wanted {
        let missing =
            || No(NOTHING, format!("generation {number} is not kept; see `portcullis rollback --list`"));
        return generations.find(number).ok_or_else(missing);
    }
    let in_force = generations.in_force();
    // Edits that never came into force are taken back before anything else is.
    let earlier = in_force.filter(|kept| kept.files != now.files).or_else(|| {
        let all = generations.kept().iter().rev().skip_while(|kept| Some(*kept) != in_force);
        all.filter(|kept| kept.in_force).find(|kept| kept.files != now.files)
    });
    earlier.ok_or_else(|| No(NOTHING, "there are no earlier rules than those that lie there".into()))
}

/// Puts the files in place, and reads them as the gateway will.
fn put_back(rules: &Path, restore: &Restore, generations: &Generations) -> Result<(), No> {
    restore.carry_out(rules, generations)?;
    let (policy, problems) = load_rules(rules, None);
    if policy.is_some() {
        return Ok(());
    }
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    Err(No(REFUSED, format!("{}\nthe rules of that generation do not load any more", errors.join("\n"))))
}

/// The gateway: running, or stopped, and then nobody starts it meanwhile.
enum Daemon {
    Running,
    Stopped { _lock: StateLock },
}

impl Daemon {
    fn find(state_dir: &Path) -> Result<Self, No> {
        match ask(state_dir, &Request::Status {}) {
            Ok(_) => Ok(Self::Running),
            Err(ControlError::NoSocket(_) | ControlError::Stale(_)) if state_dir.is_dir() => {
                Ok(Self::Stopped { _lock: StateLock::acquire(state_dir)? })
            }
            Err(ControlError::NoSocket(_)) => {
                Err(No(NOTHING, format!("no generations are kept: there is no {}", state_dir.display())))
            }
            Err(error) => Err(No(UNREACHABLE, error.to_string())),
        }
    }

    /// Keeps what lies there now, and gives its number.
    fn keep(&self, state_dir: &Path, rules: &Path) -> Result<u64, No> {
        match self {
            Self::Running => match ask(state_dir, &Request::Keep {}) {
                Ok(Answer::Kept(number)) => Ok(number),
                Ok(_) => Err(other_answer()),
                Err(error) => Err(No(UNREACHABLE, error.to_string())),
            },
            Self::Stopped { .. } => Ok(History::of(Generations::open(state_dir)?).keep_edits(rules)?),
        }
    }

    /// What the gateway says of the rules as they are now; `None` where it is stopped.
    fn reload(&self, state_dir: &Path) -> Result<Option<ReloadReport>, No> {
        match self {
            Self::Stopped { .. } => Ok(None),
            Self::Running => match ask(state_dir, &Request::Reload {}) {
                Ok(Answer::Reload(report)) if report.reloaded => Ok(Some(report)),
                Ok(Answer::Reload(report)) => Err(No(REFUSED, report.problems.join("\n"))),
                Ok(_) => Err(other_answer()),
                Err(error) => Err(No(UNREACHABLE, error.to_string())),
            },
        }
    }
}

fn other_answer() -> No {
    No(UNREACHABLE, super::asked::OTHER_ANSWER.into())
}
