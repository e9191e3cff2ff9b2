//! What one client may do: connections at once, rates, bans, throttles, greylisting.
//!
//! Owner of all counts of the process that say how much somebody did, and of `bans.jsonl` and `greylist.log` in
//! the state directory. Policy comes in with every call and may be another one at the next: what is counted
//! stays. Time comes in as seconds since 1970; only rates have a clock of their own, which nobody can set back.
//!
//! Everything is bounded. Octets are of one entry with its share of the table, measured by the test `memory`:
//!
//! | what | entries at most | octets | beyond |
//! |---|---|---|---|
//! | connections | 3 for each open connection | 120 | they end with their connections |
//! | rates | 200,000 for each of 10 limiters | 50 | unknown addresses share one more, and its rate |
//! | ban points | 100,000 addresses | 200 | the one that was quiet longest is forgotten |
//! | bans | 100,000, with remembered ones | 200, and 300 more while the file is written anew | the oldest ban ends |
//! | throttles | 100,000 subjects | 250 and more | the one that was quiet longest is forgotten |
//! | greylist | `entries`, half of them waiting, half passed | 130 | the oldest of that half is forgotten |
//! | clients that delivered | 100,000 | 60 | nobody new until the next sweep, which forgets half |
//! | proven clients | 100,000 | 100 | the one that was quiet longest is forgotten |
//!
//! Failure: nothing here fails a session. A file that is damaged is set aside at start, with a warning, and what
//! could be read of it counts. A disk that cannot be written to is told once and tried again; memory goes on.

mod bans;
mod connections;
mod greylist;
mod journal;
mod known;
#[cfg(test)]
mod memory;
mod points;
mod rates;
mod recent;
mod service;
mod subject;
mod throttles;
mod traffic;
mod triplet;
mod window;

pub use bans::{BanError, BanReport, Bans, By};
pub use connections::{Connections, Permit};
pub use greylist::Greylisting;
pub use known::Known;
pub use points::Offence;
pub use rates::{Kind, RateCounts};
pub use service::Limits;
pub use throttles::{ThrottleReport, Throttles};
pub use traffic::Traffic;
