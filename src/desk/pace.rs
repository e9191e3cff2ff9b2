//! How fast work on many messages goes: fast while no mail comes, in short steps with long pauses while it does.
//!
//! A step of 200 messages keeps a processor busy for some ten milliseconds, and all mail that comes meanwhile waits for it:
//! on two busy cores its 99th percentile doubles. Short steps are the same work in pieces between which mail goes on.
//!
//! State: how much mail had come at the last look. Nothing fails.

use std::time::Duration;
use tokio::time::Instant;

/// Messages of one step.
const STEP: usize = 200;
/// While mail comes.
const STEP_BESIDE: usize = 25;
/// Messages that the index is asked for at once: full text goes over everything before them each time.
const AHEAD: usize = 2_000;
/// The pause between two steps is as long as the step took, for mail comes first; but not longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Pauses while mail comes, in times the step.
const BESIDE_TIMES: u32 = 3;
/// Messages a second from which mail counts as coming: fewer hardly ever meet a step.
const COMING: u64 = 5;
/// How long the last look counts.
const LOOK: Duration = Duration::from_millis(500);

/// The pace of one piece of work.
#[derive(Debug)]
pub(super) struct Pace {
    /// Messages that had come, and when that was looked at.
    seen: (u64, Instant),
    beside: bool,
    /// When the step began that is being worked on.
    begun: Option<Instant>,
}

impl Pace {
    /// `messages`: that came so far.
    pub(super) fn new(messages: u64) -> Self {
        // Gentle until it is known.
        Self { seen: (messages, Instant::now()), beside: true, begun: None }
    }

    /// How long to pause before the next step; `None` before the first.
    pub(super) fn pause(&mut self, messages: u64) -> Option<Duration> {
        let (before, at) = self.seen;
        let since = at.elapsed();
        if since >= LOOK {
            let came = messages.saturating_sub(before);
            self.beside = u128::from(came) * 1_000 >= u128::from(COMING) * since.as_millis();
            self.seen = (messages, Instant::now());
        }
        let took = self.begun?.elapsed();
        Some(if self.beside { took * BESIDE_TIMES } else { took }.min(PAUSE_MAX))
    }

    /// A step begins. How many messages it has.
    pub(super) fn begin(&mut self) -> usize {
        self.begun = Some(Instant::now());
        if self.beside { STEP_BESIDE } else { STEP }
    }

    /// How many references are asked for at once.
    pub(super) fn ahead(&self) -> usize {
        AHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn mail_comes_first() {
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.pause(1_000), None);
        assert_eq!(pace.begin(), STEP_BESIDE);
        // Nothing came for a while.
        tokio::time::advance(LOOK).await;
        assert_eq!(pace.pause(1_001), Some(PAUSE_MAX));
        assert_eq!(pace.begin(), STEP);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(pace.pause(1_001), Some(Duration::from_millis(10)));
        // Mail comes.
        tokio::time::advance(LOOK).await;
        assert_eq!(pace.pause(1_010), Some(PAUSE_MAX));
        assert_eq!(pace.begin(), STEP_BESIDE);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(pace.pause(1_012), Some(Duration::from_millis(30)));
    }
}
