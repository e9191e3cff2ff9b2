//! What is looked up about a client and its names: DNS, and the country database of the admin.
//!
//! Owner of: the questions in flight, the answers remembered, the database in memory. One [`Lookup`] a generation;
//! what did not change (name servers, timeout, size of the cache; path and time of the database) is kept over reloads
//! with everything that it remembers.
//!
//! Failure: no answer in time, a server that refuses or talks nonsense, no name server at all, or too many questions
//! at once are [`Fact::Unknown`](crate::verdict::Fact::Unknown), never a yes and never a no. Whoever depends on the
//! fact decides what that means. Nothing here panics without a network. A database that cannot be read fails the load.

mod answer;
mod arpa;
mod authenticate;
mod cache;
mod country;
mod listings;
mod names;
mod questions;
mod reverse;
mod service;
mod table;
mod wire;

pub use answer::{Answer, Data, Kind, Question};
pub use country::{Countries, CountryError};
pub use listings::Subjects;
pub use questions::{QUESTIONS_MAX, Tally};
pub use reverse::Reverse;
pub use service::Lookup;
pub use table::Table;
pub use wire::{ServersError, name_servers};

#[cfg(test)]
mod tests;
