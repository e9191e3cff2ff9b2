//! `limits.toml`. The defaults are those of the table of keys; a test compares the two.

use crate::rules::{Matcher, Mode};
use crate::verdict::Direction;
use std::sync::Arc;
use std::time::Duration;

/// So many in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u64,
    /// In how long, at least one second.
    pub period: Duration,
}

/// Everything of `limits.toml`.
#[derive(Debug, Default)]
pub struct Limits {
    /// Connections at once.
    pub connections: ConnectionLimits,
    /// Rates of an address; a prefix has `prefix_factor` times as much.
    pub rates: Rates,
    /// Before the greeting.
    pub greeting: Greeting,
    /// Slow answers to errors.
    pub tarpit: Tarpit,
    /// Automatic bans.
    pub bans: Bans,
    /// Greylisting.
    pub greylist: Greylist,
    /// Throttles in file order.
    pub throttles: Vec<Arc<Throttle>>,
}

/// Connections at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Mode.
    pub mode: Mode,
    /// Of one address.
    pub per_ip: u32,
    /// Of one prefix.
    pub per_prefix: u32,
    /// Length of an IPv4 prefix, 8 to 32.
    pub prefix_v4: u8,
    /// Length of an IPv6 prefix, 16 to 128; also what counts as one address of IPv6 everywhere (never longer than 64).
    pub prefix_v6: u8,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { mode: Mode::On, per_ip: 20, per_prefix: 60, prefix_v4: 24, prefix_v6: 64 }
    }
}

/// Rates of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// Mode.
    pub mode: Mode,
    /// New connections.
    pub connections: Option<Rate>,
    /// Messages (MAIL).
    pub messages: Option<Rate>,
    /// Recipients.
    pub recipients: Option<Rate>,
    /// Errors (5yz of ours or of the downstream to a command).
    pub errors: Option<Rate>,
    /// Failed AUTH.
    pub auth_failures: Option<Rate>,
    /// How many times as much a whole prefix may do.
    pub prefix_factor: u32,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |count, minutes| Some(Rate { count, period: Duration::from_mins(minutes) });
        Self {
            mode: Mode::On,
            connections: rate(30, 1),
            messages: rate(100, 1),
            recipients: rate(200, 5),
            errors: rate(50, 5),
            auth_failures: rate(10, 10),
            prefix_factor: 3,
        }
    }
}

/// Before the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// How long an unknown peer waits for its greeting; zero is not at all.
    pub delay: Duration,
    /// What becomes of one that speaks before it (554 5.5.1 at `answer_at`).
    pub early_talk: Mode,
}

impl Default for Greeting {
    fn default() -> Self {
        Self { delay: Duration::from_secs(2), early_talk: Mode::On }
    }
}

/// Slow answers: each error beyond `after` adds `step`, up to `most`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tarpit {
    /// Errors that are free.
    pub after: u32,
    /// More for each one beyond; zero is no tarpit.
    pub step: Duration,
    /// Bound.
    pub most: Duration,
}

impl Default for Tarpit {
    fn default() -> Self {
        Self { after: 3, step: Duration::from_secs(1), most: Duration::from_secs(10) }
    }
}

/// Automatic bans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bans {
    /// Mode.
    pub mode: Mode,
    /// Points that lead to a ban.
    pub limit: u32,
    /// Within this time.
    pub window: Duration,
    /// How long the first ban lasts.
    pub time: Duration,
    /// Each further one so many times longer (in hundredths: 200 is twice).
    pub grow_percent: u32,
    /// Bound.
    pub most: Duration,
    /// Points of each event.
    pub points: BanPoints,
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            limit: 100,
            window: Duration::from_hours(1),
            time: Duration::from_mins(30),
            grow_percent: 200,
            most: Duration::from_hours(24),
            points: BanPoints::default(),
        }
    }
}

/// Points of each event; 0 does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the events in verdict::Event")]
pub struct BanPoints {
    pub unknown_recipient: u32,
    pub relay_denied: u32,
    pub auth_failure: u32,
    pub early_talk: u32,
    pub protocol_error: u32,
    pub refused: u32,
    pub over_limit: u32,
    pub virus: u32,
}

impl Default for BanPoints {
    fn default() -> Self {
        Self {
            unknown_recipient: 5,
            relay_denied: 25,
            auth_failure: 20,
            early_talk: 40,
            protocol_error: 5,
            refused: 10,
            over_limit: 2,
            virus: 60,
        }
    }
}

/// Which clients greylisting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GreyFor {
    /// All that are not trusted, authenticated, allowed or proven.
    All,
    /// Of these, clients without a confirmed reverse name, or listed in a DNS list below its limit.
    #[default]
    Suspicious,
}

/// Greylisting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greylist {
    /// Mode.
    pub mode: Mode,
    /// For whom.
    pub only: GreyFor,
    /// How long a first try waits.
    pub delay: Duration,
    /// How long a retry is awaited.
    pub window: Duration,
    /// How long a triplet that passed is remembered after its last use.
    pub lifetime: Duration,
    /// Messages delivered after which client and sender domain pass unasked; 0 is never.
    pub proven_after: u32,
    /// Bound on remembered triplets.
    pub entries: usize,
}

impl Default for Greylist {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            only: GreyFor::Suspicious,
            delay: Duration::from_mins(15),
            window: Duration::from_hours(6),
            lifetime: Duration::from_hours(36 * 24),
            proven_after: 5,
            entries: 500_000,
        }
    }
}

/// Whose traffic a throttle counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThrottleBy {
    /// Authenticated user.
    User,
    /// Envelope sender.
    Sender,
    /// Its domain.
    SenderDomain,
    /// Recipient.
    Recipient,
    /// Its domain.
    RecipientDomain,
    /// Client address (`null_sender` only makes sense with it or `Recipient`).
    Client,
}

/// One `[[throttle]]`.
#[derive(Debug)]
pub struct Throttle {
    /// Its name.
    pub name: Arc<str>,
    /// Mode.
    pub mode: Mode,
    /// Whose.
    pub by: ThrottleBy,
    /// Only in this direction.
    pub direction: Option<Direction>,
    /// Counts only messages from `<>`.
    pub null_sender: bool,
    /// Messages.
    pub messages: Option<Rate>,
    /// Recipients.
    pub recipients: Option<Rate>,
    /// Octets.
    pub octets: Option<Rate>,
    /// Messages from `<>` to the sender or user: bounces that it received.
    pub bounces: Option<Rate>,
    /// Subjects that it does not count.
    pub except: Option<Matcher>,
    /// Where it stands.
    pub line: u32,
}
