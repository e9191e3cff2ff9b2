//! Trying the scanners: a message without anything, and one with the EICAR test file, which every malware scanner finds.

use super::job::{Input, Job};
use super::scanner::{Scanner, Scanners};
use super::verdict::ScanVerdict;
use crate::rules::Mode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// For one scanner: shorter than whoever asks over the control socket waits.
const LIMIT: Duration = Duration::from_secs(7);

/// The test file, so written that this program is none itself.
const EICAR: [&str; 4] =
    ["X5O!P%@AP[4\\PZX54(P^)", "7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-", "FILE!$H+H*"];
const HEADER: &str = "From: portcullis@localhost\r\nTo: portcullis@localhost\r\nSubject: test of a scanner\r\n\
    Message-ID: <test@localhost>\r\nMIME-Version: 1.0\r\n";

/// What a scanner said to the two messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Its name.
    pub name: String,
    /// `clamd`, `rspamd`, `spamd`, `command`.
    pub engine: String,
    /// Each address with its version, or with what is wrong.
    pub addresses: Vec<(String, Result<String, String>)>,
    /// What it said to a message without anything.
    pub clean: String,
    /// What it said to the test file; `None` where it does not look for malware.
    pub eicar: Option<String>,
    /// Of the first of the two, in milliseconds.
    pub ms: u64,
    /// Whether all of that is as it should be.
    pub good: bool,
}

/// A scanner, and each of its addresses with its version, or with what is wrong.
pub type Pinged = (String, Vec<(String, Result<String, String>)>);

/// Tries the scanner of that name, or all at the same time; also one that is switched off.
pub async fn test(scanners: &Scanners, name: Option<&str>) -> Vec<TestReport> {
    let mut tried = JoinSet::new();
    for (n, scanner) in scanners.all().iter().enumerate() {
        let rules = scanner.rules();
        if name.map_or(rules.mode != Mode::Off, |name| *rules.name == *name) {
            let scanner = Arc::clone(scanner);
            tried.spawn(async move { (n, Box::pin(one(&*scanner)).await) });
        }
    }
    let mut reports = Vec::new();
    while let Some(done) = tried.join_next().await {
        match done {
            Ok(report) => reports.push(report),
            Err(error) => tracing::error!(%error, "trying a scanner broke off"),
        }
    }
    reports.sort_by_key(|(n, _)| *n);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Asks each address of the scanners that the rules switch on whether it lives, all at the same time: the name of the
/// scanner, and its addresses with their versions or what is wrong.
pub async fn ping(scanners: &Scanners) -> Vec<Pinged> {
    let asked = scanners.all().iter().filter(|scanner| scanner.rules().mode != Mode::Off).map(|scanner| {
        let scanner = Arc::clone(scanner);
        let name = scanner.rules().name.to_string();
        (name, tokio::spawn(async move { scanner.ping().await }))
    });
    let asked: Vec<_> = asked.collect();
    let mut out = Vec::with_capacity(asked.len());
    for (name, said) in asked {
        match said.await {
            Ok(said) => out.push((name, said)),
            Err(error) => tracing::error!(%error, scanner = name, "asking a scanner broke off"),
        }
    }
    out
}

async fn one(scanner: &dyn Scanner) -> TestReport {
    let rules = scanner.rules();
    let deadline = Instant::now() + LIMIT;
    let pinged = timeout_at(deadline, scanner.ping()).await;
    let addresses = pinged.unwrap_or_else(|_| {
        let none = Err("no answer in time".to_owned());
        scanner.endpoints().into_iter().map(|e| (e.address, none.clone())).collect()
    });
    let began = Instant::now();
    let clean = ask(scanner, "Nothing in here.\r\n", deadline).await;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let eicar = match rules.finds_malware() {
        true => Some(ask(scanner, &EICAR.concat(), deadline).await),
        false => None,
    };
    let found = eicar.as_ref().is_none_or(|verdict| matches!(verdict, ScanVerdict::Infected(_)));
    let passed = matches!(clean, ScanVerdict::Clean | ScanVerdict::Scored(_));
    let reached = addresses.iter().all(|(_, said)| said.is_ok());
    TestReport {
        name: rules.name.to_string(),
        engine: rules.engine.name().to_owned(),
        addresses,
        clean: clean.words(),
        eicar: eicar.map(|verdict| verdict.words()),
        ms,
        good: found && passed && reached,
    }
}

async fn ask(scanner: &dyn Scanner, text: &str, deadline: Instant) -> ScanVerdict {
    let message = format!("{HEADER}\r\n{text}");
    let job = Job::new(Input::Part(message.as_bytes()), deadline);
    timeout_at(deadline, scanner.scan(job)).await.unwrap_or(ScanVerdict::TimedOut)
}
