//! The end: no new connections, transactions in progress finish, the idle hear 421, then it is over.

use super::phase::Phase;
use super::state::Gateway;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Waits until every session has ended, at most `limit`. Returns how many were still open.
pub async fn drain(gateway: &Gateway, limit: Duration) -> usize {
    gateway.phase.send_replace(Phase::Draining);
    let by = Instant::now() + limit;
    while gateway.live.count() > 0 && Instant::now() < by {
        sleep(Duration::from_millis(10)).await;
    }
    for pool in &gateway.current.load().pools {
        pool.close_all();
    }
    gateway.live.count()
}
