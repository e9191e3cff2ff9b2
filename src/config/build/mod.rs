//! From the tables of the files to the typed policy. Pure: all texts come from the caller. Every builder tells all
//! mistakes of its table and goes on; a policy comes out only where there was no error.

mod access;
mod address;
mod attachment_expect;
mod attachment_rule;
mod attachments;
mod authentication;
mod common;
mod condition;
mod content;
mod cross;
mod dns;
mod dnsbl;
mod downstream;
mod expect;
mod folder;
mod gateway;
mod keywords;
mod limits;
mod listener;
mod lists;
mod policies;
mod policy;
mod protocol;
mod quarantine;
mod recipients;
mod relay;
mod rule;
mod scanners;
mod score;
mod score_expect;
mod score_word;
mod signatures;
mod stages;
mod throttle;
mod timeouts;

pub use policy::{Moment, parse, parse_files};
