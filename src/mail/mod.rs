//! Words of mail: domains, mailboxes, paths, references, dates, and how peer text is shown.
//!
//! Pure values. Nothing here fails at run time other than by returning an error that names what was
//! wrong; nothing here keeps state.

mod date;
mod domain;
mod escape;
mod id;
mod ip;
mod path;

pub use date::{rfc3339, rfc5322};
pub use domain::{Domain, DomainError};
pub use escape::{PEER_TEXT_CHARS, escape, escape_at_most, escaped};
pub use id::{Id, IdError, Scramble};
pub use ip::{push_ip, push_socket};
pub use path::{Host, Mailbox, Path, PathError};

use std::net::IpAddr;

/// The address that every list sees: an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4
/// address that it stands for (RFC 4291 section 2.5.5.2), so that no list is passed by a spelling.
#[must_use]
pub fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
