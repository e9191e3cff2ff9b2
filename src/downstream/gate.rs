//! Places among the connections to a downstream, and who gets the next free one.
//!
//! Owner of: the count of places in use and the queue for them. There are at most `max` (`max_connections`); the
//! limit in force may be lower ([`super::pressure`]). Sessions that carry a client's credentials stay open between
//! its messages, so only `max` counts for them. A place comes back when its guard is dropped, also by a panic.
//! Beyond the bounds: whoever may not wait, or waited for too long, is told so; the queue holds no more than
//! there are client sessions.

use super::priority::Priority;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// All places of one downstream.
#[derive(Debug)]
pub(super) struct Gate {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    /// In use by sessions that are shared.
    shared: usize,
    /// In use by sessions that carry credentials.
    own: usize,
    /// One for each [`Priority`], best first.
    queues: [VecDeque<Ticket>; 3],
    next_ticket: u64,
    shed: u64,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    kind: Kind,
    tell: oneshot::Sender<Place>,
}

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A session for one transaction after the other.
    Shared,
    /// A session with a client's credentials.
    Own,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    kind: Kind,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// None became free in time.
    Late,
    /// The client is of those that do not wait now.
    Shed,
}

/// Figures for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) limit: usize,
    pub(super) in_use: usize,
    pub(super) waiting: usize,
    pub(super) shed: u64,
}

impl Gate {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let inner =
            Inner { limit: max, shared: 0, own: 0, queues: Default::default(), next_ticket: 0, shed: 0 };
        Arc::new(Self { max, inner: Mutex::new(inner) })
    }

    /// A place now or within `wait`.
    ///
    /// # Errors
    /// See [`Full`].
    pub(super) async fn enter(
        self: &Arc<Self>,
        priority: Priority,
        kind: Kind,
        wait: Duration,
    ) -> Result<Place, Full> {
        let (number, told) = {
            let mut inner = self.lock();
            // Whoever waits could not be admitted now, so nobody is overtaken.
            if inner.admits(kind, self.max) {
                inner.take(kind);
                return Ok(Place { gate: Arc::clone(self), kind });
            }
            if inner.sheds(priority, self.max) {
                inner.shed += 1;
                return Err(Full::Shed);
            }
            inner.queue(priority, kind)
        };
        let _leaves = Leaves { gate: self, priority, number };
        // The sender goes only with its ticket, and that only with a place or by `Leaves`.
        timeout(wait, told).await.map_err(|_| Full::Late)?.map_err(|_| Full::Late)
    }

    /// Another limit; between 1 and `max`. Places beyond it stay until they are given back.
    pub(super) fn set_limit(self: &Arc<Self>, limit: usize) {
        self.change(|inner| inner.limit = limit.clamp(1, self.max.max(1)));
    }

    pub(super) fn load(&self) -> Load {
        let inner = self.lock();
        Load {
            limit: inner.limit,
            in_use: inner.shared + inner.own,
            waiting: inner.waiting(),
            shed: inner.shed,
        }
    }

    /// Gives places that a change made free to those who wait, best first, in one step with the change.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Inner)) {
        let admitted: Vec<Ticket> = {
            let mut inner = self.lock();
            change(&mut inner);
            std::iter::from_fn(|| inner.next(self.max)).collect()
        };
        for Ticket { kind, tell, .. } in admitted {
            // Not under the lock: the place of one who is gone comes back here and now.
            let _ = tell.send(Place { gate: Arc::clone(self), kind });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn admits(&self, kind: Kind, max: usize) -> bool {
        let below_limit = match kind {
            Kind::Shared => self.shared < self.limit,
            Kind::Own => true,
        };
        below_limit && self.shared + self.own < max
    }

    fn take(&mut self, kind: Kind) {
        match kind {
            Kind::Shared => self.shared += 1,
            Kind::Own => self.own += 1,
        }
    }

    fn waiting(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Whether a client of this priority does not wait now. The bad never do; strangers not while the downstream is
    /// under pressure and as many wait already as have a place, nor ever behind a queue of twice as many.
    fn sheds(&self, priority: Priority, max: usize) -> bool {
        let waiting = self.waiting();
        match priority {
            Priority::Known => false,
            Priority::Unknown => {
                waiting >= 2 * self.limit.max(1) || (self.limit < max && waiting >= self.limit)
            }
            Priority::Bad => self.limit < max || waiting > 0,
        }
    }

    fn queue(&mut self, priority: Priority, kind: Kind) -> (u64, oneshot::Receiver<Place>) {
        let (tell, told) = oneshot::channel();
        let number = self.next_ticket;
        self.next_ticket += 1;
        if let Some(queue) = self.queues.get_mut(priority.rank()) {
            queue.push_back(Ticket { number, kind, tell });
        }
        (number, told)
    }

    fn next(&mut self, max: usize) -> Option<Ticket> {
        let admitted = [Kind::Shared, Kind::Own].map(|kind| self.admits(kind, max).then_some(kind));
        let fits = |ticket: &Ticket| admitted.contains(&Some(ticket.kind));
        let ticket = self.queues.iter_mut().find_map(|queue| {
            let at = queue.iter().position(fits)?;
            queue.remove(at)
        })?;
        self.take(ticket.kind);
        Some(ticket)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.change(|inner| {
            let count = match self.kind {
                Kind::Shared => &mut inner.shared,
                Kind::Own => &mut inner.own,
            };
            *count = count.saturating_sub(1);
        });
    }
}

/// Takes a ticket out of its queue, also when the wait is cancelled.
struct Leaves<'a> {
    gate: &'a Gate,
    priority: Priority,
    number: u64,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        if let Some(queue) = inner.queues.get_mut(self.priority.rank()) {
            queue.retain(|ticket| ticket.number != self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinHandle;

    const WAIT: Duration = Duration::from_secs(30);

    fn waits(gate: &Arc<Gate>, priority: Priority) -> JoinHandle<Result<Place, Full>> {
        let gate = Arc::clone(gate);
        tokio::spawn(async move { gate.enter(priority, Kind::Shared, WAIT).await })
    }

    async fn settle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_best_come_first_and_within_a_class_who_came_first() {
        let gate = Gate::new(1);
        let place = gate.enter(Priority::Unknown, Kind::Shared, WAIT).await.unwrap();
        let stranger = waits(&gate, Priority::Unknown);
        settle().await;
        let known = waits(&gate, Priority::Known);
        settle().await;
        let later = waits(&gate, Priority::Known);
        settle().await;
        assert_eq!(waits(&gate, Priority::Bad).await.unwrap().unwrap_err(), Full::Shed);
        drop(place);
        let place = known.await.unwrap().unwrap();
        settle().await;
        assert!(!later.is_finished() && !stranger.is_finished());
        drop(place);
        let place = later.await.unwrap().unwrap();
        drop(place);
        drop(stranger.await.unwrap().unwrap());
        assert_eq!(gate.load(), Load { limit: 1, in_use: 0, waiting: 0, shed: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_is_gone_keeps_a_place() {
        let gate = Gate::new(1);
        let place = gate.enter(Priority::Known, Kind::Shared, WAIT).await.unwrap();
        let gone = waits(&gate, Priority::Known);
        settle().await;
        let patient = waits(&gate, Priority::Known);
        settle().await;
        gone.abort();
        let _ = gone.await;
        assert_eq!(gate.load().waiting, 1);
        drop(place);
        drop(patient.await.unwrap().unwrap());
        let _place = gate.enter(Priority::Known, Kind::Shared, WAIT).await.unwrap();
        assert_eq!(waits(&gate, Priority::Known).await.unwrap().unwrap_err(), Full::Late);
        assert_eq!((gate.load().waiting, gate.load().in_use), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_limit_takes_nothing_away_and_sheds_strangers() {
        let gate = Gate::new(4);
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(gate.enter(Priority::Unknown, Kind::Shared, WAIT).await.unwrap());
        }
        gate.set_limit(2);
        let first = waits(&gate, Priority::Unknown);
        let second = waits(&gate, Priority::Unknown);
        settle().await;
        assert_eq!(waits(&gate, Priority::Unknown).await.unwrap().unwrap_err(), Full::Shed);
        places.truncate(2);
        settle().await;
        assert!(!first.is_finished() && gate.load().in_use == 2);
        let known = waits(&gate, Priority::Known);
        settle().await;
        places.pop();
        let known = known.await.unwrap().unwrap();
        gate.set_limit(0);
        assert_eq!(gate.load().limit, 1);
        gate.set_limit(9);
        drop((first.await.unwrap().unwrap(), second.await.unwrap().unwrap(), known, places));
        assert_eq!(gate.load(), Load { limit: 4, in_use: 0, waiting: 0, shed: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_with_credentials_are_below_the_limit_of_all() {
        let gate = Gate::new(3);
        gate.set_limit(1);
        let own = gate.enter(Priority::Unknown, Kind::Own, WAIT).await.unwrap();
        let _second = gate.enter(Priority::Unknown, Kind::Own, WAIT).await.unwrap();
        let shared = gate.enter(Priority::Unknown, Kind::Shared, WAIT).await.unwrap();
        let known = waits(&gate, Priority::Known);
        settle().await;
        // A place for credentials is free; whoever waits for a shared one does not stand in the way.
        drop(own);
        let third = gate.enter(Priority::Unknown, Kind::Own, Duration::ZERO).await.unwrap();
        assert!(!known.is_finished());
        drop((shared, third));
        drop(known.await.unwrap().unwrap());
        assert_eq!(gate.load().in_use, 1);
    }
}
