//! What the sender of a message can prove: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989), ARC (RFC 8617).
//!
//! Pure: no evaluation asks DNS. A [`Case`] is read from a message, and says which answers it lacks; whoever can look
//! them up gives them, and asks again, until it is done or the time is over. So one deadline and one cap hold for all
//! of it, everything that can be asked for together is, the message need not be kept meanwhile, and tests put a table
//! where DNS would be. Keys and signatures are read and verified by `mail-auth`; the rest is ours, because that crate
//! asks by itself, bounds neither signatures nor signed names, and differs from the RFCs where the public
//! suites show it (several SPF records, void look-ups, trailing blanks in relaxed bodies, strict tag lists).
//!
//! State: that of one message, in its [`Case`]. Failure: DNS trouble, and whatever is missing when the time is over,
//! is `temperror` and never a failure; what makes no sense is `permerror`. Nothing panics, whatever a message says.

mod arc;
mod ask;
mod canonical;
mod case;
mod dkim;
mod dmarc;
mod fields;
mod findings;
mod judge;
mod key;
mod signature;
mod spf;
mod tags;

#[cfg(test)]
mod hostile_tests;

pub use ask::{Answer, Data, Kind, Known, Missing, Question};
pub use canonical::{Form, body as canonical_body, push_field as canonical_field};
pub use case::{ANSWERS_MAX, Case, Step};
pub use fields::{Field, Header};
pub use findings::{applies, findings};
pub use spf::{Outcome, Subject, check as check_spf};
