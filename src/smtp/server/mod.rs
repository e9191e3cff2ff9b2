//! The server's side of a session as a machine: bytes of the client in, events out; replies in, bytes out.
//!
//! Purpose: the order of commands (RFC 5321 section 4.1.4, RFC 2920, RFC 3030), and what the stream is at
//! each moment: a command line, message data, octets of a chunk, a line of an AUTH dialogue.
//! Owner: the session driver, which reads into [`Server::push`], takes [`Server::poll`] or
//! [`Server::body`], answers each event exactly once and in order, and writes what [`Server::output`] has.
//! Failure: where the stream can no longer be trusted the event says so (`Drop`), and after its answer the
//! machine is closed; nothing that follows is ever read as a command.

mod answer;
mod body;
mod conduct;
mod event;
mod machine;
mod order;
mod state;
mod tolerance;
mod transcript;

pub use body::BodyStep;
pub use event::{BodyFacts, Event};
pub use machine::Server;
pub use tolerance::Tolerance;
pub use transcript::Transcript;
