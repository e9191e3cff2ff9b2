//! Portcullis: a transparent SMTP proxy that filters.
//!
//! (The crate doc is completed below as the floors are built.)

pub mod config;
pub mod mail;
pub mod reply;
pub mod rules;
pub mod verdict;
