//! The look: who is asked in which order, and what comes of it.

use super::octets::{with_octets, write};
use crate::authentication::{self, Case};
use crate::body::{Body, Budget};
use crate::checks::mail_policy_for;
use crate::config::model::Policy;
use crate::content::Contents;
use crate::content::analyse::{Analysis, Ask, analyse};
use crate::lookup::Lookup;
use crate::reply::{Entry, catalogue};
use crate::scan::{self, Input, Job, Results, Scanned, Scanners};
use crate::verdict::{Authentication, Envelope, Finding, Source, Stage, Verdict};
use std::sync::Arc;
use std::time::Instant as Clock;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Id of the finding where the message could not be looked at.
const UNSEEN: &str = "content";

/// A message, and by whom it is looked at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The message.
    pub body: &'a Body,
    /// Its envelope.
    pub envelope: &'a Arc<Envelope>,
    /// The rules.
    pub policy: &'a Arc<Policy>,
    /// Engines.
    pub scanners: &'a Scanners,
    /// DNS; without it nobody has anything to prove.
    pub lookup: Option<&'a Lookup>,
    /// Places for messages that are loaded whole.
    pub places: &'a Arc<Semaphore>,
    /// Room for parts that scanners see once more.
    pub budget: &'a Arc<Budget>,
    /// Seconds since 1970.
    pub now: i64,
    /// What is not known by then is not known.
    pub finish_by: Instant,
}

/// What was found in a message.
#[derive(Debug, Default)]
pub struct Inspected {
    /// By what it is about.
    pub contents: Contents,
    /// What could not be looked at: it counts whatever a policy turns off.
    pub unseen: Vec<Finding>,
    /// `None` where the sender has nothing to prove.
    pub authentication: Option<Authentication>,
    /// `None` where no rule wants to see the octets, or they could not be seen.
    pub analysis: Option<Analysis>,
    /// What each scanner said, also of parts.
    pub results: Results,
}

/// Whether anybody may want to look. `ours`: the client has nothing to prove.
#[must_use]
pub fn wants(policy: &Policy, scanners: &Scanners, ours: bool) -> bool {
    let proves = policy.content.authentication.is_on() && !ours;
    wants_octets(policy) || proves || !scanners.all().is_empty()
}

/// Whether any rule wants to see the octets.
fn wants_octets(policy: &Policy) -> bool {
    !policy.attachments.rules.is_empty()
        || !policy.signatures.is_empty()
        || !policy.content.score.rules.is_empty()
        || !policy.scanning.scanners.is_empty()
}

/// Whether the sender has something to prove.
fn proves(policy: &Policy, envelope: &Envelope) -> bool {
    policy.content.authentication.is_on() && authentication::applies(envelope)
}

/// Whether malware is the end of the message for all of its recipients: where one has a policy without malware checks, what
/// others say counts for him.
fn malware_ends_it(request: &Request<'_>) -> bool {
    let Request { envelope, policy, now, .. } = *request;
    let policies = &policy.policies;
    let mut all = std::iter::once(&policies.default).chain(policies.table.iter().map(|row| &row.policy));
    if all.all(|mail| mail.malware) {
        return true;
    }
    let takes = |recipient| mail_policy_for(policies, envelope, recipient, now).malware;
    if envelope.recipients.is_empty() {
        takes(None)
    } else {
        envelope.recipients.iter().all(|r| takes(Some(r)))
    }
}

/// Looks at a message.
pub async fn inspect(request: &Request<'_>) -> Inspected {
    let Request { body, envelope, policy, scanners, finish_by, .. } = *request;
    if !wants(policy, scanners, !authentication::applies(envelope)) {
        return Inspected::default();
    }
    let job =
        Job { for_all: malware_ends_it(request), ..Job::new(Input::Message(body), finish_by).from(envelope) };
    let scanning = Box::pin(scan::scan(scanners, job));
    let proving = Box::pin(authenticate(request));
    let (results, proved) = tokio::join!(scanning, proving);
    let mut found = Inspected::default();
    found.take(results);
    match proved {
        Ok(proved) => found.authentication = proved,
        Err(error) => found.unseen.push(not_looked_at(&error)),
    }
    if let Some(told) = &found.authentication {
        found.contents.dmarc = authentication::findings(told, &policy.content.authentication);
    }
    if !wants_octets(policy) {
        return found;
    }
    match Box::pin(walk(request, &found)).await {
        Err(error) => found.unseen.push(not_looked_at(&error)),
        Ok((analysis, again)) => {
            found.contents.malware.extend(analysis.malware.iter().cloned());
            // Where a signature refuses it, scanners have nothing to add: policies turn both off together.
            let refused = analysis.malware.iter().any(Finding::refuses_for_good);
            if !again.is_empty() && !refused {
                let results = Box::pin(scan::scan_parts(scanners, &again, finish_by)).await;
                found.take(results);
            }
            found.analysis = Some(analysis);
        }
    }
    found
}

/// What the sender can prove; `None` where there is nothing to be proved.
async fn authenticate(request: &Request<'_>) -> Result<Option<Authentication>, String> {
    let Request { body, policy, finish_by, .. } = *request;
    let Some(lookup) = request.lookup.filter(|_| proves(policy, request.envelope)) else { return Ok(None) };
    let (rules, envelope) = (Arc::clone(policy), Arc::clone(request.envelope));
    let now = u64::try_from(request.now).unwrap_or_default();
    let read = move |octets: &[u8]| Case::of(octets, &envelope, &rules.content.authentication, now);
    let case = with_octets(request.places, body, finish_by, read).await?.outcome;
    let deadline = finish_by.min(Instant::now() + policy.content.authentication.deadline);
    Ok(Some(Box::pin(lookup.authenticate(case, deadline)).await))
}

/// Walks the message; the parts that scanners are to see once more are bodies of their own, so that what they hold is
/// counted while the scanners take their time.
async fn walk(request: &Request<'_>, found: &Inspected) -> Result<(Analysis, Vec<Body>), String> {
    let (policy, envelope) = (Arc::clone(request.policy), Arc::clone(request.envelope));
    let authentication = found.authentication.clone().unwrap_or_default();
    let (findings, now) = (found.contents.symbols.clone(), request.now);
    let walked = with_octets(request.places, request.body, request.finish_by, move |octets| {
        let began = Clock::now();
        let ask = Ask {
            policy: &policy,
            envelope: &envelope,
            authentication: &authentication,
            findings: &findings,
            now,
            elapsed: &|| began.elapsed(),
        };
        analyse(octets, &ask)
    });
    let mut walked = walked.await?;
    let mut again = Vec::new();
    for part in std::mem::take(&mut walked.outcome.again) {
        again.push(write(request.budget, &part).await.map_err(|error| error.to_string())?);
    }
    Ok((walked.outcome, again))
}

impl Inspected {
    /// Enters what scanners said.
    fn take(&mut self, results: Results) {
        let Contents { malware, unanswered, symbols, .. } = sorted(&results);
        self.contents.malware.extend(malware);
        self.contents.unanswered.extend(unanswered);
        self.contents.symbols.extend(symbols);
        let (silent, answered): (Results, Results) = results.into_iter().partition(Scanned::is_silent);
        self.results.extend(answered);
        self.results.extend(silent);
    }
}

/// Puts what scanners say where it belongs: points are symbols, all else is malware, or that it is not known.
pub(super) fn sorted(results: &[Scanned]) -> Contents {
    let mut contents = Contents::default();
    for result in results {
        for finding in scan::findings(std::slice::from_ref(result), &scan::own_lane) {
            let unscanned = finding.tags.iter().any(|tag| tag.starts_with("unscanned"));
            let list = if result.is_silent() {
                &mut contents.unanswered
            } else if finding.verdict == Verdict::Continue && !unscanned {
                &mut contents.symbols
            } else {
                &mut contents.malware
            };
            list.push(finding);
        }
    }
    contents
}

/// It could not be looked at.
fn not_looked_at(why: &str) -> Finding {
    unseen(&catalogue::SCANNER_DOWN, format!("not looked at: {why}"))
}

/// It could not be seen as a whole, or as it goes out: the client tries again.
pub(super) fn unseen(says: &Entry, reason: String) -> Finding {
    Finding::new(UNSEEN, Stage::Message, Verdict::TempFail(says.reply()), Source::built_in(), reason)
}
