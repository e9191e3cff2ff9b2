//! From the tables of `gateway.toml` to the typed policy. Pure: the one file that it may need besides (a list
//! of recipients) comes through a function of the caller. Every builder tells all mistakes of its table and
//! goes on; a policy comes out only where there was no error.

mod address;
mod common;
mod cross;
mod downstream;
mod listener;
mod policy;
mod recipients;
mod relay;
mod timeouts;

pub use policy::parse;
