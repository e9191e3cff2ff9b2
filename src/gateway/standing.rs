//! How a client stands when connections to the downstream are scarce.

use super::session::Session;
use crate::downstream::Standing;

/// Errors of one session from which a stranger is the first to be turned away.
const ERRORS_BAD: u32 = 3;

impl Session {
    /// Ours, proven or in the middle of a message before strangers, and these before those that made errors.
    pub(super) fn standing(&self) -> Standing {
        let ours = self.client.trusted || self.authenticated || self.client.may_relay;
        // Somebody who was told 250 to a recipient is not turned away for a connection that was lent to others.
        let in_progress = self.transaction.as_deref().is_some_and(|t| t.accepted().next().is_some());
        if ours || in_progress || self.counts.messages > 0 {
            Standing::Known
        } else if self.counts.errors >= ERRORS_BAD {
            Standing::Bad
        } else {
            Standing::Unknown
        }
    }
}
