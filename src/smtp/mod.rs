//! SMTP as values: framing, commands, data, replies, extensions, and the two machines that know the order
//! of things. Sans-I/O: bytes and replies in, events and bytes out; no clock, no socket.
//!
//! What ends a line, a message or a reply is decided here and nowhere else (RFC 5321 sections 2.3.8 and
//! 4.1.1.4): CRLF, CRLF.CRLF, and a reply line whose fourth octet is not a hyphen. smtp-proto reads the
//! parameters of one line that was framed here; it never frames.

pub mod client;
pub mod command;
pub mod data;
pub mod extension;
pub mod line;
pub mod param;
pub mod proxy;
pub mod response;
pub mod server;
pub mod xclient;
