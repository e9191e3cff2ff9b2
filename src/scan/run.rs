//! Running the scanners of one message: all at once under one deadline, a panic caught.

use super::job::{Input, Job};
use super::scanner::{Scanner, Scanners};
use super::verdict::ScanVerdict;
use crate::body::Body;
use crate::config::model::{OnInfected, ScannerRules};
use crate::rules::Mode;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// What one scanner came to.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// Which.
    pub rules: Arc<ScannerRules>,
    /// What it said; `None` where it is switched off by hand, and was not asked.
    pub verdict: Option<ScanVerdict>,
    /// Which part, where it was not the message as a whole: its place among those given.
    pub part: Option<usize>,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

impl Scanned {
    /// Whether it gave an answer, or was not to give one.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.verdict.as_ref().is_none_or(ScanVerdict::is_answer)
    }

    /// Whether it was asked and gave no answer; that a message is too large for it is one of its own kind, with a lane of
    /// its own.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.is_answered() && self.verdict != Some(ScanVerdict::TooLarge)
    }
}

/// What all of them came to, in file order. One that was not done when another found malware is not among them.
pub type Results = Vec<Scanned>;

/// Asks all scanners at the same time. The deadline is that of the rules, if `job` has a later one. What is found beyond
/// doubt ends the wait for the others, where that is the end for all recipients.
pub async fn scan(scanners: &Scanners, job: Job<'_>) -> Results {
    let asked: Vec<&dyn Scanner> = asked(scanners).collect();
    together(&asked, scanners, None, within(scanners, job)).await
}

/// Asks those that look for malware about a message that all have seen in another form.
pub async fn scan_again(scanners: &Scanners, job: Job<'_>) -> Results {
    let asked: Vec<&dyn Scanner> = asked(scanners).filter(|s| s.rules().finds_malware()).collect();
    together(&asked, scanners, None, within(scanners, job)).await
}

fn asked(scanners: &Scanners) -> impl Iterator<Item = &dyn Scanner> {
    scanners.all().iter().filter(|s| s.rules().mode != Mode::Off).map(|scanner| &**scanner)
}

fn within<'a>(scanners: &Scanners, job: Job<'a>) -> Job<'a> {
    Job { deadline: job.deadline.min(Instant::now() + scanners.deadline()), ..job }
}

/// Gives parts of a message to all that look for malware: those that mail programs may read in a way in which the message
/// as a whole does not show them. A scanner gets them one after the other, so that a message of a thousand parts leaves its
/// places to others. Nothing is asked where there are none.
pub async fn scan_parts(scanners: &Scanners, parts: &[Body], deadline: Instant) -> Results {
    let asked: Vec<&dyn Scanner> = asked(scanners).filter(|s| s.rules().finds_malware()).collect();
    let deadline = deadline.min(Instant::now() + scanners.deadline());
    let job = |part| Job::new(Input::Message(part), deadline);
    let mut results = Vec::with_capacity(asked.len() * parts.len());
    for (n, part) in parts.iter().enumerate() {
        results.append(&mut together(&asked, scanners, Some(n), job(part)).await);
        if results.iter().any(decides) {
            break;
        }
    }
    results
}

type Running<'a> = Pin<Box<dyn Future<Output = Scanned> + Send + 'a>>;

/// One job with all scanners at once; each scanner has places of its own.
async fn together<'a>(
    asked: &[&'a dyn Scanner],
    scanners: &'a Scanners,
    part: Option<usize>,
    job: Job<'a>,
) -> Results {
    let mut running: Vec<Result<Running<'a>, Scanned>> = Vec::with_capacity(asked.len());
    for scanner in asked {
        let off = scanners.switches().is_off(&scanner.rules().name);
        running.push(Ok(Box::pin(one(*scanner, job, part, off))));
    }
    poll_fn(|cx| {
        let (mut waiting, mut decided) = (false, false);
        for slot in &mut running {
            if let Ok(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *slot = Err(done),
                    Poll::Pending => waiting = true,
                }
            }
            decided |= job.for_all && matches!(slot, Err(done) if decides(done));
        }
        if waiting && !decided { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(Result::err).collect()
}

/// Whether nothing that others say changes what becomes of the message, for those whose policy looks for malware.
fn decides(done: &Scanned) -> bool {
    let infected = matches!(done.verdict, Some(ScanVerdict::Infected(_)));
    infected && done.rules.mode == Mode::On && done.rules.on_infected == OnInfected::Reject
}

async fn one(scanner: &dyn Scanner, job: Job<'_>, part: Option<usize>, off: bool) -> Scanned {
    let began = Instant::now();
    let verdict = if off { None } else { Some(guarded(scanner, job).await) };
    let rules = Arc::clone(scanner.rules());
    Scanned { rules, verdict, part, ms: began.elapsed().as_secs_f64() * 1000.0 }
}

/// A panic is an error, and so is what is late.
async fn guarded(scanner: &dyn Scanner, job: Job<'_>) -> ScanVerdict {
    let panicked = || ScanVerdict::Error("the scanner panicked".to_owned());
    let guarded = async {
        let begun = catch_unwind(AssertUnwindSafe(|| scanner.scan(job)));
        let Ok(mut future) = begun else { return panicked() };
        poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(panicked()),
        })
        .await
    };
    timeout_at(job.deadline, guarded).await.unwrap_or(ScanVerdict::TimedOut)
}
