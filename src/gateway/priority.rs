//! How a client stands when connections to the downstream are scarce.

use super::session::Session;
use crate::downstream::Standing as Priority;

/// Errors of one session from which a stranger is the first to be turned away.
const ERRORS_BAD: u32 = 3;

impl Session {
    /// Ours, proven, allowed or in the middle of a message before strangers, and these before those that made errors.
    pub(super) fn priority(&self) -> Priority {
        let ours =
            self.standing.exempt || self.standing.allowed || self.authenticated || self.client.may_relay;
        // Somebody who was told 250 to a recipient is not turned away for a connection that was lent to others.
        let in_progress = self.transaction.as_deref().is_some_and(|t| t.accepted().next().is_some());
        let proven = || self.gateway.limits.known.has(self.client.ip, &self.generation.policy.limits);
        if ours || in_progress || self.counts.messages > 0 || proven() {
            Priority::Known
        } else if self.counts.errors >= ERRORS_BAD {
            Priority::Bad
        } else {
            Priority::Unknown
        }
    }
}
