//! Portcullis: a transparent SMTP proxy that filters.
//!
//! (The crate doc is completed below as the floors are built.)

pub mod mail;
pub mod reply;
pub mod verdict;

pub mod message;
pub mod smtp;

pub mod checks;
pub mod config;
pub mod rules;

pub mod body;
pub mod store;

pub mod downstream;
pub mod scan;

pub mod gateway;

pub mod control;

pub mod cli;
