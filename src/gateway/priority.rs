//! Who comes first when connections to the downstream are scarce.
//!
//! No state of its own: read off the session at each MAIL. Nothing fails.

use super::clock::unix_ms;
use super::session::Session;
use crate::downstream::Priority;

/// Errors of one session from which a stranger is the first to be turned away.
const ERRORS_BAD: u32 = 3;

impl Session {
    /// Ours, proven or in the middle of a message before strangers, and these before those who misbehaved.
    pub(super) fn priority(&self) -> Priority {
        let ours =
            self.standing.exempt || self.standing.allowed || self.authenticated || self.client.may_relay;
        // Somebody who was told 250 to a recipient is not turned away for a connection that was lent to others.
        let in_progress = self.transaction.as_deref().is_some_and(|t| t.accepted().next().is_some());
        if ours || in_progress {
            return Priority::Known;
        }
        let limits = &self.generation.policy.limits;
        let (service, ip) = (&self.gateway.limits, self.client.ip);
        let bad = self.counts.errors >= ERRORS_BAD
            || self.standing.over_errors
            || self.standing.conduct.ban.is_some()
            || service.bans.has_points(ip, limits, unix_ms() / 1000);
        if bad {
            Priority::Bad
        } else if self.counts.messages > 0 || service.known.has(ip, limits) {
            Priority::Known
        } else {
            Priority::Unknown
        }
    }
}
