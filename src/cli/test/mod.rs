//! `portcullis test`: tries the rules on something, without the gateway; a message also without a network,
//! where that is asked for.

mod envelopes;
mod message;
mod script;
mod sender;
mod session;
mod tried;
mod verb;

pub(super) use verb::{Options, run};
