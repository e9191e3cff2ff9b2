//! How much, and how often. Values only; tests have less of it.

use super::journal::SEGMENT_OCTETS;
use std::time::Duration;

/// Changes in one flush.
pub(super) const BATCH_MAX: usize = 512;
/// Marks in memory: 25 MB, and up to twice that while they come. The folding begins at a quarter of it, so that it is
/// there for one command that marks nearly 400,000; twice as many would be half of what the whole process may have.
pub(super) const MARKS_MAX: usize = 500_000;
/// What failed in the background is tried again so often.
const RETRY: Duration = Duration::from_secs(60);
/// Between two steps of the folding.
const FOLD_PAUSE: Duration = Duration::from_millis(300);

/// Bounds and pauses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Changes in one flush.
    pub(super) batch_max: usize,
    /// Octets of a segment of the journal, about.
    pub(super) segment_octets: u64,
    /// Marks in memory.
    pub(super) marks_max: usize,
    /// Pause before what failed in the background is tried again.
    pub(super) retry: Duration,
    /// Pause between two steps of the folding.
    pub(super) fold_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_max: BATCH_MAX,
            segment_octets: SEGMENT_OCTETS,
            marks_max: MARKS_MAX,
            retry: RETRY,
            fold_pause: FOLD_PAUSE,
        }
    }
}
