//! How a message is to be released.

use super::request::Grant;

/// What goes with a release.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// To these instead of the original recipients.
    pub to: Vec<String>,
    /// Also copies, and what was released before.
    pub again: bool,
    /// Without a scan.
    pub unscanned: bool,
    /// Allow the envelope sender.
    pub allow_sender: Option<Grant>,
    /// Block the envelope sender.
    pub block_sender: Option<Grant>,
}
