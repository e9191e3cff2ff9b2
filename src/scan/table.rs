//! The trait, its verdict, and the table of kinds.

use crate::body::Body;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
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
    /// What everything that is no answer leads to.
    fn on_error(&self) -> OnError {
        OnError::Tempfail
    }
}

/// What becomes of a message that a scanner did not judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The client tries again (451 4.3.0).
    #[default]
    Tempfail,
    /// It is taken, kept sealed, and scanned again by itself.
    Hold,
}

/// The scanners of a generation, in the order in which they are asked. A value, so that tests have their own.
pub type Scanners = Arc<[Arc<dyn Scanner>]>;

/// The scanners that there are without any setting. To add a kind: a file beside this one and a line here.
#[must_use]
pub fn built_in() -> Scanners {
    Arc::new([Arc::new(PassEverything)])
}

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
