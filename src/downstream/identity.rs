//! Telling the downstream who the client is: XCLIENT, XFORWARD, PROXY v2, or only the trace header.

use crate::config::model::Identity;
use crate::smtp::extension::Capabilities;
use crate::smtp::xclient::{PeerFacts, xclient_command, xforward_commands};
use std::net::{IpAddr, SocketAddr};

/// The client, as a downstream is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Where it connected to.
    pub local: SocketAddr,
    /// Forward-confirmed reverse name.
    pub name: Option<Box<str>>,
    /// What it said in HELO or EHLO.
    pub helo: Option<Box<[u8]>>,
    /// It said EHLO.
    pub esmtp: bool,
    /// Who it is by AUTH.
    pub login: Option<Box<str>>,
    /// Our id of its session.
    pub ident: Box<str>,
}

/// What is said before MAIL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Introduction {
    /// Nothing.
    None,
    /// XCLIENT: the server greets anew and wants EHLO again.
    Xclient(Vec<u8>),
    /// XFORWARD lines.
    Xforward(Vec<Vec<u8>>),
}

impl Peer {
    fn facts(&self) -> PeerFacts<'_> {
        PeerFacts {
            ip: self.ip,
            port: self.port,
            name: self.name.as_deref(),
            helo: self.helo.as_deref(),
            esmtp: self.esmtp,
            login: self.login.as_deref(),
            ident: &self.ident,
        }
    }

    /// The best introduction that is configured and offered. All attributes that the server takes are sent
    /// each time, so that a reused session keeps nothing of the client before.
    pub(super) fn introduction(&self, mode: Identity, offered: &Capabilities) -> Introduction {
        let xclient = || {
            let command = xclient_command(&self.facts(), offered.parameters("XCLIENT")?)?;
            Some(Introduction::Xclient(command))
        };
        let xforward = || {
            let commands = xforward_commands(&self.facts(), offered.parameters("XFORWARD")?);
            Some(Introduction::Xforward(commands))
        };
        match mode {
            Identity::Auto => xclient().or_else(xforward),
            Identity::Xclient => xclient(),
            Identity::Xforward => xforward(),
            Identity::Proxy | Identity::None => None,
        }
        .unwrap_or(Introduction::None)
    }
}
