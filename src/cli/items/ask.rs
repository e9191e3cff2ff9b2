//! Whom the verbs ask: the running gateway over its socket, or, where none runs, the same desk in this process.

use super::offline::Offline;
use crate::cli::exit::{NOTHING, REFUSED, UNREACHABLE};
use crate::cli::state_dir;
use crate::control::{ControlError, ask_desk};
use crate::desk::{Answer, Request};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Somebody who answers.
pub(crate) struct Asker {
    who: Who,
}

enum Who {
    Gateway(PathBuf),
    Ourselves(Box<Offline>),
}

impl Asker {
    /// The gateway of these rules if it runs, else a desk of our own.
    ///
    /// # Errors
    /// The exit code; standard error says why.
    pub(crate) fn find(rules: &Path) -> Result<Self, ExitCode> {
        let state_dir = state_dir::find(rules).map_err(|words| refused(&words))?;
        // Looks and asks nothing: the answer to a request tells a gateway that hangs.
        match ask_desk(&state_dir, Request::Jobs {})
            .and_then(|answers| answers.collect::<Result<Vec<_>, _>>())
        {
            Ok(_) => Ok(Self { who: Who::Gateway(state_dir) }),
            Err(ControlError::NoSocket(_) | ControlError::Stale(_)) => {
                Offline::open(rules).map(|offline| Self { who: Who::Ourselves(Box::new(offline)) })
            }
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// The gateway answers, and work goes on when this command ends.
    pub(crate) fn is_gateway(&self) -> bool {
        matches!(self.who, Who::Gateway(_))
    }

    /// Asks; `take` gets the answers in their order, never [`Answer::Error`].
    ///
    /// # Errors
    /// The exit code; standard error says why.
    pub(crate) fn ask(&self, request: Request, take: &mut dyn FnMut(Answer)) -> Result<(), ExitCode> {
        let mut refusal = None;
        let mut hand_on = |answer| match answer {
            Answer::Error { text, nothing } => refusal = Some((text, nothing)),
            answer => take(answer),
        };
        match &self.who {
            Who::Gateway(state_dir) => {
                let answers = ask_desk(state_dir, request).map_err(|error| unreachable(&error))?;
                for answer in answers {
                    hand_on(answer.map_err(|error| unreachable(&error))?);
                }
            }
            Who::Ourselves(offline) => offline.ask(request, &mut hand_on),
        }
        match refusal {
            None => Ok(()),
            Some((text, nothing)) => {
                complain!("portcullis: {text}");
                Err(if nothing { NOTHING.into() } else { REFUSED.into() })
            }
        }
    }

    /// Asks for the last answer only.
    ///
    /// # Errors
    /// The exit code; standard error says why.
    pub(crate) fn one(&self, request: Request) -> Result<Answer, ExitCode> {
        let mut last = None;
        self.ask(request, &mut |answer| last = Some(answer))?;
        last.ok_or_else(|| {
            complain!("portcullis: there was no answer; the log of the gateway may say more");
            UNREACHABLE.into()
        })
    }
}

fn unreachable(error: &ControlError) -> ExitCode {
    complain!("portcullis: {error}");
    match error {
        ControlError::Refused(_) => REFUSED.into(),
        ControlError::NoSocket(_)
        | ControlError::Stale(_)
        | ControlError::Denied(_)
        | ControlError::Silent { .. }
        | ControlError::Broken { .. }
        | ControlError::Unclear { .. } => UNREACHABLE.into(),
    }
}

fn refused(words: &str) -> ExitCode {
    complain!("portcullis: {words}");
    REFUSED.into()
}
