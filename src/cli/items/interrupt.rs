//! Ctrl-C while work is watched: it says what becomes of the work, and ends the command.

use std::sync::{Arc, Mutex, PoisonError};

/// As a shell says it of a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// What is said; changed when more is known.
#[derive(Clone, Default)]
pub(super) struct Words(Arc<Mutex<String>>);

impl Words {
    pub(super) fn set(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// From now on Ctrl-C says `words`. Without threads to be had it ends the command as it always does.
pub(super) fn watch(words: &Words) {
    let words = words.clone();
    let waiting = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            complain!("\n{}", words.get());
            std::process::exit(INTERRUPTED);
        }
    };
    let _ = std::thread::Builder::new().name("interrupt".into()).spawn(waiting);
}
