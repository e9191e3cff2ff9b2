//! The hermetic tests, one binary: no root, no network, no daemons, under a minute.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "tests fail by panicking"
)]

mod architecture;
mod control;
mod dialogues;
mod ends;
mod harness;
mod invariance;
mod kept;
mod lists;
mod quarantine;
mod records;
mod reload;
mod shipped;
mod tls;
mod vectors;
