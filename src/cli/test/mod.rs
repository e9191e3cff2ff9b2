//! `portcullis test`: tries the rules on something, without the gateway and without a network.

mod envelopes;
mod message;
mod script;
mod session;
mod verb;

pub(super) use verb::{Options, run};
