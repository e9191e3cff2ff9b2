//! What checks know and what they say: facts in, findings out, and how findings become one verdict.
//!
//! Pure. A check that panics or answers nonsense is made a temporary error by whoever runs it; nothing in
//! here can turn an error into a pass.

mod authentication;
mod disposition;
mod envelope;
mod fact;
mod facts;
mod finding;
mod gathered;
mod merge;

pub use authentication::{AuthResult, Authentication, Author, Signature, Wish};
pub use disposition::Disposition;
pub use envelope::Envelope;
pub use fact::{Cause, Fact};
pub use facts::{Client, Direction, Facts, MessageFacts, Needs, Tls};
pub use finding::{Effect, Event, Finding, Folder, Source, Stage, Verdict};
pub use gathered::{Ban, Conduct, Gathered, Grey, Listed, Listings, Over, Throttled};
pub use merge::{Settled, kept, merge, said, settle};
