//! One message, looked at as the gateway does ([`crate::inspect`]) and weighed by the policy of its first recipient.
//!
//! State: connections to engines, what name servers said, for one command. Failure: an engine that gives no answer is told by
//! a word and decides nothing; a message that cannot be looked at is an error.

use crate::body::{Body, BodyError, BodyWriter, Budget};
use crate::checks;
use crate::config::model::{MessageFact, Policy};
use crate::content::analyse::Analysis;
use crate::content::{Found, Weighed};
use crate::inspect::{Inspected, Request, inspect, places};
use crate::lookup::Lookup;
use crate::scan::{self, ScanVerdict, Scanned, Scanners};
use crate::verdict::{Authentication, Envelope, Finding};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Memory for messages: each core has one at a time, of 100 MiB at most.
const MEMORY_OCTETS: u64 = 8 << 30;
/// Octets that are taken at once.
const PIECE: usize = 64 * 1024;
/// Id of the finding of a threshold; the verdict says the same.
const SCORE: &str = "score";

/// By what messages are tried.
pub(super) struct World {
    pub(super) policy: Arc<Policy>,
    scanners: Scanners,
    lookup: Option<Lookup>,
    budget: Arc<Budget>,
    places: Arc<Semaphore>,
    now: i64,
    runtime: Runtime,
}

/// What became of one message.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    pub(super) file: String,
    pub(super) score: f64,
    pub(super) verdict: &'static str,
    pub(super) octets: usize,
    /// The envelope sender, where it was taken from the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header_sender: Option<String>,
    pub(super) symbols: Vec<Symbol>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scanners: Vec<Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authentication: Option<BTreeMap<&'static str, &'static str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) odd: Vec<&'static str>,
    pub(super) facts: BTreeMap<&'static str, u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Symbol {
    pub(super) id: String,
    pub(super) score: f64,
    pub(super) enforced: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Box<str>>,
    pub(super) reason: Box<str>,
    pub(super) place: String,
}

/// A scanner that was asked.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub(super) name: String,
    /// One word.
    result: &'static str,
    /// In a few.
    pub(super) said: String,
}

impl World {
    /// `network`: engines and name servers are asked.
    pub(super) fn of(policy: Policy, network: bool, now: i64) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        // Their tasks live in it.
        let entered = runtime.enter();
        let scanners = if network { scan::build(&policy.scanning, None) } else { Scanners::of(Vec::new()) };
        let lookup = network.then(|| Lookup::build(&policy.dns, None, None)).transpose();
        let lookup = lookup.map_err(|error| error.to_string())?;
        drop(entered);
        let budget = Budget::new(MEMORY_OCTETS, 0, std::env::temp_dir());
        Ok(Self { policy: Arc::new(policy), scanners, lookup, budget, places: places(), now, runtime })
    }

    /// Tries a message. Several threads may do so.
    pub(super) fn tried(&self, file: &Path, envelope: Envelope, message: &[u8]) -> Result<Tried, String> {
        let envelope = Arc::new(envelope);
        let found = self.runtime.block_on(async {
            let body = self.body(message).await?;
            let request = Request {
                body: &body,
                envelope: &envelope,
                policy: &self.policy,
                scanners: &self.scanners,
                lookup: self.lookup.as_ref(),
                places: &self.places,
                budget: &self.budget,
                now: self.now,
                finish_by: Instant::now() + self.policy.timeouts.after_data,
            };
            Ok::<Inspected, BodyError>(Box::pin(inspect(&request)).await)
        });
        let mut found = found.map_err(|error| format!("{}: {error}", file.display()))?;
        if let Some(unseen) = found.unseen.first() {
            return Err(format!("{}: {}", file.display(), unseen.reason));
        }
        // Who gives no answer is named, and decides nothing.
        found.contents.unanswered.clear();
        Ok(self.weighed(file, &envelope, message.len(), &found))
    }

    async fn body(&self, message: &[u8]) -> Result<Body, BodyError> {
        let mut writer = BodyWriter::new(Arc::clone(&self.budget));
        for piece in message.chunks(PIECE) {
            writer.push(piece)?;
        }
        writer.finish().await
    }

    fn weighed(&self, file: &Path, envelope: &Envelope, octets: usize, found: &Inspected) -> Tried {
        let recipient = envelope.recipients.first();
        let mail = checks::mail_policy_for(&self.policy.policies, envelope, recipient, self.now);
        let nothing = Analysis::default();
        let analysis = found.analysis.as_ref().unwrap_or(&nothing);
        let first = analysis.circles.of(0);
        let ((files, _), symbols) = (analysis.attached(first), analysis.symbols(first));
        let all = Found { general: &[], contents: &found.contents, files, symbols, allowed: false };
        let weighed = Weighed::of(mail, None, &all);
        let verdict = match weighed.decided() {
            Some(finding) => finding.verdict.name(),
            None if weighed.spam => "tag",
            None => "pass",
        };
        let facts = MessageFact::EACH.iter().map(|fact| (fact.name(), analysis.facts.get(*fact)));
        Tried {
            file: file.display().to_string(),
            score: points(if mail.score { weighed.score_milli } else { 0 }),
            verdict: if verdict == "accept" { "pass" } else { verdict },
            octets,
            header_sender: None,
            symbols: weighed.findings.iter().filter(|f| &*f.id != SCORE).map(symbol).collect(),
            scanners: found.results.iter().filter(|r| r.part.is_none()).map(asked).collect(),
            authentication: found.authentication.as_ref().map(proved),
            odd: analysis.odd.clone(),
            facts: facts.filter(|(_, value)| *value > 0).collect(),
        }
    }
}

fn asked(result: &Scanned) -> Asked {
    let (word, said) = match &result.verdict {
        None => ("off", "switched off".to_owned()),
        Some(verdict) => (word(verdict), verdict.words()),
    };
    Asked { name: result.rules.name.to_string(), result: word, said }
}

fn word(verdict: &ScanVerdict) -> &'static str {
    match verdict {
        ScanVerdict::Clean => "clean",
        ScanVerdict::Infected(_) => "infected",
        ScanVerdict::Scored(_) => "scored",
        ScanVerdict::TooLarge => "too-large",
        ScanVerdict::Failed(_) => "failed",
        ScanVerdict::Error(_) => "error",
        ScanVerdict::TimedOut => "timed-out",
        ScanVerdict::Unavailable(_) => "unavailable",
        ScanVerdict::Unread(_) => "unread",
    }
}

fn proved(told: &Authentication) -> BTreeMap<&'static str, &'static str> {
    let results = [("spf", told.spf), ("dkim", told.dkim_result()), ("dmarc", told.dmarc), ("arc", told.arc)];
    results.into_iter().map(|(method, result)| (method, result.name())).collect()
}

fn symbol(finding: &Finding) -> Symbol {
    Symbol {
        id: finding.id.to_string(),
        score: points(finding.score_milli),
        enforced: finding.enforced,
        tags: finding.tags.clone(),
        reason: finding.reason.clone(),
        place: format!("{}:{}", finding.source.file, finding.source.line),
    }
}

fn points(milli: i32) -> f64 {
    f64::from(milli) / 1000.0
}
