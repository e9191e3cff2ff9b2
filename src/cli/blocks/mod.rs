//! `portcullis blocks`: what an entry of the block list would do.

mod preview;
mod verb;

pub(super) use verb::{Options, run};
