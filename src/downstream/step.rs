//! Steps of a transaction whose replies, and whose errors, say how a downstream is.

use super::error::{DownstreamError, END_OF_DATA};
use crate::smtp::client::ClientError;

/// Which replies take about as long as each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// MAIL and RCPT.
    Envelope,
    /// DATA.
    Data,
    /// The end of data: scanners, disks.
    Message,
}

impl Step {
    /// The step of that name in a session; `None` where replies say nothing of pressure.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "MAIL" | "RCPT" => Some(Self::Envelope),
            "DATA" => Some(Self::Data),
            END_OF_DATA => Some(Self::Message),
            _ => None,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Envelope => 0,
            Self::Data => 1,
            Self::Message => 2,
        }
    }
}

/// Why an error in the middle of a transaction is pressure, if it is.
pub(super) fn of_error(step: Step, error: &DownstreamError) -> Option<String> {
    match error {
        DownstreamError::Timeout { .. } => Some(error.to_string()),
        DownstreamError::Protocol { source: ClientError::Closing(reply), .. } => Some(reply.to_log()),
        // A session at rest may be closed at any moment: MAIL is the first to see it.
        DownstreamError::Lost { .. } if step != Step::Envelope => Some(error.to_string()),
        _ => None,
    }
}

/// Why there is no session at all, if that is pressure.
pub(super) fn of_opening(error: &DownstreamError) -> Option<String> {
    match error {
        DownstreamError::Connect { .. }
        | DownstreamError::Unreachable { .. }
        | DownstreamError::Refused { .. } => Some(error.to_string()),
        DownstreamError::Lost { step, .. }
        | DownstreamError::Timeout { step, .. }
        | DownstreamError::Protocol { step, .. }
            if Step::of(step).is_none() =>
        {
            Some(error.to_string())
        }
        _ => None,
    }
}
