//! From a reference as people type it to a message.

use super::refusal::{Refusal, blocking};
use super::service::Desk;
use crate::mail::Id;
use crate::query::{Query, Term, What};
use crate::vault::{Item, Scope};
use std::sync::Arc;

/// Candidates that are named.
const NAMED: usize = 10;

impl Desk {
    /// The one message whose reference begins so, or the one message of the session whose reference does.
    pub(super) async fn find(&self, typed: &str) -> Result<Item, Refusal> {
        let prefix = Id::prefix(typed.trim()).map_err(|_| {
            Refusal::new(format!("`{typed}` is no reference: 4 to 8 of 0-9 and A-Z, like 7F3K9QAB"))
        })?;
        let (vault, asked) = (Arc::clone(&self.vault), prefix.clone());
        let ids = blocking(move || {
            let found = vault.find(&asked, NAMED + 1)?;
            if !found.is_empty() {
                return Ok(found);
            }
            let terms = vec![Term { not: false, what: What::Reference(asked) }];
            let found = vault.ids(&Query { terms }, Scope::Everything, i64::MIN, NAMED + 1)?;
            Ok::<_, Refusal>(found.into_iter().map(|(id, _)| id).collect())
        })
        .await??;
        match ids.as_slice() {
            [] => Err(Refusal::nothing(format!("there is no message {prefix}"))),
            [id] => self.item(*id).await,
            many => {
                let mut names: Vec<String> = many.iter().take(NAMED).map(ToString::to_string).collect();
                names.sort();
                let more = if many.len() > NAMED { " and more" } else { "" };
                let text = format!("{prefix} may be {}{more}: type more of it", names.join(", "));
                Err(Refusal::new(text))
            }
        }
    }
}
