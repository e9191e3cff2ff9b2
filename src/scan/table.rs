//! The trait, its verdict, and the table of kinds.

use crate::body::Body;
use std::future::Future;
use std::pin::Pin;
use tokio::time::Instant;

/// What a scanner says. Never two-valued: an error is neither clean nor infected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanVerdict {
    /// Nothing found.
    Clean,
    /// Found this.
    Infected(String),
    /// Over what it scans.
    TooLarge,
    /// It said that it failed, or answered nonsense.
    Error(String),
    /// No answer in its time.
    TimedOut,
    /// It cannot be reached.
    Unavailable(String),
}

/// A scan in the making.
pub type ScanFuture<'a> = Pin<Box<dyn Future<Output = ScanVerdict> + Send + 'a>>;

/// One scanner. Async, since all but the trivial ones talk to another process.
pub trait Scanner: Send + Sync {
    /// Its name, as it stands in logs.
    fn name(&self) -> &str;
    /// Scans a message; what is not known by `deadline` is `TimedOut`.
    fn scan<'a>(&'a self, body: &'a Body, deadline: Instant) -> ScanFuture<'a>;
}

/// The kinds of scanner. To add one: a file beside this one and a line here.
pub static SCANNERS: &[&dyn Scanner] = &[&PassEverything];

/// Looks at nothing. It keeps the place of the scanners in the pipeline.
#[derive(Debug, Clone, Copy)]
pub struct PassEverything;

impl Scanner for PassEverything {
    fn name(&self) -> &'static str {
        "pass-everything"
    }

    fn scan<'a>(&'a self, _body: &'a Body, _deadline: Instant) -> ScanFuture<'a> {
        Box::pin(std::future::ready(ScanVerdict::Clean))
    }
}
