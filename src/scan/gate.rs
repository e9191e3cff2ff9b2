//! Places among the scans of one engine, and a queue in front of them that has an end.

use super::verdict::ScanVerdict;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Scans at once for each core, where nothing is said: an engine that waits for its disk leaves cores to others.
const OF_A_CORE: usize = 4;

/// See the module head.
pub(super) struct Gate {
    places: Semaphore,
    most: usize,
    waiting: AtomicUsize,
    queue: usize,
}

/// One that waits; dropped when it waits no more, however that ends.
struct Waiting<'g>(&'g AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// `concurrency`: `None` is four times the cores.
    pub(super) fn new(concurrency: Option<usize>, queue: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let most = concurrency.unwrap_or_else(|| cores() * OF_A_CORE).clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(most), most, waiting: AtomicUsize::new(0), queue }
    }

    /// A place; without one by `deadline`, or with too many waiting already, what that is.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, ScanVerdict> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            return Err(ScanVerdict::Unavailable("too many messages wait for it".to_owned()));
        }
        let place = timeout_at(deadline, self.places.acquire()).await;
        drop(waiting);
        match place {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(ScanVerdict::Unavailable("no place was free in time".to_owned())),
        }
    }

    /// Scans now, the most, and those that wait.
    pub(super) fn load(&self) -> (usize, usize, usize) {
        let busy = self.most.saturating_sub(self.places.available_permits());
        (busy, self.most, self.waiting.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn places_and_the_queue_have_an_end() {
        let gate = Gate::new(Some(1), 1);
        let deadline = Instant::now() + Duration::from_secs(5);
        let place = gate.enter(deadline).await.unwrap();
        assert_eq!(gate.load(), (1, 1, 0));
        let (second, third) = tokio::join!(gate.enter(deadline), gate.enter(deadline));
        assert!(second.is_err_and(|v| v.words().contains("in time")));
        assert!(third.is_err_and(|v| v.words().contains("too many")));
        assert_eq!(gate.load(), (1, 1, 0), "who waits no more is not counted");
        drop(place);
        assert!(gate.enter(deadline).await.is_ok());
    }
}
