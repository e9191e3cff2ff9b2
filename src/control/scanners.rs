//! Requests about scanners.

use super::protocol::Answer;
use crate::gateway::Gateway;
use crate::rules::nearest;
use crate::scan::{self, Scanners};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For trying all of them: whoever asked waits ten seconds.
const TEST_LIMIT: Duration = Duration::from_secs(9);

/// Switches a scanner on or off, at once and until it is switched again.
pub(super) async fn switch(gateway: &Arc<Gateway>, name: String, enabled: bool) -> Answer {
    let scanners = gateway.current.load().scanners.clone();
    // One that the rules do not have any more may still be switched on, so that the file is tidy.
    let is_left_over = enabled && scanners.switches().is_off(&name);
    if scanners.get(&name).is_none() && !is_left_over {
        return Answer::Error(unknown(&scanners, &name));
    }
    let switches = Arc::clone(scanners.switches());
    let named = name.clone();
    let done = tokio::task::spawn_blocking(move || switches.set(&named, enabled)).await;
    match done {
        Ok(Ok(changed)) => {
            if changed {
                tracing::warn!(scanner = %name, enabled, "a scanner was switched by an admin");
            }
            Answer::Scanners(scanners.report())
        }
        Ok(Err(error)) => Answer::Error(format!("the switch was not thrown: {error}")),
        Err(error) => Answer::Error(format!("that failed ({error}), see the log")),
    }
}

/// Tries one scanner, or all of them at the same time.
pub(super) async fn test(gateway: &Arc<Gateway>, name: Option<String>) -> Answer {
    let scanners = gateway.current.load().scanners.clone();
    if let Some(name) = name.as_deref().filter(|name| scanners.get(name).is_none()) {
        return Answer::Error(unknown(&scanners, name));
    }
    match timeout(TEST_LIMIT, Box::pin(scan::test(&scanners, name.as_deref()))).await {
        Ok(reports) => Answer::ScannersTested(reports),
        Err(_) => Answer::Error(format!("they were not through within {} s; name one", TEST_LIMIT.as_secs())),
    }
}

fn unknown(scanners: &Scanners, name: &str) -> String {
    let names: Vec<&str> = scanners.all().iter().map(|scanner| &*scanner.rules().name).collect();
    let shown = crate::mail::escape(name.as_bytes());
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if names.is_empty() => "; scanners.toml has none".to_owned(),
        None => format!("; there are {}", names.join(", ")),
    };
    format!("there is no scanner \"{shown}\"{hint}")
}
