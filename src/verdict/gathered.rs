//! Facts that cost something: looked up in DNS, counted over many sessions, or remembered from earlier ones.
//!
//! Nothing here is found out by a check. The gateway gathers what the checks of the policy need, once, and
//! records and tests carry the same values, so that a session can be judged again later, without a network.

use super::fact::{Cause, Fact};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One listing of the client or its names in a DNS list (RFC 5782).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listed {
    /// The zone that answered.
    pub zone: Arc<str>,
    /// What it answered, within 127.0.0.0/8.
    pub answer: Ipv4Addr,
    /// What was asked about: an address, a domain, a host name.
    pub subject: Box<str>,
    /// Its weight in thousandths; negative for lists of good senders.
    pub weight_milli: i32,
}

/// What the DNS lists say, all zones together.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listings {
    /// Where it is listed.
    pub listed: Vec<Listed>,
    /// Zones that gave no usable answer in time: never a listing.
    pub unknown: Vec<Arc<str>>,
}

impl Listings {
    /// The sum of the weights, in thousandths.
    #[must_use]
    pub fn score_milli(&self) -> i32 {
        self.listed.iter().fold(0, |sum, l| sum.saturating_add(l.weight_milli))
    }
}

/// What greylisting says of client, sender and recipient together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grey {
    /// Seen for the first time, or again before its time: seconds that are left to wait.
    Wait {
        /// Seconds.
        seconds: u32,
    },
    /// It came back in time.
    Passed,
    /// The client has proved itself before.
    Proven,
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ban {
    /// Until when, seconds since 1970.
    pub until: i64,
    /// Which events led to it, in words: `early-talk 40, auth-failure 60`.
    pub why: Box<str>,
}

/// A limit that is exceeded now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Over {
    /// Which: the key of `limits.toml`, such as `per_ip` or `recipients`.
    pub limit: Box<str>,
    /// Whose: an address, a prefix, a listener.
    pub subject: Box<str>,
    /// The limit in words: `20`, `200/5m`.
    pub value: Box<str>,
}

/// A throttle that is in force for this sender, user, domain or recipient.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Throttled {
    /// Name of the `[[throttle]]`.
    pub throttle: Arc<str>,
    /// Whose: `user alice`, `sender_domain example.com`.
    pub subject: Box<str>,
    /// What was too much: `messages 500/1h`.
    pub why: Box<str>,
    /// Until when, seconds since 1970.
    pub until: i64,
}

/// What is looked up or remembered about the client and its message.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Gathered {
    /// The reverse name (PTR), confirmed or not. The confirmed one is in `Client`.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub pointer: Fact<Box<str>>,
    /// Two letters (ISO 3166), from the database that the admin supplied.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub country: Fact<Box<str>>,
    /// The HELO name has an A, AAAA or MX record.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub hello_resolves: Fact<bool>,
    /// The sender's domain has an MX, A or AAAA record; a null MX (RFC 7505) is `Absent`.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub sender_domain: Fact<bool>,
    /// DNS lists.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub listings: Fact<Listings>,
    /// Greylisting of client, sender and the recipient that is asked about.
    #[serde(skip_serializing_if = "Fact::is_not_asked")]
    pub grey: Fact<Grey>,
}

impl Gathered {
    /// Nobody has asked for anything yet.
    pub const NOTHING: Self = Self {
        pointer: Fact::Unknown(Cause::NotAsked),
        country: Fact::Unknown(Cause::NotAsked),
        hello_resolves: Fact::Unknown(Cause::NotAsked),
        sender_domain: Fact::Unknown(Cause::NotAsked),
        listings: Fact::Unknown(Cause::NotAsked),
        grey: Fact::Unknown(Cause::NotAsked),
    };
}

impl Default for Gathered {
    fn default() -> Self {
        Self::NOTHING
    }
}

/// What the client has done, and what the limits say of it now.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// Banned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
    /// A limit of connections or rates that is exceeded at this stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// A throttle in force for the sender, user or recipient that is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Throttled>,
    /// It spoke before our greeting.
    pub early_talk: bool,
    /// It sent commands ahead without being offered PIPELINING, or where RFC 2920 section 3.1 forbids it.
    pub improper_pipelining: bool,
}

impl Conduct {
    /// A client of which nothing is known.
    pub const UNKNOWN: Self =
        Self { ban: None, over: None, throttled: None, early_talk: false, improper_pipelining: false };
}
