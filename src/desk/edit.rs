//! Changing one message: read, decide, write; again where somebody else was faster.

use super::refusal::{Refusal, blocking};
use super::service::Desk;
use crate::mail::Id;
use crate::vault::{Change, Item, VaultError};
use std::sync::Arc;
use std::time::Duration;

/// How often a message is read again.
const TRIES: u32 = 10;

/// What is to become of a message that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It was changed: write it.
    Write,
    /// Gone for good.
    Remove,
    /// Left alone, and why.
    Leave(String),
}

impl Desk {
    /// Reads a message.
    pub(super) async fn item(&self, id: Id) -> Result<Item, Refusal> {
        let vault = Arc::clone(&self.vault);
        Ok(blocking(move || vault.item(id)).await??)
    }

    /// Changes one message. `act` may be asked several times, each time of the message as it is then.
    /// Returns the message as `act` left it, and what it decided.
    pub(super) async fn edit(
        &self,
        id: Id,
        mut act: impl FnMut(&mut Item) -> Decision,
    ) -> Result<(Item, Decision), Refusal> {
        let mut tries = 0;
        loop {
            let mut item = self.item(id).await?;
            let decision = act(&mut item);
            let change = match &decision {
                Decision::Leave(_) => return Ok((item, decision)),
                Decision::Write => Change::Write(Box::new(item.clone())),
                Decision::Remove => Change::Remove { id, version: item.version },
            };
            let done = self.vault.change(vec![change]).await;
            match done.into_iter().next().unwrap_or(Err(VaultError::Closed)) {
                Ok(()) => return Ok((item, decision)),
                Err(VaultError::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
            // The change of the other one is durable; its file may be a moment behind.
            tokio::time::sleep(Duration::from_millis(u64::from(tries * tries))).await;
        }
    }
}
