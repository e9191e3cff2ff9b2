//! The gateway: listeners, sessions, transactions, and their life.
//!
//! Owner of: sockets of clients, the policy in force, everything that one session knows. Outcomes of
//! connections and messages are logged in `audit` only. Failure: an error inside one session ends that
//! session with 421; a panic too; nothing of it reaches another.

pub mod audit;
mod auth;
mod clock;
mod connection;
mod counters;
mod data;
mod deliver;
mod down;
mod dressing;
mod end_of_data;
mod envelope;
mod examine;
mod fold;
mod gather;
mod generation;
mod hello;
mod history;
mod incoming;
mod item;
mod json;
mod judge;
mod keep;
mod lines;
mod listener;
mod live;
mod mixed;
mod outage;
mod outcome;
mod parameters;
mod park;
mod party;
mod phase;
mod prefixed;
mod priority;
mod recover;
mod reload;
mod restore;
mod rules;
mod runtime;
mod session;
mod shutdown;
mod snapshot;
mod space;
mod standing;
mod state;
mod tls;
mod transaction;
mod watch;
mod world;

pub use counters::Counters;
pub use fold::Fold;
pub use generation::{Generation, GenerationError, make_pool};
pub use history::History;
pub use listener::{Bound, bind};
pub use live::{Doing, LiveReport, Place, Which};
pub use phase::Phase;
pub use reload::{ReloadReport, reload};
pub use restore::Restore;
pub use rules::{load_rules, load_rules_with};
pub use runtime::{Started, start};
pub use session::{Accepted, Session};
pub use shutdown::drain;
pub use snapshot::{ROLLED_BACK, Snapshot};
pub use space::{Level, NearFull, Space, Volume};
pub use state::{Amount, AuditLosses, Gateway, ListenerReport, Status};
pub use tls::{ServerTls, TlsFileError};
pub use watch::watch;
pub use world::Surroundings;
