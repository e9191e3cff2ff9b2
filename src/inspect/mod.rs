//! A message looked at as a whole: scanners and sender authentication at the same time, then one walk through its octets.
//!
//! The gateway does so at the end of data, the desk with what is held, and `test message` with files. Where rules take parts
//! out, gateway and desk look at what is left of it once more ([`Left`]). State: none but the
//! places that whoever asks hands in: a message is loaded whole for a walk, on the blocking pool, and never more of them at
//! once than there are places, which bounds the memory. What is left of a walk and large (parts for scanners, an edited
//! message) goes into a body, which is counted, before the next one has the place. Failure: a body that cannot be read, a
//! walk that panics or that does not get its place in time is a temporary refusal of its own, never a pass (promise P4).

mod left;
mod look;
#[cfg(test)]
mod look_tests;
mod octets;

pub use left::{EditError, Left, edited};
pub use look::{Inspected, Request, inspect, wants};
pub use octets::{Held, places, with_octets, write};
