//! What becomes of the message for one group of recipients.

use super::finding::{Finding, Folder, Verdict};
use crate::reply::Reply;

/// The end of a message for the recipients that share a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Goes to the target (downstream or queue).
    Deliver,
    /// Kept sealed and scanned again later.
    Hold,
    /// Kept in a folder.
    Quarantine(Folder),
    /// Dropped, with a copy in `discarded`.
    Discard,
    /// Refused, for now or for good, with this reply.
    Refuse(Reply),
    /// Refused with this reply, and the session ends.
    Disconnect(Reply),
}

impl Disposition {
    /// The disposition that the strongest finding asks for; no finding is delivery.
    #[must_use]
    pub fn of(strongest: Option<&Finding>) -> Self {
        let Some(finding) = strongest else { return Self::Deliver };
        match &finding.verdict {
            Verdict::Continue | Verdict::Accept => Self::Deliver,
            Verdict::TempFail(reply) | Verdict::Reject(reply) => Self::Refuse(reply.clone()),
            Verdict::Hold => Self::Hold,
            Verdict::Quarantine(folder) => Self::Quarantine(folder.clone()),
            Verdict::Discard => Self::Discard,
            Verdict::Disconnect(reply) => Self::Disconnect(reply.clone()),
        }
    }
}
