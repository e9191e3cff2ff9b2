//! The message itself is looked at: scanners and sender authentication at the same time, then one walk through the octets.
//!
//! A message is loaded whole for a walk, on the blocking pool, and never more of them at once than there are cores:
//! memory is bounded by that. What is left of a walk and large (parts for scanners, an edited message) goes into a body,
//! which is counted, before the next one has the place. Owner of nothing. Failure: a body that cannot be read, a walk
//! that panics or that does not get its place in time is a temporary refusal of its own, never a pass (promise P4).

use super::clock::unix_ms;
use super::party::Contents;
use super::session::Session;
use super::transaction::Transaction;
use crate::authentication::{self, Case};
use crate::body::{Body, BodyError};
use crate::config::model::Policy;
use crate::content::analyse::{Analysis, Ask, analyse};
use crate::message::large::buffer;
use crate::reply::catalogue;
use crate::scan::{self, Input, Job};
use crate::verdict::{Authentication, Envelope, Finding, Source, Stage, Verdict};
use std::sync::Arc;
use std::time::Instant as Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Id of the finding where the message could not be looked at.
const UNSEEN: &str = "content";

/// What was found in a message.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) contents: Contents,
    /// What could not be looked at: it counts whatever a policy turns off.
    pub(super) unseen: Vec<Finding>,
    /// `None` where the sender has nothing to prove.
    pub(super) authentication: Option<Authentication>,
    pub(super) analysis: Option<Analysis>,
}

/// What came of a message, with the place among those that are looked at.
pub(super) struct Held<T> {
    pub(super) outcome: T,
    _place: OwnedSemaphorePermit,
}

/// Places for messages that are looked at: as many as there are cores.
#[must_use]
pub fn walk_places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)))
}

/// Whether any rule wants to see the octets.
fn wants_octets(policy: &Policy) -> bool {
    !policy.attachments.rules.is_empty()
        || !policy.signatures.is_empty()
        || !policy.content.score.rules.is_empty()
        || !policy.scanning.scanners.is_empty()
}

impl Session {
    /// Looks at the message.
    pub(super) async fn examine(&mut self, body: &Body, finish_by: Instant) -> Examined {
        let Some(transaction) = self.transaction.as_deref() else { return Examined::default() };
        let generation = Arc::clone(&transaction.generation);
        let wanted = wants_octets(&generation.policy)
            || (generation.policy.content.authentication.is_on() && !self.client.trusted);
        if !wanted && generation.scanners.all().is_empty() {
            return Examined::default();
        }
        let envelope = Arc::new(self.sent(transaction));
        let job = Job { input: Input::Message(body), envelope: Some(&envelope), deadline: finish_by };
        let scanners = generation.scanners.clone();
        let scanning = Box::pin(scan::scan(&scanners, job));
        let proving = Box::pin(self.authenticate(body, &envelope, finish_by));
        let (results, proved) = tokio::join!(scanning, proving);
        let mut contents = Contents::default();
        for finding in scan::findings(&results, &scan::own_lane) {
            contents.sort_in(finding);
        }
        let mut not_seen = Vec::new();
        let authentication = proved.unwrap_or_else(|error| {
            not_seen.push(unseen(&error));
            None
        });
        if let Some(told) = &authentication {
            let rules = &generation.policy.content.authentication;
            contents.dmarc = authentication::findings(told, rules);
        }
        let mut again = Vec::new();
        let analysis = if wants_octets(&generation.policy) {
            let known = authentication.clone().unwrap_or_default();
            let found = contents.symbols.clone();
            let walk = Box::pin(self.walk(body, Arc::clone(&envelope), known, found, finish_by));
            match walk.await {
                Ok((analysis, parts)) => {
                    again = parts;
                    Some(analysis)
                }
                Err(error) => {
                    not_seen.push(unseen(&error));
                    None
                }
            }
        } else {
            None
        };
        if let Some(analysis) = &analysis {
            contents.malware.extend(analysis.malware.iter().cloned());
            contents.symbols.extend(analysis.symbols.iter().cloned());
        }
        if !again.is_empty() {
            let results = Box::pin(scan::scan_parts(&scanners, &again, finish_by)).await;
            let found = scan::findings(&results, &scan::own_lane);
            found.into_iter().for_each(|finding| contents.sort_in(finding));
        }
        self.standing.apply(&self.gateway, &self.generation, &self.client, &contents.malware);
        Examined { contents, unseen: not_seen, authentication, analysis }
    }

    /// What the sender can prove; `None` where there is nothing to be proved.
    async fn authenticate(
        &self,
        body: &Body,
        envelope: &Arc<Envelope>,
        finish_by: Instant,
    ) -> Result<Option<Authentication>, String> {
        let rules = &self.generation.policy.content.authentication;
        // A client of ours that hands on the mail of others: its address proves nothing of them.
        if !rules.is_on() || self.client.trusted || !authentication::applies(envelope) {
            return Ok(None);
        }
        let (generation, sent) = (Arc::clone(&self.generation), Arc::clone(envelope));
        let now = u64::try_from(unix_ms() / 1000).unwrap_or_default();
        let case = self
            .with_octets(body, finish_by, move |octets| {
                Case::of(octets, &sent, &generation.policy.content.authentication, now)
            })
            .await?
            .outcome;
        let deadline = finish_by.min(Instant::now() + rules.deadline);
        Ok(Some(Box::pin(self.generation.lookup.authenticate(case, deadline)).await))
    }

    /// Walks the message; the parts that scanners are to see once more are bodies of their own, so that what they hold is
    /// counted while the scanners take their time.
    async fn walk(
        &self,
        body: &Body,
        envelope: Arc<Envelope>,
        authentication: Authentication,
        findings: Vec<Finding>,
        finish_by: Instant,
    ) -> Result<(Analysis, Vec<Body>), String> {
        let generation = Arc::clone(&self.generation);
        let now = unix_ms() / 1000;
        let walked = self.with_octets(body, finish_by, move |octets| {
            let began = Clock::now();
            let ask = Ask {
                policy: &generation.policy,
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
            again.push(self.write(&part).await.map_err(|error| error.to_string())?);
        }
        Ok((walked.outcome, again))
    }

    /// Does something with the octets of the message, on the blocking pool, when there is a place. Whoever gets the outcome
    /// keeps the place until what is large in it is put away.
    pub(super) async fn with_octets<T: Send + 'static>(
        &self,
        body: &Body,
        finish_by: Instant,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<Held<T>, String> {
        let places: &Arc<Semaphore> = &self.gateway.walks;
        let place = timeout_at(finish_by, Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err("no place among those looked at in time".to_owned()) };
        let octets = load(body).await.map_err(|error| error.to_string())?;
        let worked = tokio::task::spawn_blocking(move || {
            let outcome = work(&octets);
            drop(octets);
            Held { outcome, _place: place }
        });
        match timeout_at(finish_by, worked).await {
            Ok(Ok(worked)) => Ok(worked),
            Ok(Err(error)) if error.is_panic() => Err("looking at it panicked; see the log".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_late) => Err("looking at it took too long".to_owned()),
        }
    }

    /// The envelope, for whoever looks at the message itself.
    pub(super) fn sent(&self, transaction: &Transaction) -> Envelope {
        let listener = &self.entrance.listener;
        Envelope {
            id: transaction.id,
            client: self.client.ip,
            client_name: self.client.name.known().cloned(),
            hello: self.hello.as_ref().map(|h| String::from_utf8_lossy(&h.name).into()),
            user: self.user_name().map(Into::into),
            authenticated: self.authenticated,
            may_relay: self.client.may_relay,
            tls: self.tls.as_deref().cloned(),
            sender: transaction.mail.path.clone(),
            recipients: transaction.accepted().map(|recipient| recipient.path.clone()).collect(),
            listener: Arc::clone(&listener.name),
            direction: listener.direction,
            hostname: Arc::clone(&transaction.generation.policy.hostname),
            smtputf8: transaction.mail.facts.smtputf8,
        }
    }
}

/// All octets of a message in one piece.
pub(super) async fn load(body: &Body) -> Result<Vec<u8>, BodyError> {
    let mut octets = buffer(usize::try_from(body.len()).unwrap_or_default());
    let mut reader = body.reader();
    while let Some(piece) = reader.next().await? {
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// It could not be looked at: the client tries again.
fn unseen(why: &str) -> Finding {
    let verdict = Verdict::TempFail(catalogue::SCANNER_DOWN.reply());
    Finding::new(UNSEEN, Stage::Message, verdict, Source::built_in(), format!("not looked at: {why}"))
}

impl Contents {
    /// Puts what a scanner says where it belongs: points are symbols, all else is malware, or that it is not known.
    pub(super) fn sort_in(&mut self, finding: Finding) {
        let unscanned = finding.tags.iter().any(|tag| tag.starts_with("unscanned"));
        let symbol = finding.verdict == Verdict::Continue && !unscanned;
        let list = if symbol { &mut self.symbols } else { &mut self.malware };
        list.push(finding);
    }
}
