//! The mail server behind us: reaching it, speaking with it, sharing its connections.
//!
//! Owner of: connections to a downstream (in use and resting), how many it is given, the health of its addresses, and
//! what it offered last, recipients that it accepted. Every await on the outside has a deadline. Failure: an error names the address and the
//! step, and becomes 451 or 421 for the client; nothing here ever becomes 5xx by itself.

mod accepted;
mod address;
mod begin;
mod deliver;
mod dial;
mod error;
mod gate;
mod identity;
mod meter;
mod open;
mod pool;
mod pressure;
mod priority;
mod session;
mod step;
mod stream;
pub mod tls;

pub use accepted::Accepted;
pub use address::AddressReport;
pub use begin::{Begun, Wanted};
pub use deliver::Handed;
pub use dial::{Dial, DialFuture, TcpDial};
pub use error::DownstreamError;
pub use identity::Peer;
pub use pool::{Key, Limits, Pool, Report};
pub use pressure::Reduced;
pub use priority::Priority;
pub use session::Session;
pub(crate) use stream::poll_read_some;
pub use stream::{BoxStream, Stream, read_some, write_all};
