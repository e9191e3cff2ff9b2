//! `portcullis demo`: the gateway with its shipped rules, a mail server behind it that keeps mail in a folder,
//! and sample mail, with nothing but this program. Everything is on loopback and in one folder.

mod downstream;
mod sample;
mod sender;
mod stage;
mod table;
mod verb;

pub(super) use verb::{Options, run};
