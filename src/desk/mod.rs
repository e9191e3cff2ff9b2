//! The desk: everything that people and the clock do with messages that we own. Release, delete, move, expire, scan
//! again, deliver what waits.
//!
//! The only place that combines services (vault, downstream, scanners). It runs inside the gateway, and in a command
//! while the gateway is stopped. Failure: each message by itself; what failed is named in the outcome and in the item.

mod request;
mod service;

pub use request::{Answer, Grant, Job, Outcome, PartView, Pick, Request, Shown, Summary};
pub use service::{Desk, World};
