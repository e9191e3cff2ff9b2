//! Sender authentication.

mod ask;
mod spf;

pub use ask::{Answer, Data, Kind, Known, Missing, Question};
pub use spf::{Outcome, Subject, check as check_spf};
