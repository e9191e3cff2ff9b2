//! One transaction of a delivery: MAIL and the recipients in one write, their replies, then the message.
//!
//! The same way down as in a session of a client ([`crate::downstream`]). Failure: an error whose step is the end of data
//! leaves in doubt whether the message was taken; everything before it certainly was not.

use crate::body::Body;
use crate::downstream::{Begun, DownstreamError, Handed, Key, Peer, Pool, Priority, Session, Wanted};
use crate::reply::Reply;
use crate::smtp::client::Awaiting;
use crate::smtp::param::extension_of;
use crate::vault::{self, EnvelopeView, Item};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Step name of an error after which the message may have been taken.
const END_OF_DATA: &str = "the end of data";
/// For the whole message to go down, its final reply not included.
const DATA_LIMIT: Duration = Duration::from_secs(600);
/// Extensions that are no parameter's.
const OTHERS: [&str; 7] =
    ["8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS", "DELIVERBY", "FUTURERELEASE", "NO-SOLICITING"];

/// Sessions of the desk are shared among its deliveries, and with nobody else.
pub(super) fn key() -> Key {
    Key { generation: 0, listener: Arc::from("(spool)") }
}

/// A transaction that has been begun.
pub(super) enum Opened {
    /// MAIL was refused.
    Refused(Reply),
    /// MAIL was taken; each recipient has its reply, in order.
    Envelope(Box<Session>, Vec<Reply>),
}

/// What was said to a message.
pub(super) struct Answered {
    /// The reply.
    pub reply: Reply,
    /// All of it went down; else DATA was refused, or what followed was broken off.
    pub whole: bool,
}

/// Whether the message may have been taken although there is no reply.
pub(super) fn is_doubt(error: &DownstreamError) -> bool {
    error.step() == Some(END_OF_DATA)
}

/// Whether nobody answers at all: no other message would fare better now.
pub(super) fn is_away(error: &DownstreamError) -> bool {
    match error {
        DownstreamError::Unreachable { .. }
        | DownstreamError::Connect { .. }
        | DownstreamError::Refused { .. }
        | DownstreamError::Tls { .. }
        | DownstreamError::NoTls { .. }
        | DownstreamError::Busy { .. }
        | DownstreamError::Shed { .. } => true,
        DownstreamError::Lost { .. }
        | DownstreamError::Timeout { .. }
        | DownstreamError::Protocol { .. }
        | DownstreamError::Lacks { .. }
        | DownstreamError::Body(_)
        | DownstreamError::Differs { .. } => false,
    }
}

/// Says MAIL and the recipients.
pub(super) async fn open(pool: &Pool, item: &Item, rcpts: &[&[u8]]) -> Result<Opened, DownstreamError> {
    let (key, peer, needs) = (key(), peer(item), needs(&item.envelope));
    let mut lines: Vec<&[u8]> = Vec::with_capacity(rcpts.len() + 1);
    lines.push(&item.envelope.line.0);
    lines.extend_from_slice(rcpts);
    let high = item.spool.as_ref().is_some_and(|s| s.priority == vault::Priority::High);
    let wanted = Wanted {
        key: &key,
        peer: &peer,
        needs: &needs,
        lines: &lines,
        awaiting: Awaiting::Command,
        secured: item.envelope.requiretls,
        first_without_size: None,
        // Clients that are there now come first.
        priority: if high { Priority::Known } else { Priority::Unknown },
    };
    let Begun { mut session, first, sent } = Box::pin(pool.begin(&wanted)).await?;
    if !first.is_success() {
        session.spoiled = true;
        pool.give_back(&key, session);
        return Ok(Opened::Refused(first));
    }
    let mut replies = Vec::with_capacity(rcpts.len());
    for (at, line) in rcpts.iter().enumerate() {
        if at + 1 >= sent {
            session.queue(line, Awaiting::Command);
        }
        let reply = session.reply("RCPT", pool.limits().command).await?;
        session.spoiled |= reply.is_refusal();
        replies.push(reply);
    }
    Ok(Opened::Envelope(Box::new(session), replies))
}

/// Hands the message over: `head`, then the message as it came.
pub(super) async fn hand_over(
    pool: &Pool,
    mut session: Box<Session>,
    head: &[u8],
    body: &Body,
) -> Result<Answered, DownstreamError> {
    let finish_by = Instant::now() + DATA_LIMIT.max(pool.limits().command);
    let chunking = pool.config().chunking;
    let handed = session.deliver(head, body, chunking, pool.limits(), finish_by, &mut || true).await?;
    let address = session.address;
    pool.give_back(&key(), *session);
    match handed {
        Handed::Reply(reply) => Ok(Answered { reply, whole: true }),
        Handed::Refused(reply) => Ok(Answered { reply, whole: false }),
        // Nobody can have left.
        Handed::Abandoned => Err(DownstreamError::Differs { address }),
    }
}

/// The client that brought it, as the downstream is told of it; for mail of our own this machine.
fn peer(item: &Item) -> Peer {
    let client = &item.client;
    let ip = client.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let local: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    Peer {
        ip,
        port: client.port,
        local: SocketAddr::new(local, 25),
        name: client.name.as_deref().map(Into::into),
        helo: client.helo.as_deref().filter(|h| !h.contains('\\')).map(|h| h.as_bytes().into()),
        esmtp: true,
        login: client.user.as_deref().filter(|u| !u.contains('\\')).map(Into::into),
        ident: item.id.to_string().into(),
    }
}

/// What the downstream must offer.
fn needs(envelope: &EnvelopeView) -> Vec<&'static str> {
    let known = |name: &String| {
        let other = OTHERS.iter().find(|o| o.eq_ignore_ascii_case(name)).copied();
        other.or_else(|| extension_of(name)).filter(|e| !matches!(*e, "SIZE" | "AUTH"))
    };
    envelope.needs.iter().filter_map(known).collect()
}
