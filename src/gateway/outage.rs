//! `on_outage = "queue"`: mail is taken while no session with the downstream can be had.
//!
//! Only for recipients that are known to exist, for nobody could tell a forged sender later that one does not. What is
//! checked is the same as ever; at the end of data the message goes into the spool (`gateway::keep`). Mail that comes
//! when the downstream is back is delivered at once, also while older mail still waits there: order between messages is
//! nothing that SMTP promises.

use super::session::Session;
use super::transaction::Target;
use crate::config::model::OnOutage;
use crate::mail::Path;
use crate::reply::{Reply, catalogue};
use crate::smtp::command::Rcpt;

impl Session {
    /// Makes the transaction one that is queued, where its downstream is configured so.
    pub(super) fn queue_transaction(&mut self) -> bool {
        let Some(transaction) = self.transaction.as_deref_mut() else { return false };
        let queue = transaction.entrance.pool.config().on_outage == OnOutage::Queue;
        // What must not be overheard is not for a store and a session of another time.
        let queue = queue && !transaction.mail.facts.requiretls;
        if queue {
            transaction.target = Target::Queue;
        }
        queue
    }

    /// A recipient of a message that is queued.
    pub(super) fn queue_recipient(&self, rcpt: &Rcpt) -> Reply {
        if self.is_known(&rcpt.path) {
            catalogue::RECIPIENT_OK.reply()
        } else {
            catalogue::DOWNSTREAM_UNREACHABLE.refusal(self.reference())
        }
    }

    fn is_known(&self, path: &Path) -> bool {
        let (Some(transaction), Some(mailbox)) = (self.transaction.as_deref(), path.mailbox()) else {
            return false;
        };
        let downstream = &transaction.entrance.pool.config().name;
        transaction.generation.policy.relay.recipients.has(mailbox)
            || self.gateway.accepted.has(downstream, mailbox)
    }
}
