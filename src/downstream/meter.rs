//! What one session tells of its downstream: each of its transactions counts once.

use super::error::DownstreamError;
use super::pressure::Pressure;
use super::step::{Step, of_error};
use crate::reply::Reply;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// See the module head.
pub(super) struct Meter {
    pressure: Arc<Pressure>,
    /// The transaction in progress met trouble, and that was told.
    troubled: bool,
}

impl Meter {
    pub(super) fn new(pressure: Arc<Pressure>) -> Self {
        Self { pressure, troubled: false }
    }

    /// What became of a command, and how long it took.
    pub(super) fn replied(&mut self, name: &str, result: &Result<Reply, DownstreamError>, took: Duration) {
        let Some(step) = Step::of(name) else { return };
        if name == "MAIL" {
            self.troubled = false;
        }
        let trouble = match result {
            Ok(reply) => self.pressure.replied(step, reply, took),
            Err(error) => of_error(step, error),
        };
        match trouble {
            Some(why) if !self.troubled => {
                self.troubled = true;
                self.pressure.bad(&why, Instant::now());
            }
            None if step == Step::Message && !self.troubled && result.is_ok() => {
                self.pressure.good(Instant::now());
            }
            Some(_) | None => {}
        }
    }
}
