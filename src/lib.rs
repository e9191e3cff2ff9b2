//! Portcullis: a transparent SMTP proxy that filters.
//!
//! (The crate doc is completed below as the floors are built.)

pub mod body;
pub mod downstream;
pub mod gateway;
pub mod mail;
pub mod reply;
pub mod store;
pub mod verdict;
