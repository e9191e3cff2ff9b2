//! Portcullis: a transparent SMTP proxy that filters.
//!
//! (The crate doc is completed below as the floors are built.)

pub mod mail;
pub mod message;
pub mod reply;
pub mod smtp;
pub mod verdict;
