//! What is left of a message when parts are taken out: edited, written, and given as it will go out to those scanners again
//! that look for malware.
//!
//! One step for everybody who takes parts out, before anybody gets the rest. Signatures of our own do not look again: they
//! saw each part and each member of an archive by itself, in every reading, when the message was walked, and what they
//! found stands, also of parts that are taken out. State: none; what is left is a body, which is counted. Failure: what
//! cannot be edited or written is a temporary refusal of its own, what no scanner answers for has the lane of the policy, and
//! what is found in it ends as if it had been found before.

use super::look::{Request, sorted, unseen};
use super::octets::{with_octets, write};
use crate::body::{Body, BodyError, Budget};
use crate::content::{Contents, Dress, Found, Weighed, authserv_id, put_on};
use crate::message::edit::Replace;
use crate::reply::{Entry, catalogue};
use crate::scan::{self, Input, Job};
use crate::verdict::Finding;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How the findings begin.
const WHERE: &str = "without the parts that are taken out";

/// Why a message was not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no room for the edited one.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// In words.
    #[error("{0}")]
    Other(String),
}

impl EditError {
    /// What a client hears: it tries again.
    #[must_use]
    pub fn entry(&self) -> Entry {
        match self {
            Self::Body(BodyError::NoSpace) => catalogue::NO_SPACE,
            Self::Body(BodyError::Io { .. } | BodyError::Damaged) | Self::Other(_) => catalogue::INTERNAL,
        }
    }
}

/// The message in a dress; `None` where it goes as it came. `name`: ours in `Authentication-Results`.
///
/// # Errors
/// No room, no place in time, or a part that is to be taken out cannot be.
pub async fn edited(
    (places, budget): (&Arc<Semaphore>, &Arc<Budget>),
    body: &Body,
    dress: &Dress,
    name: String,
    finish_by: Instant,
) -> Result<Option<Body>, EditError> {
    let dress = dress.clone();
    let work = move |octets: &[u8]| put_on(&dress, octets, &name);
    let held = with_octets(places, body, finish_by, work).await.map_err(EditError::Other)?;
    match &held.outcome {
        Ok(Some(octets)) => Ok(Some(write(budget, octets).await?)),
        Ok(None) => Ok(None),
        Err(error) => Err(EditError::Other(error.clone())),
    }
}

/// What is left of a message, and what scanners say of it.
#[derive(Debug)]
pub struct Left {
    replace: Vec<Replace>,
    subject_tag: Option<Box<str>>,
    body: Option<Arc<Body>>,
    contents: Contents,
    trouble: Option<Finding>,
}

impl Left {
    /// Takes the parts out that `dress` takes out, and lets all scanners that look for malware look once more: points were
    /// given for the message as it came. Not for policies that turn malware off.
    pub async fn of(request: &Request<'_>, dress: &Dress) -> Self {
        let (replace, subject_tag) = (dress.replace.clone(), dress.subject_tag.clone());
        let mut left =
            Self { replace, subject_tag, body: None, contents: Contents::default(), trouble: None };
        let stores = (request.places, request.budget);
        let name = authserv_id(request.policy);
        match Box::pin(edited(stores, request.body, dress, name, request.finish_by)).await {
            Err(error) => {
                let reason = format!("{WHERE}: {error}");
                left.trouble = Some(unseen(&error.entry(), reason));
            }
            Ok(None) => {}
            Ok(Some(body)) => {
                let input = Input::Message(&body);
                let job = Job::new(input, request.finish_by).from(request.envelope);
                left.contents = sorted(&Box::pin(scan::scan_again(request.scanners, job)).await);
                // Of one result or another: they are told apart from what was found before.
                let Contents { malware, unanswered, .. } = &mut left.contents;
                for finding in malware.iter_mut().chain(unanswered) {
                    finding.reason = format!("{WHERE}: {}", finding.reason).into();
                }
                left.body = Some(Arc::new(body));
            }
        }
        left
    }

    /// Whether it is what is left of the message in this dress.
    #[must_use]
    pub fn is_in(&self, dress: &Dress) -> bool {
        self.replace == dress.replace && self.subject_tag == dress.subject_tag
    }

    /// What goes out; `None` where there is nothing.
    #[must_use]
    pub fn body(&self) -> Option<&Arc<Body>> {
        self.body.as_ref()
    }

    /// Enters what was found into what the message comes to under its policy, and returns it. What is known already is
    /// not said twice.
    pub fn enter(&self, weighed: &mut Weighed) -> Vec<Finding> {
        let general = self.trouble.as_slice();
        let contents = &self.contents;
        let found = Found { general, contents, files: &[], symbols: &[], allowed: true };
        let mut new = Weighed::of(&weighed.policy, None, &found).findings;
        new.retain(|f| !weighed.findings.iter().any(|known| known.id == f.id && known.verdict == f.verdict));
        weighed.findings.extend(new.iter().cloned());
        new
    }
}
