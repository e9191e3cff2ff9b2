//! The local socket through which the command line speaks with the running gateway.
//!
//! Owner of: `state_dir/control.sock`, which lives as long as the daemon. Failure: a client that is slow,
//! wrong or not allowed is told so where that is possible and closed; nothing here touches a mail session.
//! Who may speak: the user that the gateway runs as, root, and members of the socket's group (mode 0660).

mod client;
mod desk;
mod limits;
mod protocol;
mod scanners;
mod server;
mod socket;

pub use client::{ControlError, DeskAnswers, ask, ask_desk};
pub use protocol::{Answer, BanList, BansLifted, Request, ThrottleList};
pub use server::{Reloads, serve};
pub use socket::ControlSocket;
