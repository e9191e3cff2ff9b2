//! The client's side of a session as a machine: commands in, bytes out; bytes of the server in, replies out.
//!
//! Purpose: one reply for each command, in order, and never a shifted one. A reply that nothing awaits, or
//! one that does not parse, breaks the machine: what follows could belong to anything.
//! Owner: the downstream session, which writes [`Client::output`], reads into [`Client::push`] and takes
//! [`Client::poll`].
//! Failure: every error is final ([`Client::is_usable`] is false from then on).

mod machine;

pub use machine::{Awaiting, Client, ClientError};
